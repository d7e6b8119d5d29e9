"""What only a clock of one's own shows about the queue in memory."""

from __future__ import annotations

import pytest

from policy_middleware.approvals import ApprovalLimits, ApprovalStatus, ConsumptionOutcome, MemoryApprovals
from policy_middleware.model.conditions import Leaf, Operator
from policy_middleware.model.errors import ApprovalError
from tests.approvals.parking import BEA, park, requirement, use

NOON = 1_795_176_000.0  # 2026-11-20 12:00 UTC


class Clock:
    def __init__(self) -> None:
        self.now = NOON

    def __call__(self) -> float:
        return self.now


def test_voting_ends_exactly_at_expires_at() -> None:
    clock = Clock()
    queue = MemoryApprovals(clock=clock)
    early, late = park(queue, requirement(expires_in=100)), park(queue, requirement(expires_in=100), body="2")
    clock.now = NOON + 99.9
    assert queue.approve("acme", early.id, BEA).status is ApprovalStatus.APPROVED
    clock.now = NOON + 100
    with pytest.raises(ApprovalError) as error:
        queue.approve("acme", late.id, BEA)
    assert error.value.code == "task_expired"


def test_use_ends_exactly_at_approved_until() -> None:
    clock = Clock()
    queue = MemoryApprovals(clock=clock)
    tasks = [park(queue, requirement(use_within=60), body=body) for body in ("1", "2")]
    for task in tasks:
        queue.approve("acme", task.id, BEA)
    clock.now = NOON + 59.9
    assert use(queue, tasks[0]).outcome is ConsumptionOutcome.OK
    clock.now = NOON + 60
    assert use(queue, tasks[1]).outcome is ConsumptionOutcome.EXPIRED


def test_a_clock_set_back_does_not_bring_an_expired_task_back() -> None:
    clock = Clock()
    queue = MemoryApprovals(clock=clock)
    task = park(queue, requirement(expires_in=100))
    clock.now = NOON + 100
    assert use(queue, task).outcome is ConsumptionOutcome.EXPIRED
    clock.now = NOON
    assert use(queue, task).outcome is ConsumptionOutcome.EXPIRED


def test_positions_rise_when_the_clock_is_set_back() -> None:
    clock = Clock()
    queue = MemoryApprovals(clock=clock)
    first = park(queue)
    clock.now -= 3600
    second = park(queue, body="2")
    assert queue.list("acme").tasks == (second, first)


def test_ended_tasks_are_kept_as_long_as_configured() -> None:
    clock = Clock()
    queue = MemoryApprovals(ApprovalLimits(keep_ended=1000), clock=clock)
    task = queue.cancel("acme", park(queue).id, "alice")
    clock.now = NOON + 999
    park(queue)
    assert queue.get("acme", task.id) == task
    clock.now = NOON + 1000
    park(queue)
    assert queue.get("acme", task.id) is None


def test_approvers_may_be_bound_to_working_hours() -> None:
    clock = Clock()
    queue = MemoryApprovals(clock=clock)
    task = park(
        queue, requirement(approvers=Leaf("environment.hour", Operator.RANGE, (9, 17)), expires_in=86400)
    )
    clock.now = NOON + 8 * 3600
    with pytest.raises(ApprovalError) as error:
        queue.approve("acme", task.id, BEA)
    assert error.value.code == "not_eligible"
    clock.now = NOON + 23 * 3600
    assert queue.approve("acme", task.id, BEA).status is ApprovalStatus.APPROVED
