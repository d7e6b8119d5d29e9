"""Small documents, distinguishable by the description they carry."""

from __future__ import annotations

import json

from policy_middleware.evaluation.policy_set import PolicySet
from policy_middleware.model.context import RequestContext
from policy_middleware.model.documents import revision_of

BAD = b'{"schema": 1, "default": "allow", "rules": ['


def allowing(description: str = "") -> bytes:
    """A document that allows everything."""
    return _document(description, default="allow", rules=[])


def denying(description: str = "") -> bytes:
    """A document that denies everything."""
    return _document(description, default="deny", rules=[])


def guardrail(reason: str = "Off.") -> bytes:
    """A guardrail that denies everything, for good; valid as `_global` and as `_incident`."""
    rule = {
        "id": "off",
        "when": {},
        "effect": "deny",
        "reason": reason,
        "valid_until": "2100-01-01T00:00:00Z",
    }
    return json.dumps({"schema": 1, "rules": [rule]}).encode()


def _document(description: str, **fields: object) -> bytes:
    return json.dumps({"schema": 1, "description": description, **fields}).encode()


def answer(policies: PolicySet | None) -> str:
    """What a policy set says of a plain request: an effect, or `unknown` when there is no policy set."""
    if policies is None:
        return "unknown"
    context = RequestContext.from_mapping({"tenant": "acme", "action": "document.read"})
    return policies.evaluate(context).effect.value


__all__ = ["BAD", "allowing", "answer", "denying", "guardrail", "revision_of"]
