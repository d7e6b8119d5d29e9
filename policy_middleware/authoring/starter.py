"""The document to begin with, which explains itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from policy_middleware.model.documents import canonical_json
from policy_middleware.model.json_reading import JSON
from policy_middleware.model.vocabulary import is_tenant_id

SCHEMA_FILE: Final = "schema/policy.json"
"""Where editors find the JSON Schema, relative to the document; stores do not read below their directory."""


def starter_document(tenant: str, *, owner: str) -> dict[str, JSON]:
    """Return a first document for a tenant; raises ValueError for what is no tenant's id."""
    if not is_tenant_id(tenant):
        raise ValueError(f"{tenant!r} is not a tenant id")
    return {
        "$schema": f"./{SCHEMA_FILE}",
        "schema": 1,
        "description": (
            f"Who may do what in {tenant}. The first rule whose 'when' holds decides; where none does, "
            "'default' does. Adapt roles and actions to your application, try it with `policyctl eval` and "
            "`policyctl explain`, then put it in force with `policyctl publish`."
        ),
        "metadata": {"owner": owner},
        "default": "deny",
        "rules": _RULES,
    }


def starter_bytes(tenant: str, *, owner: str) -> bytes:
    """Return the first document for a tenant as the file to write."""
    return canonical_json(starter_document(tenant, owner=owner), name=tenant)


def _rule(rule_id: str, note: str, when: Mapping[str, JSON], effect: str, **more: JSON) -> dict[str, JSON]:
    return {"id": rule_id, "note": note, "when": dict(when), "effect": effect, **more}


_RULES: Final[list[JSON]] = [
    _rule(
        "guests-never-delete",
        "Exceptions stand above what they are exceptions of. The reason is public: clients read it. A note "
        "like this one is not.",
        {"role": "guest", "action": {"in": ["document.delete", "customer.delete"]}},
        "deny",
        reason="Guests cannot delete anything.",
    ),
    _rule(
        "agents-at-night",
        "In mode 'observe' a rule decides nothing; what it would have done is recorded. Hours are UTC. "
        "`policyctl rule enforce agents-at-night` turns it on.",
        {"subject.type": "agent", "environment.hour": {"gte": 20}},
        "deny",
        mode="observe",
        reason="Automatic agents rest after eight in the evening.",
    ),
    _rule(
        "export-needs-second-person",
        "The request is parked until somebody with the role agrees; nobody approves a request of their own.",
        {"action": "report.export", "tags": "pii"},
        "require_approval",
        reason="Exports of personal data need the data protection officer.",
        approval={"approvers": {"role": "dpo"}, "required": 1, "expires_in": "4h"},
    ),
    _rule(
        "support-sees-masked",
        "The handler runs; these fields of its JSON response are replaced. '**' reaches any depth.",
        {"role": "support", "action": {"prefix": "customer."}},
        "mask",
        reason="Support sees masked personal data.",
        mask={"fields": {"**.email": "redact", "**.iban": "partial"}},
    ),
    _rule(
        "staff-works",
        "Roles come from your identity source; actions from @policy_action, or else they are like "
        "'GET /documents/{id}'.",
        {
            "role": {"in": ["staff", "support", "guest"]},
            "any": [
                {"action": {"prefix": "document."}},
                {"action": {"prefix": "customer."}},
                {"action": {"prefix": "report."}},
            ],
        },
        "allow",
        reason="Staff works with documents, customers and reports.",
    ),
]
