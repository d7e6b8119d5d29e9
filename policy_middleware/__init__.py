"""Decide every request of a Python web application by JSON rules that live in Redis."""

from policy_middleware.enforcer import PolicyEnforcer
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
