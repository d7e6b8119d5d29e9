"""The policies that stand in for those of every store of this process, while there are any.

Tests put them here (`policy_middleware.testing`), and nothing else does. No store is asked meanwhile.
"""

from __future__ import annotations

from typing import Protocol

from policy_middleware.evaluation.policy_set import PolicySet
from policy_middleware.stores.in_force import OnMissingPolicy


class PoliciesInstead(Protocol):
    """What is in force in place of what the stores hold."""

    def policies(self, tenant: str, on_missing_policy: OnMissingPolicy) -> PolicySet | None:
        """Return what decides a tenant's requests; None for what is no tenant id."""


in_force: PoliciesInstead | None = None
"""Read by every request, so that what is put here holds at once for all of them."""
