"""Fixtures of the ASGI tests: both event loops, BlockBuster, enforcers over a store in memory."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest
from blockbuster import BlockBuster

from policy_middleware.enforcer import PolicyEnforcer

from . import django_project
from .asgi_policies import ALLOW_ALL

# What Django's and Django REST framework's modules read when they are imported, before any test module is.
django_project.configure()


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> str:
    """Both event loops that ASGI servers run."""
    return str(request.param)


@pytest.fixture
def no_blocking() -> Iterator[None]:
    """Fail the test when our code blocks the event loop."""
    names = [name for name in ("policy_middleware", "policy_middleware_starlette") if name in sys.modules]
    blockbuster = BlockBuster(names)
    blockbuster.activate()
    yield
    blockbuster.deactivate()


@pytest.fixture
def enforcer() -> Iterator[PolicyEnforcer]:
    """An enforcer that allows tenant acme everything."""
    with PolicyEnforcer.from_url("memory://", decision_log=lambda record: None) as enforcer:
        enforcer.publish("acme", ALLOW_ALL)
        yield enforcer


@pytest.fixture
def other_enforcer() -> Iterator[PolicyEnforcer]:
    """A second enforcer, with a store of its own, that allows tenant acme everything."""
    with PolicyEnforcer.from_url("memory://", decision_log=lambda record: None) as enforcer:
        enforcer.publish("acme", ALLOW_ALL)
        yield enforcer
