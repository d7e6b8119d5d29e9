"""What a careful colleague would remark about a policy document that is valid."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from policy_middleware.authoring.draft import Draft, KnownNames
from policy_middleware.authoring.findings import Code, LintFinding, Remark
from policy_middleware.authoring.lint_conditions import condition_remarks
from policy_middleware.authoring.lint_names import name_remarks
from policy_middleware.authoring.lint_order import order_remarks
from policy_middleware.authoring.lint_upkeep import upkeep_remarks
from policy_middleware.authoring.positions import SourceMap
from policy_middleware.model.canonical_form import written_document
from policy_middleware.model.documents import DEFAULT_MAX_DOCUMENT_BYTES, RawDocument, parse_document
from policy_middleware.model.errors import DocumentError
from policy_middleware.model.json_reading import JSON, Path, json_path, plain_json, read_json

_CHECKS: Final[tuple[Callable[[Draft], Iterator[Remark]], ...]] = (
    condition_remarks,
    order_remarks,
    upkeep_remarks,
    name_remarks,
)


def lint_document(
    raw: RawDocument,
    *,
    name: str,
    now: float,
    known: KnownNames | None = None,
    max_bytes: int = DEFAULT_MAX_DOCUMENT_BYTES,
) -> list[LintFinding]:
    """Return what there is to remark about a valid document, in the order of the text.

    `now` is in seconds since the epoch. Raises DocumentError for a document that is not valid. Whatever is
    said about conditions and order has been proved for every request that an adapter can describe.
    """
    document = parse_document(raw, name=name, max_bytes=max_bytes)
    tree = read_json(raw, max_bytes) if isinstance(raw, (bytes, str)) else plain_json(raw)
    rules = written_document(tree, name)["rules"]
    written = [rule for rule in rules if isinstance(rule, dict)] if isinstance(rules, list) else []
    draft = Draft(document, written, isinstance(tree, list), now, known or KnownNames())
    remarks = [*_document_remarks(tree, name), *(remark for check in _CHECKS for remark in check(draft))]
    source = source_map(raw)
    found = [
        LintFinding(
            remark.code,
            remark.rule,
            json_path(remark.path),
            None if source is None else source.line(json_path(remark.path)),
            remark.message,
            remark.remedy,
        )
        for remark in sorted(remarks, key=lambda remark: _rule_number(remark.path))
    ]
    return found if source is None else sorted(found, key=lambda finding: finding.line or 0)


def problem_lines(raw: RawDocument, error: DocumentError) -> list[int | None]:
    """Return the line of each problem of a document that is not valid; None where it is not even JSON."""
    source = source_map(raw)
    return [None if source is None else source.line(problem.path) for problem in error.problems]


def source_map(raw: RawDocument) -> SourceMap | None:
    """Return the places in a document's text, or None for Python data and for what is not JSON."""
    if not isinstance(raw, (bytes, str)):
        return None
    try:
        read_json(raw, len(raw) * 4)
    except DocumentError as error:
        # Without a path there is no tree to speak of; repeated keys and the like still have places.
        if any(problem.path == "$" for problem in error.problems):
            return None
    return SourceMap(raw if isinstance(raw, str) else raw.decode())


def _rule_number(path: Path) -> int:
    return next((part for part in path[:2] if isinstance(part, int)), -1)


def _document_remarks(tree: JSON, name: str) -> Iterator[Remark]:
    if isinstance(tree, list):
        yield Remark(
            Code.IMPLICIT_DEFAULT,
            (),
            "A bare list of rules allows whatever no rule decides, and its rules have no lasting ids.",
            "Run `policyctl migrate` and review the default it writes.",
        )
