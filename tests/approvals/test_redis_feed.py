"""One subscription per process, while somebody waits."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator

import pytest

from policy_middleware.approvals import ApprovalHub, RedisApprovals, redis_feed
from policy_middleware.approvals.redis_feed import RedisFeed
from policy_middleware.stores.connection import connect
from policy_middleware.stores.keys import KeyLayout
from tests.approvals.parking import BEA, park
from tests.servers import FaultProxy, Server
from tests.waiting import eventually


@pytest.fixture
def server(new_server: Callable[..., Server]) -> Server:
    return new_server()


@pytest.fixture
def proxy(server: Server, new_proxy: Callable[[Server], FaultProxy]) -> FaultProxy:
    return new_proxy(server)


@pytest.fixture
def hub(proxy: FaultProxy) -> Iterator[ApprovalHub]:
    """What hears of changes through a way that can be broken."""
    with connect(proxy.url) as client:
        hub = ApprovalHub(lambda hub: RedisFeed(client, KeyLayout(), hub))
        yield hub
        hub.close()


@pytest.fixture
def elsewhere(server: Server) -> Iterator[RedisApprovals]:
    """The queue of another process."""
    with connect(server.url) as client:
        yield RedisApprovals(client, KeyLayout())


def subscribed(server: Server) -> bool:
    with server.client() as client:
        return bool(client.pubsub_numpat())


def test_nobody_listens_until_somebody_waits(hub: ApprovalHub, server: Server) -> None:
    assert not subscribed(server)
    with hub.watch("acme") as watch:
        assert watch.wait(5)  # the server has confirmed
        assert subscribed(server)


def test_a_change_by_another_process_wakes(hub: ApprovalHub, elsewhere: RedisApprovals) -> None:
    task, other = park(elsewhere), park(elsewhere, body="2")
    with hub.watch("acme", task.id) as watch:
        assert watch.wait(5)
        elsewhere.approve("acme", other.id, BEA)
        elsewhere.approve("acme", task.id, BEA)
        assert watch.wait(5)


def test_a_broken_connection_is_mended_and_whoever_waits_looks_again(
    hub: ApprovalHub, proxy: FaultProxy, elsewhere: RedisApprovals, caplog: pytest.LogCaptureFixture
) -> None:
    task = park(elsewhere)
    with caplog.at_level(logging.INFO), hub.watch("acme", task.id) as watch:
        assert watch.wait(5)
        proxy.cut()
        assert watch.wait(10)  # what happened meanwhile is not known
        elsewhere.approve("acme", task.id, BEA)
        assert watch.wait(10)
    assert caplog.text.count("learn of them late") == caplog.text.count("are heard again") <= 1


def test_a_server_that_says_nothing_any_more_is_left(
    hub: ApprovalHub, proxy: FaultProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redis_feed, "DEAD_AFTER_SECONDS", 0.3)
    with hub.watch("acme") as watch:
        assert watch.wait(5)
        proxy.swallow()
        eventually(lambda: hub._feed is not None and hub._feed._complained)  # type: ignore[attr-defined]
        proxy.flow()
        assert watch.wait(10)


def test_the_subscription_ends_when_nobody_waits_and_begins_again(
    hub: ApprovalHub, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redis_feed, "IDLE_SECONDS", 0.0)
    for _ in range(2):
        with hub.watch("acme") as watch:
            assert watch.wait(5)
        eventually(lambda: not subscribed(server))


def test_messages_that_are_none_of_ours_are_passed_over(hub: ApprovalHub, server: Server) -> None:
    with hub.watch("acme") as watch, server.client() as client:
        assert watch.wait(5)
        for channel in (b"policy:approval:\xff", b"policy:approval:{a{b}:task:x", b"policy:approval:"):
            assert client.publish(channel, b"\xff") == 1
        client.publish("policy:approval:{acme}:task:x", "voted")
        assert watch.wait(5)
