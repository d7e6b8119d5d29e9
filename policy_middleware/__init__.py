"""Decide every request of a Python web application by JSON rules that live in Redis."""

from typing import TYPE_CHECKING

from policy_middleware.model.context import RequestContext
from policy_middleware.model.decision import (
    ApprovalRequirement,
    Matched,
    Obligations,
    ObservedRule,
    PolicyDecision,
)
from policy_middleware.model.effect import Effect
from policy_middleware.model.errors import (
    ApprovalError,
    ContextError,
    DocumentError,
    MaskError,
    MissingExtra,
    NoUsablePolicy,
    PolicyError,
    Problem,
    RevisionConflict,
    SettingsError,
    StoreUnavailable,
)
from policy_middleware.routing import policy_action, policy_exempt

if TYPE_CHECKING:
    from policy_middleware.enforcer import PolicyEnforcer

__all__ = [
    "ApprovalError",
    "ApprovalRequirement",
    "ContextError",
    "DocumentError",
    "Effect",
    "Matched",
    "MaskError",
    "MissingExtra",
    "NoUsablePolicy",
    "Obligations",
    "ObservedRule",
    "PolicyDecision",
    "PolicyEnforcer",
    "PolicyError",
    "Problem",
    "RequestContext",
    "RevisionConflict",
    "SettingsError",
    "StoreUnavailable",
    "policy_action",
    "policy_exempt",
]


def __getattr__(name: str) -> object:
    """Import the enforcer when it is first asked for: it brings pydantic and redis, half a second.

    Every run of pytest loads our plugin and so imports this package, also where nothing is under policy.
    """
    if name != "PolicyEnforcer":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from policy_middleware.enforcer import PolicyEnforcer

    return PolicyEnforcer
