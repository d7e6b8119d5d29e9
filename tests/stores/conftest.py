"""Fixtures of the stores' tests."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from policy_middleware.stores import FileStore, MemoryStore, RedisStore, Snapshots, Store
from tests.conftest import RedisPlace


@pytest.fixture(params=["memory", "files", "redis"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    """Each kind of store in turn."""
    if request.param == "memory":
        opened: Store = MemoryStore()
    elif request.param == "files":
        opened = FileStore(tmp_path, poll_seconds=0.02)
    else:
        place: RedisPlace = request.getfixturevalue("clean_redis")
        opened = RedisStore(place.url, key_prefix=place.key_prefix)
    with closing(opened):
        yield opened


@pytest.fixture
def new_snapshots() -> Iterator[Callable[..., Snapshots]]:
    """Make snapshots that are closed when the test ends."""
    with ExitStack() as opened:
        yield lambda store, **settings: opened.enter_context(closing(Snapshots(store, **settings)))


@pytest.fixture
def redis_store(clean_redis: RedisPlace) -> Iterator[RedisStore]:
    """A store on the shared server, under a prefix of its own."""
    with closing(RedisStore(clean_redis.url, key_prefix=clean_redis.key_prefix)) as opened:
        yield opened
