"""The middleware under a real server: keep-alive, unread bodies, refused streams, WebSocket handshakes."""

from __future__ import annotations

import http.client
import socket
import threading
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
import uvicorn
import websockets.exceptions
import websockets.sync.client
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket

from policy_middleware.enforcer import PolicyEnforcer
from policy_middleware_starlette import PolicyMiddleware
from tests.waiting import eventually

from .asgi_calls import IDENTITY
from .asgi_policies import ALLOW_ALL, DENY_ALL, MASK_ALL, SOURCES

HEADERS = {name.decode(): value.decode() for name, value in IDENTITY}


async def person(request: Request) -> Response:
    await request.body()
    return JSONResponse({"email": "bea@example.com", "name": "Bea"})


class Events:
    """Events without end."""

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        return b"data: bea@example.com\n\n"


async def room(websocket: WebSocket) -> None:
    await websocket.accept()
    await websocket.send_text("hello")
    await websocket.send_json({"email": "bea@example.com"})
    await websocket.close()


@pytest.fixture
def ended() -> threading.Event:
    """Set when the endless stream is no longer served."""
    return threading.Event()


@pytest.fixture
def port(enforcer: PolicyEnforcer, ended: threading.Event) -> Iterator[int]:
    """A served application; its port."""

    class EventStream(StreamingResponse):
        async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
            try:
                await super().__call__(scope, receive, send)
            finally:
                ended.set()

    async def events(request: Request) -> Response:
        return EventStream(Events(), media_type="text/event-stream")

    app = Starlette(
        routes=[
            Route("/person", person, methods=["GET", "POST"]),
            Route("/events", events),
            WebSocketRoute("/room", room),
        ]
    )
    app.add_middleware(PolicyMiddleware, enforcer=enforcer, **SOURCES)
    listening = socket.create_server(("127.0.0.1", 0))
    config: Any = uvicorn.Config(app, log_config=None, ws="websockets-sansio")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
    thread.start()
    try:
        eventually(lambda: server.started)
        yield listening.getsockname()[1]
    finally:
        server.should_exit = True
        thread.join(10)
        listening.close()


@pytest.fixture
def connection(port: int) -> Iterator[http.client.HTTPConnection]:
    """A connection that is kept alive."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    yield connection
    connection.close()


def ask(
    connection: http.client.HTTPConnection, path: str, method: str = "GET", body: bytes | None = None
) -> tuple[int, bytes]:
    connection.request(method, path, body, HEADERS)
    answer = connection.getresponse()
    return answer.status, answer.read()


def test_a_refused_upload_leaves_the_connection_usable(
    connection: http.client.HTTPConnection, enforcer: PolicyEnforcer
) -> None:
    enforcer.publish("acme", DENY_ALL)
    assert ask(connection, "/person", "POST", b"x" * 100_000)[0] == 403
    enforcer.publish("acme", ALLOW_ALL)
    assert ask(connection, "/person", "POST", b"x" * 100_000)[0] == 200
    assert ask(connection, "/person", "HEAD") == (200, b"")


def test_a_refused_endless_stream_ends_on_the_server_too(
    connection: http.client.HTTPConnection, enforcer: PolicyEnforcer, ended: threading.Event
) -> None:
    enforcer.publish("acme", MASK_ALL)
    status, body = ask(connection, "/events")
    assert status == 502
    assert b"bea@example.com" not in body
    assert ended.wait(5)
    status, body = ask(connection, "/person")
    assert status == 200
    assert b"bea@example.com" not in body


def test_a_denied_handshake_is_answered_with_the_problem(port: int, enforcer: PolicyEnforcer) -> None:
    url = f"ws://127.0.0.1:{port}/room"
    with websockets.sync.client.connect(url, additional_headers=HEADERS) as session:
        assert session.recv() == "hello"
    enforcer.publish("acme", DENY_ALL)
    with pytest.raises(websockets.exceptions.InvalidStatus) as refused:
        websockets.sync.client.connect(url, additional_headers=HEADERS)
    assert refused.value.response.status_code == 403
    assert b"Denied by policy" in bytes(refused.value.response.body or b"")


def test_a_masked_socket_sends_masked_json_and_is_closed_for_other_text(
    port: int, enforcer: PolicyEnforcer
) -> None:
    url = f"ws://127.0.0.1:{port}/room"
    masks: dict[str, dict[str, object]] = {
        "both": {"fields": {"email": "redact"}, "entities": {"EMAIL_ADDRESS": "replace"}},
        "fields": {"fields": {"email": "redact"}},
    }
    rule: dict[str, object] = {"id": "masked", "when": {}, "effect": "mask", "reason": "Masked."}
    document: dict[str, object] = {"schema": 1, "default": "allow"}
    enforcer.publish("acme", {**document, "rules": [{**rule, "mask": masks["both"]}]})
    with websockets.sync.client.connect(url, additional_headers=HEADERS) as session:
        assert list(session) == ["hello", '{"email":"[REDACTED]"}']
    enforcer.publish("acme", {**document, "rules": [{**rule, "mask": masks["fields"]}]})
    with (
        websockets.sync.client.connect(url, additional_headers=HEADERS) as session,
        pytest.raises(websockets.exceptions.ConnectionClosedError) as closed,
    ):
        session.recv()
    assert closed.value.rcvd is not None
    assert (closed.value.rcvd.code, closed.value.rcvd.reason) == (1011, "mask-failed")
