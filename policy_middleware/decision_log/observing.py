"""Who hears of every decision of this process at once, in the thread that made it: tests, and OpenTelemetry.

A sink is told later, by the writer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol

from policy_middleware.model.context import RequestContext
from policy_middleware.model.decision import PolicyDecision

if TYPE_CHECKING:
    from policy_middleware.decision_log.log import DecisionLog


class Observer(Protocol):
    """Takes what `DecisionLog.append` was given; must not raise."""

    def __call__(
        self,
        log: DecisionLog,
        decision: PolicyDecision,
        context: RequestContext | None,
        *,
        enforced: bool,
        refusal: str | None,
        approval_id: str | None,
    ) -> None: ...


observers: Final[list[Observer]] = []
