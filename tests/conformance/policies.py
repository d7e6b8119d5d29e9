"""The policies and the caller that the suite's tests share."""

from __future__ import annotations

from typing import Any, Final

from policy_middleware.attributes import header

TENANT: Final = "acme"
IDENTITY: Final = (("X-Tenant-ID", TENANT), ("X-User", "bea"), ("X-Roles", "analyst, viewer"))
"""The headers of a caller whom every source accepts."""

SOURCES: Final = {
    "tenant": header("X-Tenant-ID"),
    "subject": header("X-User"),
    "roles": header("X-Roles"),
}

ALLOW_ALL: Final[dict[str, object]] = {"schema": 1, "default": "allow", "rules": []}
DENY_ALL: Final[dict[str, object]] = {"schema": 1, "default": "deny", "rules": []}


def only(effect: str, when: dict[str, Any], default: str = "deny", **more: Any) -> dict[str, Any]:
    """Return a document of one rule over a default."""
    rule = {"id": "the-rule", "when": when, "effect": effect, "reason": "Because the rule says so.", **more}
    return {"schema": 1, "default": default, "rules": [rule]}


def masking(when: dict[str, Any] | None = None) -> dict[str, Any]:
    """Return a document that allows everything and masks `email` and every `ssn`."""
    return only("mask", when or {}, default="allow", mask={"fields": {"email": "redact", "**.ssn": "redact"}})


def approving(when: dict[str, Any] | None = None) -> dict[str, Any]:
    """Return a document that allows everything but sends what `when` says to an approver with role dpo."""
    return only(
        "require_approval",
        when or {},
        default="allow",
        approval={"approvers": {"role": "dpo"}, "required": 1, "expires_in": "1h"},
    )
