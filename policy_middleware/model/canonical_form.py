"""The one spelling of a document that is written back: defaults said, ids given, keys in order."""

from __future__ import annotations

import json
from collections.abc import Mapping
from hashlib import sha256
from types import MappingProxyType
from typing import Final

from policy_middleware.model.errors import DocumentError, Problem
from policy_middleware.model.json_reading import JSON, kind_of
from policy_middleware.model.vocabulary import GUARDRAILS

RULE_ALIASES: Final = MappingProxyType({"conditions": "when", "action": "effect"})
"""The decision record's spellings of a rule's keys."""

_DOCUMENT_KEYS: Final = (
    *("$schema", "schema", "description", "metadata", "default", "combine", "recognizers", "rules"),
)
_RULE_KEYS: Final = (
    *("id", "enabled", "mode", "valid_from", "valid_until", "when", "effect", "reason", "note"),
    *("mask", "approval", "limit"),
)
_DIGEST_JSON: Final = json.JSONEncoder(ensure_ascii=False, sort_keys=True, separators=(",", ":"))
_GENERATED_ID_DIGITS: Final = 10


def written_document(tree: JSON, name: str) -> dict[str, JSON]:
    """Return the document as an object, keeping the author's spelling, or raise DocumentError.

    A bare list (the decision record's form) gets what it leaves unsaid: the default `allow`, and for each
    rule without an id one that follows from its content, so that moving or adding rules changes no id.
    """
    if isinstance(tree, dict):
        return tree
    if not isinstance(tree, list):
        raise DocumentError(
            [Problem("$", f'must be an object with "default" and "rules", not {kind_of(tree)}')]
        )
    rules = _with_ids(tree)
    return {"rules": rules} if name in GUARDRAILS else {"default": "allow", "rules": rules}


def canonical_tree(written: Mapping[str, JSON]) -> dict[str, JSON]:
    """Return a valid document in the canonical form."""
    complete: dict[str, JSON] = {"schema": 1, **written}
    document: dict[str, JSON] = {key: complete[key] for key in _DOCUMENT_KEYS if key in complete}
    rules = complete["rules"]
    document["rules"] = [canonical_rule(rule) for rule in rules] if isinstance(rules, list) else rules
    return document


def canonical_rule(rule: JSON) -> JSON:
    """Return a rule in the canonical form (anything but an object is handed back)."""
    if not isinstance(rule, dict):
        return rule
    renamed = {RULE_ALIASES.get(key, key): value for key, value in rule.items()}
    return {key: renamed[key] for key in _RULE_KEYS if key in renamed}


def rule_digest(rule: JSON) -> str:
    """Return the SHA-256 hex digest of a rule in the canonical form; its note does not count."""
    content = {key: rule[key] for key in rule if key != "note"} if isinstance(rule, dict) else rule
    return sha256(_DIGEST_JSON.encode(content).encode()).hexdigest()


def _with_ids(rules: list[JSON]) -> list[JSON]:
    taken = {rule.get("id") for rule in rules if isinstance(rule, dict) and isinstance(rule.get("id"), str)}
    completed: list[JSON] = []
    for rule in rules:
        if isinstance(rule, dict) and "id" not in rule:
            stem = f"rule-{rule_digest(canonical_rule(rule))[:_GENERATED_ID_DIGITS]}"
            number = 1
            while (rule_id := stem if number == 1 else f"{stem}-{number}") in taken:
                number += 1
            taken.add(rule_id)
            completed.append({"id": rule_id, **rule})
        else:
            completed.append(rule)
    return completed
