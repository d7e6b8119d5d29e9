"""A mask shown at work: what it finds is marked, before and after, for people who try it out."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final

from policy_middleware.masking.masker import Masker
from policy_middleware.masking.operator_protocol import MaskingOperator
from policy_middleware.masking.operators import Operators
from policy_middleware.masking.operators.constants import placeholder
from policy_middleware.model.policy import FieldMask, MaskOperator, MaskSpec, Operation

_BEGIN, _NAMED, _END = "\ue0f0", "\ue0f1", "\ue0f2"  # for private use, so nothing else means them
_MARKS: Final = re.compile(f"[{_BEGIN}{_NAMED}{_END}]")
_ESCAPED: Final = re.compile(r"\\u(e0f[012])")
_PIECE: Final = re.compile(f"{_BEGIN}([A-Z0-9_]*){_NAMED}|{_END}")
_WHOLE_VALUES: Final = frozenset({MaskOperator.DROP, MaskOperator.NULLIFY})


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a body, and the name of what was found in it (None: nothing)."""

    text: str
    entity: str | None = None


def marked(
    spec: MaskSpec, body: bytes, content_type: str, *, tenant_key: bytes | None
) -> tuple[list[Piece], list[Piece]]:
    """Return a body in pieces, before and after masking.

    Numbers, and values that are dropped or nullified, are not marked afterwards. Raises what `Masker` raises.
    """
    clean = _MARKS.sub("\ufffd", body.decode(errors="replace")).encode()
    fields = [
        FieldMask(mask.path, Operation(MaskOperator.REDACT)) if mask.operator in _WHOLE_VALUES else mask
        for mask in spec.fields
    ]
    before = Masker(replace(spec, fields=tuple(fields)), _Marking(tenant_key, before=True))
    after = Masker(spec, _Marking(tenant_key, before=False))
    return (
        [*_pieces(before.mask(clean, content_type).body.decode())],
        [*_pieces(after.mask(clean, content_type).body.decode())],
    )


class _Marking(Operators):
    def __init__(self, tenant_key: bytes | None, *, before: bool) -> None:
        super().__init__(tenant_key)
        self._before = before

    def of(self, operations: frozenset[Operation]) -> MaskingOperator:
        return _Marked(super().of(operations), self._before)


@dataclass(frozen=True, slots=True)
class _Marked:
    operator: MaskingOperator
    before: bool

    @property
    def strictness(self) -> int:
        return self.operator.strictness

    def scalar(self, literal: str) -> str:
        own = getattr(self.operator, "scalar", placeholder)
        return literal if self.before else str(own(literal))

    def text(self, value: str, entity: str) -> str:
        inner = _PIECE.sub("", value)
        return f"{_BEGIN}{entity}{_NAMED}{inner if self.before else self.operator.text(inner, entity)}{_END}"


def _pieces(text: str) -> Iterator[Piece]:
    text = _ESCAPED.sub(lambda escape: chr(int(escape[1], 16)), text)
    position = 0
    entities: list[str] = []
    for mark in _PIECE.finditer(text):
        if mark.start() > position:
            # Something found in a field that is masked whole is shown as that field.
            yield Piece(text[position : mark.start()], entities[0] if entities else None)
        position = mark.end()
        if mark[1] is not None:
            entities.append(mark[1])
        elif entities:
            entities.pop()
    if position < len(text):
        yield Piece(text[position:])
