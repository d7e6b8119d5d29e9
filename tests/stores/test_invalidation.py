from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager

import pytest
import redis

from policy_middleware.stores.invalidation import InvalidationWatch
from policy_middleware.stores.keys import KeyLayout
from tests.servers import FaultProxy, Server
from tests.waiting import eventually

KEYS = KeyLayout()
ACME = KEYS.doc("acme")


class Ear:
    """Remembers everything it is told."""

    def __init__(self) -> None:
        self.told: list[object] = []
        self.beats = 0

    def synced(self) -> None:
        self.told.append("synced")

    def alive(self) -> None:
        self.beats += 1

    def changed(self, names: Collection[str] | None) -> None:
        self.told.append(None if names is None else sorted(names))

    def lost(self, reason: str) -> None:
        self.told.append(f"lost: {reason}")

    def count(self, what: str) -> int:
        return sum(str(told).startswith(what) for told in self.told)


@contextmanager
def listening(url: str) -> Iterator[Ear]:
    ear = Ear()
    watch = InvalidationWatch(url, KEYS, ear)
    try:
        eventually(lambda: ear.count("synced"))
        yield ear
    finally:
        watch.stop()


def run(client: redis.Redis, *command: str) -> None:
    client.execute_command(*command)  # type: ignore[no-untyped-call]  # redis-py leaves it untyped


@pytest.mark.parametrize(
    "commands",
    [
        [("SET", ACME, "x")],
        [("SET", ACME, "x"), ("SET", ACME, "x")],
        [("SET", ACME, "x"), ("DEL", ACME)],
        [("SET", ACME, "x"), ("UNLINK", ACME)],
        [("SET", ACME, "x"), ("PEXPIRE", ACME, "1")],
        [("SET", "other", "x"), ("RENAME", "other", ACME)],
        [("SET", "other", "x"), ("COPY", "other", ACME)],
        [("EVAL", "return redis.call('SET', KEYS[1], 'x')", "1", ACME)],
    ],
    ids=lambda commands: commands[-1][0],
)
def test_every_way_to_change_a_document_is_heard(
    commands: list[tuple[str, ...]], new_server: Callable[..., Server]
) -> None:
    server = new_server()
    with server.client() as client, listening(server.url) as ear:
        heard = 0
        for command in commands:
            run(client, *command)
            heard += ACME in command
            eventually(lambda: ear.told.count(["acme"]) >= heard)  # noqa: B023  # called right here


def test_expiry_is_heard_although_nobody_reads(new_server: Callable[..., Server]) -> None:
    server = new_server()
    with server.client() as client:
        client.set(ACME, "x", px=300)
        with listening(server.url) as ear:
            eventually(lambda: ["acme"] in ear.told)


@pytest.mark.parametrize("command", ["FLUSHALL", "FLUSHDB"])
def test_emptying_the_server_concerns_every_document(command: str, new_server: Callable[..., Server]) -> None:
    server = new_server()
    with server.client() as client, listening(server.url) as ear:
        run(client, command)
        eventually(lambda: None in ear.told)


def test_the_marker_concerns_every_document(new_server: Callable[..., Server]) -> None:
    server = new_server()
    with server.client() as client, listening(server.url) as ear:
        client.set(KEYS.meta(), "1")
        eventually(lambda: None in ear.told)


def test_several_documents_in_one_transaction_are_told_together(new_server: Callable[..., Server]) -> None:
    server = new_server()
    with server.client() as client, listening(server.url) as ear:
        with client.pipeline() as transaction:
            for name in ("acme", "globex", "_global"):
                transaction.set(KEYS.doc(name), "x")
            transaction.execute()
        eventually(lambda: ["_global", "acme", "globex"] in ear.told)


def test_other_keys_are_not_heard_and_near_misses_are_pointed_out(
    new_server: Callable[..., Server], caplog: pytest.LogCaptureFixture
) -> None:
    server = new_server()
    with server.client() as client, listening(server.url) as ear:
        client.set("policy:history:{acme}", "x")
        client.set("policy:doc:acme", "x")
        client.set("policy:doc:acme", "y")
        client.set(ACME, "x")
        eventually(lambda: ["acme"] in ear.told)
        assert ear.told == ["synced", ["acme"]]
    assert caplog.text.count("'policy:doc:acme'") == 1
    assert "policy:doc:{acme}" in caplog.text


def test_a_killed_listener_comes_back_and_says_that_it_may_have_missed_something(
    new_server: Callable[..., Server],
) -> None:
    server = new_server()
    with server.client() as client, listening(server.url) as ear:
        [own] = [entry for entry in client.client_list() if entry["name"] == "policy-invalidation"]
        client.client_kill(own["addr"])
        eventually(lambda: ear.count("synced") == 2)
        assert ear.count("lost") == 1
        client.set(ACME, "x")
        eventually(lambda: ["acme"] in ear.told)


def test_a_killed_server_is_heard_again_after_its_restart(new_server: Callable[..., Server]) -> None:
    server = new_server()
    with listening(server.url) as ear:
        server.kill()
        eventually(lambda: ear.count("lost"))
        server.start()
        eventually(lambda: ear.count("synced") == 2, timeout=10)


def test_a_frozen_server_counts_as_lost_by_our_own_heartbeat(new_server: Callable[..., Server]) -> None:
    server = new_server()
    with listening(server.url) as ear:
        server.pause()
        eventually(lambda: ear.count("lost"), timeout=20)
        server.resume()
        eventually(lambda: ear.count("synced") == 2, timeout=20)


def test_a_half_open_connection_counts_as_lost_by_our_own_heartbeat(
    new_server: Callable[..., Server], new_proxy: Callable[[Server], FaultProxy]
) -> None:
    server = new_server()
    proxy = new_proxy(server)
    with server.client() as client, listening(proxy.url) as ear:
        proxy.swallow()
        client.set(ACME, "unheard")
        eventually(lambda: ear.count("lost"), timeout=20)
        assert ["acme"] not in ear.told
        proxy.cut()
        proxy.flow()
        eventually(lambda: ear.count("synced") == 2, timeout=20)


def test_a_quiet_server_is_alive(new_server: Callable[..., Server]) -> None:
    with listening(new_server().url) as ear:
        eventually(lambda: ear.beats >= 2)
        assert ear.count("lost") == 0


def test_a_listener_that_raises_is_told_that_it_is_lost_and_the_thread_lives_on(
    new_server: Callable[..., Server], caplog: pytest.LogCaptureFixture
) -> None:
    server = new_server()
    with server.client() as client, listening(server.url) as ear:
        hear, ear.changed = ear.changed, _raise  # type: ignore[method-assign]  # the bug under test
        client.set(ACME, "x")
        eventually(lambda: ear.count("lost: ") == 1)
        ear.changed = hear  # type: ignore[method-assign]  # mended
        eventually(lambda: ear.count("synced") == 2)
        client.set(ACME, "y")
        eventually(lambda: ["acme"] in ear.told)
    assert "listening for changed policies failed" in caplog.text


def _raise(names: Collection[str] | None) -> None:
    raise RuntimeError("a bug")


def test_stopping_joins_the_thread_even_while_the_server_is_away(new_server: Callable[..., Server]) -> None:
    server = new_server()
    with listening(server.url) as ear:
        server.kill()
        eventually(lambda: ear.count("lost") >= 2)
    assert not any(thread.name == "policy-invalidation" for thread in threading.enumerate())
