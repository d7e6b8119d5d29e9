from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
import redis

from policy_middleware.model.errors import SettingsError, StoreUnavailable
from policy_middleware.stores.circuit import CircuitOpen
from policy_middleware.stores.connection import connect, explain, store_errors, without_password
from tests.servers import FaultProxy, Server
from tests.waiting import eventually


@contextmanager
def connected(url: str) -> Iterator[redis.Redis]:
    client = connect(url)
    try:
        yield client
    finally:
        client.close()
        client.connection_pool.disconnect()


def answers(client: redis.Redis) -> bool:
    try:
        return bool(client.ping())
    except redis.RedisError:
        return False


def test_a_unix_socket_works_as_well_as_tcp(new_server: Callable[..., Server]) -> None:
    server = new_server()
    for url in (server.url, f"unix://{server.socket_path}?db=0"):
        with connected(url) as client:
            client.set("a", "1")
            assert client.get("a") == b"1"


def test_a_frozen_server_is_given_up_and_left_alone_until_it_answers(
    new_server: Callable[..., Server],
) -> None:
    server = new_server()
    with connected(server.url) as client:
        client.ping()
        server.pause()
        with pytest.raises(CircuitOpen, match="Timeout"):
            client.get("a")
        with pytest.raises(CircuitOpen):
            client.get("a")
        server.resume()
        eventually(lambda: answers(client))


def test_a_killed_server_is_noticed_and_found_again_when_it_is_back(
    new_server: Callable[..., Server],
) -> None:
    server = new_server()
    with connected(server.url) as client:
        client.ping()
        server.kill()
        with pytest.raises(CircuitOpen, match="refused"):
            client.get("a")
        server.start()
        eventually(lambda: answers(client))


def test_a_restart_between_two_commands_goes_unnoticed(new_server: Callable[..., Server]) -> None:
    server = new_server()
    with connected(server.url) as client:
        client.ping()
        server.kill()
        server.start()
        assert client.ping()


def test_a_half_open_connection_is_given_up(
    new_server: Callable[..., Server], new_proxy: Callable[[Server], FaultProxy]
) -> None:
    proxy = new_proxy(new_server())
    with connected(proxy.url) as client:
        client.ping()
        proxy.swallow()
        with pytest.raises(CircuitOpen):
            client.get("a")
        proxy.flow()
        eventually(lambda: answers(client))


@pytest.mark.parametrize("credentials", ["", ":wrong@", "nobody:secret@"])
def test_wrong_credentials_fail_with_a_sentence_that_says_what_to_check(
    credentials: str, new_server: Callable[..., Server]
) -> None:
    server = new_server(password="secret")
    url = f"redis://{credentials}127.0.0.1:{server.port}/0"
    with connected(url) as client:
        for _ in range(2):
            with (
                pytest.raises(StoreUnavailable, match="check user and password in store_url") as refused,
                store_errors(url),
            ):
                client.get("a")
            assert "secret" not in str(refused.value)
            assert "wrong" not in str(refused.value).replace("WRONGPASS", "")


def test_a_command_the_server_refuses_is_no_sign_of_an_outage(redis_url: str) -> None:
    with connected(redis_url) as client:
        for _ in range(5):
            with pytest.raises(redis.ResponseError):
                client.xgroup_destroy("no such key", "group")
        assert client.ping()


@pytest.mark.parametrize("url", ["redis://h:1/0?nonsense=1", "redis://h:x/0", "rediss://h:1/0?nonsense=1"])
def test_a_url_with_a_mistake_is_refused_before_anything_connects(url: str) -> None:
    with pytest.raises(SettingsError, match="cannot be understood"):
        connect(url)


def test_a_missing_permission_points_to_the_documentation() -> None:
    sentence = explain(redis.exceptions.NoPermissionError("User mw has no permissions to run 'mget'"))
    assert "docs/redis.md" in sentence


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("redis://user:secret@host:6379/0?password=secret", "redis://***@host:6379/0"),
        ("redis://host/1", "redis://host/1"),
        ("unix:///run/redis.sock?db=1", "unix:///run/redis.sock"),
        ("redis://[broken", "redis://[broken"),
        ("redis://:top/secret@host:6379/0", "redis://***@host:6379/0"),
        ("redis://user:top?sec#ret@host/0?db=1", "redis://***"),
        ("redis://host/0?password=top@secret", "redis://***"),
        ("host:6379", "(unreadable URL)"),
    ],
)
def test_urls_are_shown_without_secrets(url: str, shown: str) -> None:
    assert without_password(url) == shown


def test_a_password_that_breaks_the_url_is_not_told_in_the_error() -> None:
    with pytest.raises(SettingsError, match="%2F") as refused:
        connect("redis://:top/secret@host:6379/0")
    assert "top" not in str(refused.value)
