"""Fixtures for pytest, which finds them by the entry point `pytest11` wherever this package is installed.

Every run of pytest there imports this module, whatever it tests. So nothing is imported here that a test has
not asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from policy_middleware.approvals import ApprovalTask
    from policy_middleware.enforcer import PolicyEnforcer
    from policy_middleware.testing import RecordedDecision
    from policy_middleware.testing.overriding import Policies


@pytest.fixture
def policies() -> Iterator[Callable[[Policies], None]]:
    """Put policies in force until the test ends: `policies(document)` or `policies({"acme": document})`.

    Called again, the later ones are laid over the earlier ones, name by name.
    """
    from policy_middleware.testing import override_policies

    with ExitStack() as entered:

        def put_in_force(policies: Policies) -> None:
            entered.enter_context(override_policies(policies))

        yield put_in_force


@pytest.fixture
def policy_enforcer() -> Iterator[PolicyEnforcer]:
    """An enforcer of its own over an empty store in memory."""
    from policy_middleware import PolicyEnforcer

    with PolicyEnforcer.from_settings({"store_url": "memory://"}) as enforcer:
        yield enforcer


@pytest.fixture
def policy_decisions() -> Iterator[list[RecordedDecision]]:
    """What has been decided since the test began."""
    from policy_middleware.testing import decisions

    with decisions() as made:
        yield made


@pytest.fixture
def approve() -> Callable[..., ApprovalTask]:
    """Approve a parked request: `approve(response, as_="bea", roles=["dpo"])`."""
    from policy_middleware.testing import approve

    return approve
