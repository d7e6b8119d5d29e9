"""Policy documents: from the bytes of the store to validated values, and back to canonical JSON."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from hashlib import sha256
from typing import Final

from pydantic import ValidationError

from policy_middleware.model.canonical_form import canonical_tree, rule_digest, written_document
from policy_middleware.model.conditions import ALWAYS, owned
from policy_middleware.model.document_consistency import contradictions
from policy_middleware.model.document_models import DocumentModel, RuleModel
from policy_middleware.model.document_problems import findings_of, without_echoes
from policy_middleware.model.effect import Effect
from policy_middleware.model.errors import DocumentError, Problem
from policy_middleware.model.findings import Finding
from policy_middleware.model.json_reading import JSON, Path, json_path, plain_json, read_json
from policy_middleware.model.mask_models import Recognizers
from policy_middleware.model.policy import ApprovalSpec, Combine, PolicyDocument, Rule
from policy_middleware.model.vocabulary import DEFAULT, is_document_name

DEFAULT_MAX_DOCUMENT_BYTES: Final = 4 * 1024 * 1024
"""Room for more than ten thousand rules; a larger document is refused unread."""

RawDocument = bytes | str | Mapping[str, object] | list[object]
"""A document as it is stored (JSON text) or as Python data."""

_IMPLICIT_DEFAULT: Final = (
    "a bare list of rules allows whatever no rule decides; "
    "'policyctl migrate' writes it with an explicit default and lasting ids"
)
_UNNAMED_APPROVERS: Final = "names no approvers, so anyone but the requester may approve"


def parse_document(
    raw: RawDocument, *, name: str, max_bytes: int = DEFAULT_MAX_DOCUMENT_BYTES
) -> PolicyDocument:
    """Validate a document and return what it says, or raise DocumentError listing every problem.

    `name` is the tenant's id or one of `_global`, `_incident` and `_default`; guardrails follow stricter
    rules. Python data is held to the same rules as JSON text.
    """
    _, document = _read(raw, name, max_bytes)
    return document


def canonical_document(
    raw: RawDocument, *, name: str = DEFAULT, max_bytes: int = DEFAULT_MAX_DOCUMENT_BYTES
) -> dict[str, JSON]:
    """Return a valid document in the canonical form, or raise DocumentError.

    The decision record's bare list gets its default and ids, its spellings (`conditions`, `action`) become
    `when` and `effect`, keys take their canonical order. Whatever else the author wrote stays as it is.
    """
    written, _ = _read(raw, name, max_bytes)
    return canonical_tree(written)


def canonical_json(
    raw: RawDocument, *, name: str = DEFAULT, max_bytes: int = DEFAULT_MAX_DOCUMENT_BYTES
) -> bytes:
    """Return the canonical form as the bytes to store: indented UTF-8 JSON that ends in a newline."""
    document = canonical_document(raw, name=name, max_bytes=max_bytes)
    body = (json.dumps(document, ensure_ascii=False, indent=2) + "\n").encode()
    _check_size(len(body), max_bytes)
    return body


def migrate_document(raw: RawDocument, *, name: str = DEFAULT) -> dict[str, JSON]:
    """Return the decision record's bare list (or any valid document) in the canonical form."""
    return canonical_document(raw, name=name)


def revision_of(raw: bytes) -> str:
    """Return the revision of a document: the SHA-256 hex digest of its stored bytes."""
    return sha256(raw).hexdigest()


def _tree(raw: RawDocument, max_bytes: int) -> JSON:
    if isinstance(raw, (bytes, str)):
        return read_json(raw, max_bytes)
    tree = plain_json(raw)
    _check_size(len(json.dumps(tree, ensure_ascii=False).encode()), max_bytes)
    return tree


def _check_size(size: int, max_bytes: int) -> None:
    if size > max_bytes:
        raise DocumentError([Problem("$", f"is {size} bytes long; at most {max_bytes} are accepted")])


