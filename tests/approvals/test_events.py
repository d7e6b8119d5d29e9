"""Every transition is told once, with who, when and why."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from policy_middleware.approvals import (
    ApprovalEvent,
    ApprovalEvents,
    ApprovalQueue,
    Approver,
    MemoryApprovals,
    RedisApprovals,
    Verification,
)
from policy_middleware.approvals.listeners import open_listeners
from policy_middleware.enforcer import PolicyEnforcer
from policy_middleware.model.errors import ApprovalError, SettingsError
from policy_middleware.model.policy import ApprovalSpec, EscalationSpec
from tests.approvals.parking import BEA, CARL, DORA, park, requirement, role, use
from tests.approvals.sending_twice import send_everything_twice
from tests.conftest import RedisPlace
from tests.waiting import eventually

Told = list[ApprovalEvent]


@pytest.fixture
def told() -> Told:
    return []


@pytest.fixture(params=["memory", "redis", "redis, everything sent twice"])
def queue(request: pytest.FixtureRequest, told: Told) -> Iterator[ApprovalQueue]:
    """A queue that tells what it does."""
    if request.param == "memory":
        yield MemoryApprovals(tell=told.append)
        return
    place: RedisPlace = request.getfixturevalue("clean_redis")
    queue = RedisApprovals(place.client, place.keys, tell=told.append)
    if request.param.endswith("twice"):
        send_everything_twice(queue)
    yield queue


def kinds(told: Told) -> list[str]:
    return [event.kind.value for event in told]


def test_the_way_of_an_approval_is_told_step_by_step(queue: ApprovalQueue, told: Told) -> None:
    task = park(queue, requirement(required=2))
    park(queue, requirement(required=2))
    queue.approve("acme", task.id, BEA, "checked")
    queue.approve("acme", task.id, CARL)
    use(queue, task)
    assert kinds(told) == ["requested", "voted", "voted", "approved", "consumed"]
    assert [event.actor for event in told] == ["alice", "bea", "carl", "carl", "alice"]
    assert told[1].comment == "checked"
    assert told[1].verified is Verification.ASSERTED
    assert told[-1].task.consumed_at is not None
    assert [event.at for event in told] == sorted(event.at for event in told)


def test_a_refused_step_is_not_told(queue: ApprovalQueue, told: Told) -> None:
    task = park(queue)
    with pytest.raises(ApprovalError):
        queue.approve("acme", task.id, Approver("alice", ("dpo",)))
    with pytest.raises(ApprovalError):
        queue.approve("acme", task.id, DORA)
    assert kinds(told) == ["requested"]


def test_every_other_end_is_told(queue: ApprovalQueue, told: Told) -> None:
    queue.deny("acme", park(queue, body="1").id, BEA, "no")
    queue.cancel("acme", park(queue, body="2").id, "alice")
    queue.supersede("acme", park(queue, body="3").id)
    assert kinds(told) == ["requested", "denied", "requested", "cancelled", "requested", "superseded"]
    assert [event.actor for event in told if event.kind != "requested"] == ["bea", "alice", None]


def test_what_lapses_is_told_once_however_many_look(queue: ApprovalQueue, told: Told) -> None:
    task = park(queue, requirement(expires_in=0.03))
    eventually(lambda: queue.advance("acme") is None)
    queue.get("acme", task.id)
    queue.advance("acme")
    assert kinds(told) == ["requested", "expired"]
    assert told[-1].actor is None


def escalating(after: float, *, required: int = 1) -> Any:
    from dataclasses import replace

    plain = requirement(required=required)
    spec = ApprovalSpec(
        role("dpo"), required, 3600.0, 600.0, escalation=EscalationSpec(after, role("finance"))
    )
    return replace(plain, approval=spec)


def test_a_second_group_may_vote_once_the_question_stood_for_long_enough(
    queue: ApprovalQueue, told: Told
) -> None:
    task = park(queue, escalating(0.05))
    eventually(lambda: "escalated" in kinds(told) or (queue.advance("acme") and None))
    assert queue.approve("acme", task.id, DORA).status == "approved"
    assert kinds(told) == ["requested", "escalated", "voted", "approved"]


def test_a_second_group_may_not_vote_before(queue: ApprovalQueue, told: Told) -> None:
    task = park(queue, escalating(3000))
    with pytest.raises(ApprovalError) as refused:
        queue.approve("acme", task.id, DORA)
    assert refused.value.code == "not_eligible"
    assert kinds(told) == ["requested"]


def test_voting_itself_finds_out_that_the_time_has_come(queue: ApprovalQueue, told: Told) -> None:
    task = park(queue, escalating(0.03))

    def voted() -> bool:
        try:
            queue.approve("acme", task.id, DORA)
        except ApprovalError:
            return False
        return True

    eventually(voted)
    assert kinds(told) == ["requested", "escalated", "voted", "approved"]


def test_a_rule_that_demands_authenticated_people_counts_no_others(queue: ApprovalQueue) -> None:
    from dataclasses import replace

    plain = requirement()
    task = park(queue, replace(plain, approval=replace(plain.approval, host_verified=True)))
    with pytest.raises(ApprovalError) as refused:
        queue.approve("acme", task.id, BEA)
    assert refused.value.code == "not_verified"
    signed_in = Approver("bea", ("dpo",), verified=Verification.HOST)
    assert queue.approve("acme", task.id, signed_in).status == "approved"


def test_the_enforcer_records_every_transition_and_tells_listeners(clean_redis: RedisPlace) -> None:
    records: list[Any] = []
    told: Told = []
    with PolicyEnforcer.from_url(
        clean_redis.url,
        key_prefix=clean_redis.key_prefix,
        decision_log=records.append,
        on_approval=told.append,
    ) as enforcer:
        later: Told = []
        remove = enforcer.on_approval(later.append)
        task = park(enforcer.approvals)
        enforcer.approvals.approve("acme", task.id, BEA, "checked")
        eventually(lambda: len(later) == 3)
        remove()
    assert kinds(told) == kinds(later) == ["requested", "voted", "approved"]
    found = [record for record in records if str(record["event"]).startswith("approval_")]
    assert [record["event"] for record in found] == [
        "approval_requested",
        "approval_voted",
        "approval_approved",
    ]
    vote = found[1]
    assert (vote["decision_id"], vote["actor"], vote["comment"]) == ("d-1", "bea", "checked")
    assert vote["fingerprint"] == task.fingerprint
    assert vote["verified"] == "asserted"
    assert found[0]["rules"][0]["digest"] == "d1"


def test_expiry_is_told_without_anybody_looking(clean_redis: RedisPlace) -> None:
    told: Told = []
    with PolicyEnforcer.from_url(
        clean_redis.url, key_prefix=clean_redis.key_prefix, decision_log=lambda record: None
    ) as enforcer:
        enforcer.on_approval(told.append)
        park(enforcer.approvals, requirement(expires_in=0.05))
        eventually(lambda: kinds(told) == ["requested", "expired"])


def test_a_listener_that_raises_or_is_slow_harms_nobody(caplog: pytest.LogCaptureFixture) -> None:
    gate, heard = threading.Event(), threading.Event()

    def stubborn(event: ApprovalEvent) -> None:
        gate.wait(5)
        raise RuntimeError("not today")

    events = ApprovalEvents([stubborn])
    events.add(lambda event: heard.set())
    queue = MemoryApprovals(tell=events.emit)
    with caplog.at_level(logging.ERROR):
        park(queue)
        assert not heard.is_set()
        gate.set()
        assert heard.wait(5)
        assert events.flush()
    assert "a listener failed" in caplog.text
    events.close()


def test_a_forked_child_starts_with_nothing_to_tell() -> None:
    told: Told = []
    events = ApprovalEvents([told.append])
    queue = MemoryApprovals(tell=events.emit)
    park(queue)
    assert events.flush()
    child = os.fork()
    if child == 0:
        park(queue, body="2")
        os._exit(0 if events.flush() and len(told) == 2 else 1)
    assert os.waitpid(child, 0)[1] == 0
    events.close()


@pytest.mark.parametrize("setting", ["nowhere.at.all", 3, ["os.sep"]])
def test_a_listener_that_is_none_stops_the_start(setting: object) -> None:
    with pytest.raises(SettingsError, match="on_approval"):
        open_listeners(setting)


def test_listeners_may_be_named_by_path() -> None:
    assert open_listeners("os.path.join, os.getcwd") == (os.path.join, os.getcwd)
