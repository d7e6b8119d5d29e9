"""Masked responses on HTTP/2, where a server really sends early hints, pushes and trailers."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from policy_middleware.asgi import PolicyMiddleware
from policy_middleware.enforcer import PolicyEnforcer
from tests.servers import free_port
from tests.waiting import eventually

from .asgi_calls import IDENTITY, Receive, Send
from .asgi_policies import ALLOW_ALL, SOURCES, only

pytest.importorskip("h2")
pytest.importorskip("hypercorn")

import h2.config
import h2.connection
import h2.events
from hypercorn.asyncio import serve
from hypercorn.config import Config

SECRET = b"bea@example.com"
MASK = only("mask", {}, mask={"entities": {"EMAIL_ADDRESS": "replace"}})
REQUEST = [
    (b":method", b"GET"),
    (b":scheme", b"http"),
    (b":authority", b"testserver"),
    (b":path", b"/docs/7"),
    *IDENTITY,
    (b"te", b"trailers"),
]


async def application(scope: Any, receive: Receive, send: Send) -> None:
    """Use every way beside the body that the server offers."""
    if scope["type"] != "http" or scope["path"] != "/docs/7":
        return
    offered = scope["extensions"]
    if "http.response.early_hint" in offered:
        await send({"type": "http.response.early_hint", "links": [b"</" + SECRET + b">; rel=preload"]})
    if "http.response.push" in offered:
        await send({"type": "http.response.push", "path": "/" + SECRET.decode(), "headers": []})
    headers = [(b"content-type", b"text/plain"), (b"x-user", SECRET)]
    start = {"type": "http.response.start", "status": 200, "headers": headers}
    await send({**start, "trailers": "http.response.trailers" in offered})
    for part in (b"to ", SECRET[:7], SECRET[7:]):
        await send({"type": "http.response.body", "body": part, "more_body": True})
    await send({"type": "http.response.body", "body": b" bye"})
    if "http.response.trailers" in offered:
        await send({"type": "http.response.trailers", "headers": [(b"x-digest-of", SECRET)]})


@pytest.fixture
def port(enforcer: PolicyEnforcer) -> Iterator[int]:
    """A served application; its port."""
    config = Config()
    number = free_port()
    config.bind = [f"127.0.0.1:{number}"]
    config.errorlog = config.accesslog = None
    loop = asyncio.new_event_loop()
    stop = asyncio.Event()
    app: Any = PolicyMiddleware(application, enforcer=enforcer, **SOURCES)

    def run() -> None:
        loop.run_until_complete(serve(app, config, shutdown_trigger=stop.wait))
        loop.close()

    serving = threading.Thread(target=run, daemon=True)
    serving.start()
    eventually(lambda: _answers(number))
    yield number
    loop.call_soon_threadsafe(stop.set)
    serving.join(10)
    assert not serving.is_alive()


def _answers(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
    except OSError:
        return False
    return True


def events_of(port: int) -> list[h2.events.Event]:
    """Return all that a client is told on the stream of one request and on those pushed with it."""
    connection = h2.connection.H2Connection(h2.config.H2Configuration(header_encoding=None))
    told: list[h2.events.Event] = []
    with socket.create_connection(("127.0.0.1", port), 5) as wire:
        connection.initiate_connection()
        connection.send_headers(1, REQUEST, end_stream=True)
        while not any(isinstance(event, h2.events.StreamEnded) and event.stream_id == 1 for event in told):
            wire.sendall(connection.data_to_send())
            received = wire.recv(65_536)
            assert received, "the server has closed the connection"
            told += connection.receive_data(received)
        connection.close_connection()
        wire.sendall(connection.data_to_send())
    return told


def body_of(events: list[h2.events.Event]) -> bytes:
    """Return the body of the first stream; a pushed one is a request of its own, without an identity."""
    return b"".join(
        event.data for event in events if isinstance(event, h2.events.DataReceived) and event.stream_id == 1
    )


WAYS_BESIDE = {
    h2.events.InformationalResponseReceived,
    h2.events.PushedStreamReceived,
    h2.events.TrailersReceived,
}


def test_the_server_sends_hints_pushes_and_trailers_of_what_is_allowed(
    port: int, enforcer: PolicyEnforcer
) -> None:
    enforcer.publish("acme", ALLOW_ALL)
    events = events_of(port)
    assert {type(event) for event in events} >= WAYS_BESIDE
    assert body_of(events) == b"to bea@example.com bye"


def test_of_a_masked_response_only_the_masked_body_leaves(port: int, enforcer: PolicyEnforcer) -> None:
    enforcer.publish("acme", MASK)
    events = events_of(port)
    assert not WAYS_BESIDE & {type(event) for event in events}
    assert body_of(events) == b"to <EMAIL_ADDRESS> bye"
    (response,) = [event for event in events if isinstance(event, h2.events.ResponseReceived)]
    headers = dict(response.headers)
    assert headers[b":status"] == b"200"
    assert headers[b"x-user"] == b"<EMAIL_ADDRESS>"
    assert headers[b"x-policy-masked"] == b"stream"
    assert SECRET not in repr([vars(event) for event in events]).encode()