def _read(raw: RawDocument, name: str, max_bytes: int) -> tuple[dict[str, JSON], PolicyDocument]:
    """Return the document as its author wrote it and as what it says, or raise DocumentError."""
    try:
        if not is_document_name(name):
            raise DocumentError(
                [Problem("$", f"{name!r} is neither a tenant id nor a reserved document name")]
            )
        tree = _tree(raw, max_bytes)
        written = written_document(tree, name)
        return written, _parsed(written, name, bare=isinstance(tree, list))
    except DocumentError as error:
        raise DocumentError(error.problems, name) from None
    except RecursionError:
        # What could just be read may still be too deep for what comes after, above all far down a call stack.
        raise DocumentError([Problem("$", "is nested too deeply to be read")], name) from None


def _parsed(written: dict[str, JSON], name: str, *, bare: bool) -> PolicyDocument:
    findings: list[Finding] = []
    model: DocumentModel | None = None
    try:
        model = DocumentModel.model_validate(written)
    except ValidationError as error:
        findings.extend(findings_of(error))
    findings.extend(contradictions(written, name))
    if findings or model is None:
        told = sorted(without_echoes(findings), key=_rule_number)
        raise DocumentError([_located(finding, bare) for finding in told])
    warnings = [_located(finding, bare) for finding in _warnings(model, written)]
    if bare:
        warnings.insert(0, Problem("$", _IMPLICIT_DEFAULT))
    return PolicyDocument(
        name=name,
        rules=tuple(
            map(
                partial(_rule, name, model.recognizers),
                model.rules,
                canonical_tree(written)["rules"],  # type: ignore[arg-type]
            )
        ),
        default=None if model.default is None else Effect(model.default),
        combine=Combine(model.combine),
        description=model.description or None,
        metadata=model.metadata,
        warnings=tuple(map(str, warnings)),
        recognizers=tuple(own.named(name) for name, own in model.recognizers.items()),
    )


def _rule_number(finding: Finding) -> int:
    """Sort what concerns the whole document first, then rule by rule."""
    path, _ = finding
    return path[1] if len(path) > 1 and path[0] == "rules" and isinstance(path[1], int) else -1


def _located(finding: Finding, bare: bool) -> Problem:
    path, message = finding
    if bare and path[:1] == ("rules",):
        path = path[1:]
    return Problem(json_path(path), message)


def _warnings(model: DocumentModel, written: Mapping[str, JSON]) -> Iterator[Finding]:
    """Yield what the author of a valid document should know, at the keys the author wrote."""
    rules = written["rules"]
    for index, (rule, raw) in enumerate(
        zip(model.rules, rules if isinstance(rules, list) else (), strict=True)
    ):
        if rule.when.warnings:
            key = "when" if isinstance(raw, dict) and "when" in raw else "conditions"
            yield from _below(("rules", index, key), rule.when.warnings)
        approval = rule.approval
        if approval is not None:
            yield from _below(("rules", index, "approval", "approvers"), approval.approvers.warnings)
            if approval.escalate is not None:
                second = approval.escalate.approvers
                yield from _below(("rules", index, "approval", "escalate", "approvers"), second.warnings)
        if rule.effect == "require_approval" and (approval is None or approval.approvers.condition == ALWAYS):
            yield ("rules", index), _UNNAMED_APPROVERS


def _below(path: Path, findings: Iterable[Finding]) -> Iterator[Finding]:
    return (((*path, *inner), message) for inner, message in findings)


def _rule(document: str, recognizers: Recognizers, model: RuleModel, canonical: JSON) -> Rule:
    owner = f"{document}/{model.id}"
    effect = Effect(model.effect)
    approval = ApprovalSpec() if effect is Effect.REQUIRE_APPROVAL else None
    return Rule(
        id=model.id,
        when=owned(model.when.condition, owner),
        effect=effect,
        reason=model.reason,
        digest=rule_digest(canonical),
        note=model.note or None,
        enabled=model.enabled,
        observe=model.mode == "observe",
        valid_from=model.valid_from,
        valid_until=model.valid_until,
        mask=None if model.mask is None else model.mask.spec(recognizers),
        approval=approval if model.approval is None else model.approval.spec(),
        limit=None if model.limit is None else model.limit.spec(owner),
    )
