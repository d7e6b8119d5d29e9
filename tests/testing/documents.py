"""The policies that the tests of this folder put in force."""

from __future__ import annotations

from typing import Any, Final

ALLOW: Final[dict[str, Any]] = {"schema": 1, "default": "allow", "rules": []}
DENY: Final[dict[str, Any]] = {"schema": 1, "default": "deny", "rules": []}
POLICY: Final[dict[str, Any]] = {
    "schema": 1,
    "default": "deny",
    "rules": [
        {
            "id": "viewer-no-delete",
            "when": {"role": "viewer", "action": "customer.delete"},
            "effect": "deny",
            "reason": "Viewers cannot delete customers.",
        },
        {
            "id": "delete-needs-dpo",
            "when": {"role": "support", "action": "customer.delete"},
            "effect": "require_approval",
            "reason": "Deleting a customer needs the data protection officer.",
            "approval": {"approvers": {"role": "dpo"}},
        },
        {
            "id": "support-sees-masked",
            "when": {"role": "support", "action": "customer.read"},
            "effect": "mask",
            "reason": "Support sees masked personal data.",
            "mask": {"fields": {"email": "redact"}},
        },
        {"id": "admins", "when": {"role": "admin"}, "effect": "allow", "reason": "Admins may."},
    ],
}
INCIDENT: Final[dict[str, Any]] = {
    "schema": 1,
    "rules": [
        {
            "id": "inc-42",
            "valid_until": "2126-01-01T00:00:00Z",
            "when": {"action": {"prefix": "customer."}},
            "effect": "deny",
            "reason": "Customers are closed during INC-42.",
        }
    ],
}


def asked(action: str = "customer.read", role: str = "admin", tenant: str = "acme") -> dict[str, object]:
    """Return a context."""
    return {"tenant": tenant, "user": "bea", "role": role, "action": action}
