"""For the tests of an application under policy: no server, and answers that explain themselves."""

from policy_middleware.testing.approving import approve, deny
from policy_middleware.testing.assertions import (
    assert_allowed,
    assert_denied,
    assert_masked,
    assert_pending,
)
from policy_middleware.testing.overriding import PolicyOverride, override_policies
from policy_middleware.testing.recording import RecordedDecision, decisions

__all__ = [
    "PolicyOverride",
    "RecordedDecision",
    "approve",
    "assert_allowed",
    "assert_denied",
    "assert_masked",
    "assert_pending",
    "decisions",
    "deny",
    "override_policies",
]
