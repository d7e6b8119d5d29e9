"""What only counters on a server promise: other people's clocks, full servers, restarts."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import pytest

from policy_middleware.counters import RedisCounters
from policy_middleware.evaluation.counting import Entry, Question
from policy_middleware.model.errors import StoreUnavailable
from policy_middleware.stores.redis_store import RedisStore
from tests.servers import Server, free_port
from tests.waiting import eventually

ENTRY, QUESTION = Entry("a", 3600.0, 4), Question("a", 3600.0)


@pytest.fixture
def store(server: Server) -> Iterator[RedisStore]:
    with closing(RedisStore(server.url)) as store:
        store.client.flushall()
        yield store


@pytest.fixture
def counters(store: RedisStore) -> RedisCounters:
    return RedisCounters(store.client, store.keys)


def test_all_counters_of_a_tenant_are_in_one_slot_of_a_cluster(
    counters: RedisCounters, store: RedisStore
) -> None:
    counters.write("acme", "1", [ENTRY, Entry("b", 1.0, 1)])
    assert sorted(store.client.keys("*")) == [b"policy:count:{acme}:a", b"policy:count:{acme}:b"]


def test_a_counter_expires_with_its_window(counters: RedisCounters, store: RedisStore) -> None:
    counters.write("acme", "1", [ENTRY])
    assert 3_590_000 < store.client.pttl("policy:count:{acme}:a") <= 3_600_000


def test_a_counter_takes_no_more_room_than_its_cap(counters: RedisCounters, store: RedisStore) -> None:
    for number in range(200):
        counters.write("acme", f"0123456789abcdef-{number}", [ENTRY])
    assert store.client.zcard("policy:count:{acme}:a") == 4
    assert int(store.client.memory_usage("policy:count:{acme}:a") or 0) < 600


def test_reading_and_writing_are_one_command_each(counters: RedisCounters, store: RedisStore) -> None:
    counters.read("acme", [QUESTION])
    counters.write("acme", "0", [ENTRY])  # now the server knows both scripts

    def calls() -> int:
        stats = store.client.info("commandstats")
        return int(stats["cmdstat_evalsha"]["calls"])

    before = calls()
    counters.read("acme", [QUESTION, Question("b", 1.0)])
    assert calls() == before + 1
    counters.write("acme", "1", [ENTRY, Entry("b", 1.0, 1)])
    assert calls() == before + 2


def test_a_clock_set_back_forgets_nothing(counters: RedisCounters, store: RedisStore) -> None:
    counters.write("acme", "1", [ENTRY])
    [(member, score)] = store.client.zrange("policy:count:{acme}:a", 0, -1, withscores=True)
    store.client.zadd("policy:count:{acme}:a", {member: score + 7200e6})  # written before the clock was set
    counters.write("acme", "2", [ENTRY])
    assert counters.read("acme", [QUESTION]) == [2]


def test_a_server_that_is_away_is_said_to_be() -> None:
    with closing(RedisStore(f"redis://127.0.0.1:{free_port()}/0")) as store:
        away = RedisCounters(store.client, store.keys)
        for call in (
            lambda: away.read("acme", [QUESTION]),
            lambda: away.write("acme", "1", [ENTRY]),
            lambda: away.withdraw("acme", "1", [ENTRY]),
        ):
            with pytest.raises(StoreUnavailable, match="counters"):
                call()


def test_a_key_of_another_kind_is_no_counter(counters: RedisCounters, store: RedisStore) -> None:
    store.client.set("policy:count:{acme}:a", "x")
    with pytest.raises(StoreUnavailable):
        counters.read("acme", [QUESTION])
    with pytest.raises(StoreUnavailable):
        counters.write("acme", "1", [ENTRY])


def test_a_full_server_writes_all_or_nothing(counters: RedisCounters, store: RedisStore) -> None:
    counters.write("acme", "1", [ENTRY])
    store.client.config_set("maxmemory", 1)
    try:
        with pytest.raises(StoreUnavailable):
            counters.write("acme", "2", [ENTRY, Entry("b", 1.0, 1)])
        assert counters.read("acme", [QUESTION, Question("b", 1.0)]) == [1, 0]
    finally:
        store.client.config_set("maxmemory", 0)


def test_counters_outlive_a_killed_server() -> None:
    with Server(persistent=True) as server, closing(RedisStore(server.url)) as store:
        counters = RedisCounters(store.client, store.keys)
        for number in range(3):
            counters.write("acme", str(number), [ENTRY])
        server.kill()
        server.start()

        def known() -> int | None:
            try:
                [number] = counters.read("acme", [QUESTION])
            except StoreUnavailable:
                return None
            return number

        assert eventually(known) == 3
        assert counters.write("acme", "2", [ENTRY]) is None
        assert counters.read("acme", [QUESTION]) == [3]
