"""Documents and rules that the tests of this folder start from."""

from __future__ import annotations

from typing import Any

import pytest

from policy_middleware.model.documents import parse_document
from policy_middleware.model.errors import DocumentError
from policy_middleware.model.policy import PolicyDocument

ACME: dict[str, Any] = {
    "$schema": "./policy.schema.json",
    "schema": 1,
    "description": "Acme, DPA of March 2026",
    "metadata": {"owner": "dana", "tickets": ["SEC-12", 7]},
    "default": "deny",
    "rules": [
        {
            "id": "staff-reads",
            "when": {"role": {"in": ["analyst", "viewer"]}, "action": {"prefix": "document.read"}},
            "effect": "allow",
            "reason": "Staff may read.",
        },
        {
            "id": "viewer-no-delete",
            "when": {"role": {"in": ["viewer", "guest"]}, "action": "document.delete"},
            "effect": "deny",
            "reason": "Viewers cannot delete documents.",
            "note": "Asked for by legal.",
        },
        {
            "id": "big-export",
            "when": {"action": "report.export", "tags": {"in": ["pii"]}, "resource.rows": {"gte": 1000}},
            "effect": "require_approval",
            "reason": "Exports of 1000+ personal records need a second person.",
            "approval": {"approvers": {"role": "dpo"}, "required": 1, "expires_in": "4h"},
        },
        {
            "id": "support-sees-masked",
            "when": {"role": "support", "any": [{"tags": "pii"}, {"resource.type": "customer"}]},
            "effect": "mask",
            "reason": "Support sees masked personal data.",
            "mask": {
                "fields": {
                    "customers[*].email": {"operator": "partial", "show_first": 2},
                    "**.ssn": "redact",
                    "[0].card": "partial",
                }
            },
        },
        {
            "id": "inc-42",
            "valid_until": "2026-12-01T00:00:00Z",
            "mode": "observe",
            "when": {
                "not": {"action": {"prefix": "agent."}},
                "subject.id": {"eq": {"ref": "resource.owner"}},
            },
            "effect": "deny",
            "reason": "Agent actions are off during INC-42.",
        },
    ],
}

RECORD: list[Any] = [
    {"conditions": {"role": "viewer", "action": "document.delete"}, "action": "deny", "reason": "No."},
    {"conditions": {"resource.rows": {"gte": 1000}}, "action": "require_approval", "reason": "Ask."},
]
"""A document in the form of the decision record."""


def rule(**changes: Any) -> dict[str, Any]:
    """Return a valid rule with some keys changed; a key given as `...` is left out."""
    given = {"id": "r1", "when": {}, "effect": "deny", "reason": "No."} | changes
    return {key: value for key, value in given.items() if value is not ...}


def document(*rules: Any, **changes: Any) -> dict[str, Any]:
    """Return a valid document with these rules and some keys changed; `...` leaves a key out."""
    given = {"default": "allow", "rules": list(rules)} | changes
    return {key: value for key, value in given.items() if value is not ...}


def parsed(*rules: Any, name: str = "acme", **changes: Any) -> PolicyDocument:
    """Parse `document(*rules, **changes)`."""
    return parse_document(document(*rules, **changes), name=name)


def problems(raw: Any, name: str = "acme") -> list[str]:
    """Return what is wrong with a document that has to be refused, each as `path: sentence`."""
    with pytest.raises(DocumentError) as caught:
        parse_document(raw, name=name)
    assert caught.value.name == name
    return [str(problem) for problem in caught.value.problems]
