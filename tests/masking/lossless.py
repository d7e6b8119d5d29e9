"""Each way to mask a document, to be held against what the model makes of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from policy_middleware.masking import Masker
from policy_middleware.model.policy import FieldMask, MaskSpec
from tests.masking import documents


def ways(text: str, fields: Sequence[FieldMask]) -> dict[str, str]:
    """What every way that takes this document makes of it, by its name."""
    body = text.encode()
    masker = Masker.from_spec(MaskSpec(tuple(fields)))
    written = {
        "mask": masker.mask(body, "application/json").body.decode(),
        "in place": masker._fields_masked(text, None)[0],
    }
    quick = None if masker._plan is None else masker._plan.apply(body)
    return written if quick is None else {**written, "quick": quick[0].decode()}


def outcomes(node: documents.Container, fields: list[FieldMask]) -> Iterator[tuple[str, str, dict[str, str]]]:
    """A document in three layouts: its text, what the model makes of it, and what each way makes of it."""
    for layout in (
        node,
        documents.ordinary(node, spaced=False),
        documents.ordinary(node, spaced=True),
    ):
        text = documents.printed(layout)
        yield text, documents.masked(layout, fields), ways(text, fields)
