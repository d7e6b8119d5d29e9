"""How an enforcer is doing at one moment."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from policy_middleware.decision_log import DecisionLogStatus
from policy_middleware.stores.freshness import Unready
from policy_middleware.stores.snapshots import DocumentStatus


@dataclass(frozen=True, slots=True)
class EnforcerStatus:
    """What one process holds and how it gets on.

    `unready` says what keeps requests from being decided (None: nothing). `listener` is `synced`, `starting`
    or `lost: <why>`; `age` the seconds since everything held was known to be current (None: it never was).
    `loaded` and `rejected` count the revisions that took effect in this process, and that it refused.
    """

    unready: Unready | None
    listener: str
    age: float | None
    documents: Sequence[DocumentStatus]
    loaded: int
    rejected: int
    decision_log: DecisionLogStatus

    @property
    def ready(self) -> bool:
        """True when requests can be decided."""
        return self.unready is None

    @property
    def in_force(self) -> int:
        """How many documents are in force."""
        return sum(document.revision is not None for document in self.documents)

    @property
    def refused(self) -> int:
        """Of how many documents the stored version is refused at the moment."""
        return sum(document.rejected is not None for document in self.documents)
