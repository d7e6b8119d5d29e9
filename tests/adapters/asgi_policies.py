"""Policies and sources that the ASGI tests share."""

from __future__ import annotations

from policy_middleware.attributes import header

SOURCES = {
    "tenant": header("X-Tenant-ID"),
    "subject": header("X-User"),
    "roles": header("X-Roles"),
}
ALLOW_ALL: dict[str, object] = {"schema": 1, "default": "allow", "rules": []}
DENY_ALL: dict[str, object] = {"schema": 1, "default": "deny", "rules": []}
MASK_ALL: dict[str, object] = {
    "schema": 1,
    "default": "allow",
    "rules": [
        {
            "id": "mask",
            "when": {},
            "effect": "mask",
            "reason": "Masked.",
            "mask": {"fields": {"email": "redact"}},
        }
    ],
}


def only(effect: str, when: dict[str, object], default: str = "deny", **more: object) -> dict[str, object]:
    """Return a document of one rule over a default."""
    rule = {"id": "the-rule", "when": when, "effect": effect, "reason": "Because.", **more}
    return {"schema": 1, "default": default, "rules": [rule]}
