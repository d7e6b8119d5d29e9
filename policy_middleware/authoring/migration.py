"""From the decision record's lists to the canonical form, with everything that had to be assumed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from policy_middleware.authoring.wording import listed
from policy_middleware.model.canonical_form import RULE_ALIASES
from policy_middleware.model.documents import (
    DEFAULT_MAX_DOCUMENT_BYTES,
    RawDocument,
    canonical_json,
    parse_document,
)
from policy_middleware.model.json_reading import JSON, plain_json, read_json
from policy_middleware.model.vocabulary import ALIASES, DEFAULT, GUARDRAILS


@dataclass(frozen=True, slots=True)
class Migration:
    """A document in the canonical form, as the bytes to store, and what its author should confirm."""

    body: bytes
    assumptions: tuple[str, ...]


def migrate(
    raw: RawDocument, *, name: str = DEFAULT, max_bytes: int = DEFAULT_MAX_DOCUMENT_BYTES
) -> Migration:
    """Return a document in the canonical form; raises DocumentError for one that is not valid.

    Ids that are given here follow from the content of each rule: migrating again gives the same ones.
    """
    body = canonical_json(raw, name=name, max_bytes=max_bytes)
    tree = read_json(raw, max_bytes) if isinstance(raw, (bytes, str)) else plain_json(raw)
    ids = [rule.id for rule in parse_document(body, name=name, max_bytes=max_bytes).rules]
    return Migration(body, tuple(_assumptions(tree, name, ids)))


def _assumptions(tree: JSON, name: str, ids: list[str]) -> Iterator[str]:
    rules = tree["rules"] if isinstance(tree, dict) else tree
    written = [rule for rule in rules if isinstance(rule, dict)] if isinstance(rules, list) else []
    if isinstance(tree, list) and name not in GUARDRAILS:
        yield (
            'the default is "allow", as a bare list means it: whatever no rule decides is allowed; '
            'write "deny" if only what a rule allows should be'
        )
    for number, (rule, rule_id) in enumerate(zip(written, ids, strict=True), 1):
        if "id" not in rule:
            yield (
                f"rule {number} had no id and is called {rule_id!r} from now on, "
                "in decisions, logs and approvals; give it a better name now, not later"
            )
    for alias, key in RULE_ALIASES.items():
        if any(alias in rule for rule in written):
            yield f"{alias!r} of a rule is written {key!r}"
    used = sorted({one for rule in written for one in _aliases(rule.get("when", rule.get("conditions")))})
    if used:
        meanings = listed([f"{one!r} means {ALIASES[one]!r}" for one in used])
        yield f"short names of attributes stay as they are: {meanings}"
    if isinstance(tree, dict) and "schema" not in tree:
        yield 'the document had no "schema" and is read as schema 1'


def _aliases(when: JSON) -> Iterator[str]:
    for key, value in when.items() if isinstance(when, dict) else ():
        if key in ALIASES:
            yield key
        elif key == "not":
            yield from _aliases(value)
        elif key in ("all", "any") and isinstance(value, list):
            for one in value:
                yield from _aliases(one)
