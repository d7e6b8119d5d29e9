"""Documents with counts and limits that the tests of this folder share."""

from __future__ import annotations

from typing import Any

LOCKED: dict[str, Any] = {
    "id": "locked",
    "when": {"count": {"effect": "deny", "per": ["subject.id"], "within": "1h", "gte": 3}},
    "effect": "deny",
    "reason": "Too many refused attempts; try again later.",
}
STAFF: dict[str, Any] = {
    "id": "staff",
    "when": {"action": "read"},
    "effect": "allow",
    "reason": "Staff reads.",
}
FIVE: dict[str, Any] = {
    "id": "five-a-day",
    "when": {"action": "export"},
    "effect": "allow",
    "reason": "Five exports a day.",
    "limit": {"per": ["subject.id"], "within": "24h", "max": 5},
}


def policy(*rules: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return {"schema": 1, "default": "deny", "rules": list(rules), **changes}


LOCK_OUT = policy(LOCKED, STAFF)


def asking(action: str = "read", subject: str | None = "ann", **more: Any) -> dict[str, Any]:
    asked = {"tenant": "acme", "action": action, **more}
    return asked if subject is None else asked | {"subject.id": subject}
