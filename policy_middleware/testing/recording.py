"""What was decided in this process, for tests to look at."""

from __future__ import annotations

import weakref
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final

from policy_middleware.decision_log import DecisionLog
from policy_middleware.decision_log.observing import observers
from policy_middleware.enforcer import PolicyEnforcer, living_enforcers
from policy_middleware.evaluation.policy_set import PolicySet
from policy_middleware.evaluation.trace import Explanation
from policy_middleware.model.context import RequestContext
from policy_middleware.model.decision import PolicyDecision
from policy_middleware.model.effect import Effect

REMEMBERED: Final = 1000
"""Decisions of the process that can be explained by the id in a response."""


@dataclass(frozen=True, slots=True)
class RecordedDecision:
    """One decision as it went into the decision log.

    `enforced` is False where the answer was only observed. `refusal` is the kind of refusal that no policy
    made (`identity-missing`, ...), `approval_id` the approval that the request was parked under or brought.
    """

    decision: PolicyDecision
    context: RequestContext | None
    enforced: bool = True
    refusal: str | None = None
    approval_id: str | None = None
    policies: PolicySet | None = field(default=None, repr=False, compare=False)
    _enforcer: weakref.ref[PolicyEnforcer] | None = field(default=None, repr=False, compare=False)

    @property
    def effect(self) -> Effect:
        """What was decided."""
        return self.decision.effect

    @property
    def rule_id(self) -> str | None:
        """The rule that decided."""
        return self.decision.rule_id

    @property
    def enforcer(self) -> PolicyEnforcer | None:
        """Who decided, while that is still in use."""
        return self._enforcer() if self._enforcer is not None else None

    def explain(self) -> Explanation | None:
        """Return the rule-by-rule trace over the policies of that moment; None for what no policy decided."""
        if self.policies is None or self.context is None:
            return None
        return self.policies.explain(self.context)


@contextmanager
def decisions() -> Iterator[list[RecordedDecision]]:
    """Collect what is decided inside the block, in every thread, in the order it was decided."""
    made: list[RecordedDecision] = []
    _collecting.append(made)
    try:
        yield made
    finally:
        _collecting[:] = [one for one in _collecting if one is not made]


def recorded(decision_id: str) -> RecordedDecision | None:
    """Return one of the latest decisions of this process by its id."""
    return next((one for one in reversed(_latest) if one.decision.decision_id == decision_id), None)


def recorded_with_approval(approval_id: str) -> RecordedDecision | None:
    """Return the latest decision about a request that was parked under an approval's id, or brought it."""
    return next((one for one in reversed(_latest) if one.approval_id == approval_id), None)


def policies_behind(decision: PolicyDecision, context: RequestContext) -> PolicySet | None:
    """Return the policies that a decision was made over, if some enforcer still has them in force."""
    for enforcer in living_enforcers():
        policies = _policies_in_force(enforcer, decision, context)
        if policies is not None:
            return policies
    return None


def _policies_in_force(
    enforcer: PolicyEnforcer, decision: PolicyDecision, context: RequestContext
) -> PolicySet | None:
    policies = enforcer.snapshots.current(context.tenant)
    same = policies is not None and policies.revisions == decision.revisions
    return policies if same else None


def _record(
    log: DecisionLog,
    decision: PolicyDecision,
    context: RequestContext | None,
    *,
    enforced: bool,
    refusal: str | None,
    approval_id: str | None,
) -> None:
    enforcer = next((one for one in living_enforcers() if one.decision_log is log), None)
    policies = None
    if enforcer is not None and context is not None and refusal is None:
        policies = _policies_in_force(enforcer, decision, context)
    reference = weakref.ref(enforcer) if enforcer is not None else None
    made = RecordedDecision(decision, context, enforced, refusal, approval_id, policies, reference)
    _latest.append(made)
    for collection in tuple(_collecting):
        collection.append(made)


_latest: Final[deque[RecordedDecision]] = deque(maxlen=REMEMBERED)
_collecting: Final[list[list[RecordedDecision]]] = []

# From the import on, because an assertion explains a response that was made before it was called.
observers.append(_record)
