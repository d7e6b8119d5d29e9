"""An approval that a replica has to confirm: used once, whatever server is asked next."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass

import pytest
import redis

from policy_middleware.approvals import ApprovalStatus, ApprovalTask, ConsumptionOutcome, RedisApprovals
from policy_middleware.model.errors import StoreUnavailable
from policy_middleware.stores.keys import KeyLayout
from tests.approvals.parking import BEA, park, use
from tests.servers import Server
from tests.waiting import eventually

Queue = Callable[[Server], RedisApprovals]


def patient(server: Server) -> redis.Redis:
    return redis.Redis.from_url(server.url, protocol=2, socket_timeout=10)


@pytest.fixture
def enough_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """A replica that is there confirms, however busy the machine is."""
    monkeypatch.setattr("policy_middleware.approvals.redis.REPLICA_ACK_MS", 8000)


@pytest.fixture
def queue() -> Iterator[Queue]:
    """Open queues that run nothing without a replica's word."""
    with ExitStack() as clients:
        yield lambda server: RedisApprovals(
            clients.enter_context(patient(server)), KeyLayout(), require_replica_ack=True
        )


@dataclass(frozen=True)
class Pair:
    """A server and its replica, which has everything."""

    primary: Server
    replica: Server

    def promote(self) -> None:
        with self.replica.client() as client:
            eventually(lambda: client.replicaof("NO", "ONE"))


@pytest.fixture
def pair(new_server: Callable[..., Server]) -> Pair:
    primary = new_server(persistent=True)
    replica = new_server("--replicaof", "127.0.0.1", str(primary.port))
    with replica.client() as client:
        eventually(lambda: client.info("replication")["master_link_status"] == "up", timeout=30)
    return Pair(primary, replica)


def approved(queue: RedisApprovals, body: str = "export 1") -> ApprovalTask:
    task = park(queue, body=body)
    return queue.approve("acme", task.id, BEA)


def test_without_any_replica_nothing_runs_and_the_approval_stays(
    new_server: Callable[..., Server], queue: Queue
) -> None:
    alone = queue(new_server())
    task = approved(alone)
    for attempt in ("attempt 1", "attempt 2"):
        with pytest.raises(StoreUnavailable, match="it can still be used"):
            use(alone, task, attempt)
    assert alone.get("acme", task.id) == task
    assert alone.open_of("acme", "alice") == (task,)
    assert park(alone).id == task.id


@pytest.mark.usefixtures("enough_time")
def test_what_a_replica_confirmed_is_used_on_it_as_well(pair: Pair, queue: Queue) -> None:
    task = approved(queue(pair.primary))
    assert use(queue(pair.primary), task).outcome is ConsumptionOutcome.OK
    pair.primary.kill()
    pair.promote()
    after = RedisApprovals(queue(pair.replica)._client, KeyLayout())
    assert use(after, task, "attempt 2").outcome is ConsumptionOutcome.USED


def test_a_replica_that_is_cut_off_lets_nothing_run_and_after_a_failover_it_runs_once(
    pair: Pair, queue: Queue
) -> None:
    before = queue(pair.primary)
    task = approved(before)
    with pair.primary.client() as client:
        assert client.wait(1, 5000) == 1
    os.kill(pair.replica.pid, signal.SIGSTOP)
    with pytest.raises(StoreUnavailable):
        use(before, task)
    pair.primary.kill()
    os.kill(pair.replica.pid, signal.SIGCONT)
    pair.promote()
    after = RedisApprovals(queue(pair.replica)._client, KeyLayout())
    outcomes = [use(after, task, f"attempt {number}").outcome for number in (2, 3)]
    assert outcomes == [ConsumptionOutcome.OK, ConsumptionOutcome.USED]


def test_a_use_that_was_given_back_is_told_by_no_status(
    pair: Pair, queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = queue(pair.primary)
    task = approved(held)
    os.kill(pair.replica.pid, signal.SIGSTOP)
    with pytest.raises(StoreUnavailable):
        use(held, task)
    os.kill(pair.replica.pid, signal.SIGCONT)
    found = held.get("acme", task.id)
    assert found is not None
    assert (found.status, found.consumed_at) == (ApprovalStatus.APPROVED, None)
    with pair.primary.client() as client:
        assert client.wait(1, 8000) == 1
    monkeypatch.setattr("policy_middleware.approvals.redis.REPLICA_ACK_MS", 8000)
    assert use(held, task, "attempt 2").outcome is ConsumptionOutcome.OK
