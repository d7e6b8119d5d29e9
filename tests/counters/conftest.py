from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

import pytest

from policy_middleware.counters import Counters, MemoryCounters, RedisCounters
from policy_middleware.stores.redis_store import RedisStore
from tests.servers import Server


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    with Server() as server:
        yield server


class Place(Protocol):
    counters: Counters

    def pass_time(self, seconds: float) -> None: ...


class Memory:
    """Counters in memory, under a clock that tests move."""

    def __init__(self) -> None:
        self.now = 1_800_000_000.0
        self.counters = MemoryCounters(clock=lambda: self.now)

    def pass_time(self, seconds: float) -> None:
        self.now += seconds


class OnServer:
    """Counters on a real server; to let time pass, every entry is moved into the past."""

    def __init__(self, server: Server) -> None:
        self.store = RedisStore(server.url)
        self.store.client.flushall()
        self.counters = RedisCounters(self.store.client, self.store.keys)

    def pass_time(self, seconds: float) -> None:
        client = self.store.client
        for key in client.scan_iter("policy:count:*"):
            for member, score in client.zrange(key, 0, -1, withscores=True):
                client.zadd(key, {member: score - seconds * 1e6})
            remaining = client.pttl(key) - int(seconds * 1000)
            client.pexpire(key, remaining) if remaining > 0 else client.delete(key)


@pytest.fixture(params=["memory", "redis"])
def place(request: pytest.FixtureRequest) -> Iterator[Place]:
    """Both kinds of counters, empty."""
    if request.param == "memory":
        yield Memory()
        return
    on_server = OnServer(request.getfixturevalue("server"))
    yield on_server
    on_server.store.close()


@pytest.fixture
def counters(place: Place) -> Counters:
    return place.counters
