from __future__ import annotations

from collections.abc import Iterator

import pytest

from policy_middleware.console import Inbox
from policy_middleware.enforcer import PolicyEnforcer
from tests.console.visiting import Desk


@pytest.fixture
def enforcer() -> Iterator[PolicyEnforcer]:
    with PolicyEnforcer.from_url("memory://", decision_log=lambda record: None) as enforcer:
        enforcer.publish("acme", {"schema": 1, "default": "allow", "rules": []})
        enforcer.publish("globex", {"schema": 1, "default": "allow", "rules": []})
        yield enforcer


@pytest.fixture
def desk(enforcer: PolicyEnforcer) -> Desk:
    """An inbox, and what one may do with it."""
    return Desk(enforcer, Inbox(enforcer))
