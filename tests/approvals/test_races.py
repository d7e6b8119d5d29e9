"""Of any number of people and processes that meet at one approval, each step happens to exactly one."""

from __future__ import annotations

import os
import secrets
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor

import pytest
import redis

from policy_middleware.approvals import (
    ApprovalQueue,
    ApprovalStatus,
    Approver,
    MemoryApprovals,
    RedisApprovals,
)
from policy_middleware.model.errors import ApprovalError
from policy_middleware.stores.keys import KeyLayout
from tests.approvals.parking import BEA, fingerprint_of, park, requirement
from tests.approvals.racing import Attempt, processes, race, race_threads

ROUNDS = int(os.environ.get("POLICY_TEST_RACE_ROUNDS", "3"))
Race = Callable[[Attempt, str, int], list[str]]


@pytest.fixture(scope="module")
def pool() -> Iterator[ProcessPoolExecutor]:
    with processes() as started:
        yield started


@pytest.fixture(params=["memory", "redis", "valkey"])
def contested(request: pytest.FixtureRequest) -> Iterator[tuple[ApprovalQueue, Race]]:
    """A queue and a way to race for it: threads in memory, processes with threads on a server."""
    if request.param == "memory":
        in_memory = MemoryApprovals()
        yield (
            in_memory,
            lambda attempt, task_id, attempts: race_threads(in_memory, attempt, task_id, attempts),
        )
        return
    url = request.getfixturevalue("redis_url" if request.param == "redis" else "valkey_url")
    started = request.getfixturevalue("pool")
    prefix = f"race-{secrets.token_hex(4)}:"
    with redis.Redis.from_url(url, protocol=2, socket_timeout=30) as client:
        queue = RedisApprovals(client, KeyLayout(prefix))
        yield queue, lambda attempt, task_id, attempts: race(started, url, prefix, attempt, task_id, attempts)
        client.delete(*client.scan_iter(f"{prefix}*"))


def consume(queue: ApprovalQueue, task_id: str, number: int) -> str:
    return queue.consume(
        "acme", task_id, fingerprint=fingerprint_of(), requester="alice", nonce=f"attempt {number}"
    ).outcome


def ask(queue: ApprovalQueue, body: str, number: int) -> str:
    return park(queue, body=body).id


def vote(queue: ApprovalQueue, task_id: str, number: int) -> str:
    """Five managers, each trying again and again."""
    try:
        return queue.approve("acme", task_id, Approver(f"manager {number % 5}", roles=("dpo",))).status
    except ApprovalError as error:
        return error.code


def approve_or_deny(queue: ApprovalQueue, task_id: str, number: int) -> str:
    person = Approver(f"person {number}", roles=("dpo",))
    try:
        if number % 2:
            return queue.deny("acme", task_id, person, "No.").status
        return queue.approve("acme", task_id, person).status
    except ApprovalError as error:
        return error.code


def test_one_of_a_hundred_replays_runs(contested: tuple[ApprovalQueue, Race]) -> None:
    queue, race_for = contested
    for _ in range(ROUNDS):
        task = park(queue)
        queue.approve("acme", task.id, BEA)
        assert Counter(race_for(consume, task.id, 100)) == {"ok": 1, "used": 99}


def test_a_hundred_times_the_same_request_is_one_task(contested: tuple[ApprovalQueue, Race]) -> None:
    queue, race_for = contested
    for number in range(ROUNDS):
        assert len(set(race_for(ask, f"export {number}", 100))) == 1
    assert len(queue.list("acme").tasks) == ROUNDS


def test_eighty_votes_of_five_people_approve_once(contested: tuple[ApprovalQueue, Race]) -> None:
    queue, race_for = contested
    for number in range(ROUNDS):
        task = park(queue, requirement(required=3), body=f"export {number}")

        outcomes = Counter(race_for(vote, task.id, 80))

        assert (outcomes["pending"], outcomes["approved"]) == (2, 1)
        assert set(outcomes) <= {"pending", "approved", "already_voted", "invalid_task_state"}
        after = queue.get("acme", task.id)
        assert after is not None
        assert (after.received, len(after.votes)) == ((3,), 3)


def test_an_approval_and_a_denial_that_meet_end_in_one_of_the_two(
    contested: tuple[ApprovalQueue, Race],
) -> None:
    queue, race_for = contested
    for number in range(ROUNDS):
        task = park(queue, body=f"export {number}")

        outcomes = Counter(race_for(approve_or_deny, task.id, 20))

        after = queue.get("acme", task.id)
        assert after is not None
        assert after.status in (ApprovalStatus.APPROVED, ApprovalStatus.DENIED)
        assert outcomes == {after.status.value: 1, "invalid_task_state": 19}
        assert len(after.votes) == 1
