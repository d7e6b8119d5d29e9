"""Fixtures of the tests of the testing helpers."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from policy_middleware import PolicyEnforcer
from policy_middleware.stores import MemoryStore
from tests.testing.applications import NOWHERE, SERVICES, Service


@pytest.fixture(params=SERVICES)
def service(request: pytest.FixtureRequest) -> Iterator[Service]:
    """The service in each framework in turn."""
    with SERVICES[request.param]() as opened:
        yield opened


@pytest.fixture
def unreachable() -> Iterator[PolicyEnforcer]:
    """An enforcer whose store cannot be reached."""
    with PolicyEnforcer.from_url(NOWHERE) as enforcer:
        yield enforcer


@pytest.fixture
def enforcer() -> Iterator[PolicyEnforcer]:
    """An enforcer over an empty store in memory."""
    with PolicyEnforcer.from_url("memory://") as enforcer:
        assert isinstance(enforcer.snapshots.store, MemoryStore)
        yield enforcer
