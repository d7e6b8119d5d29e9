"""Call ASGI and WSGI apps in process as a server would, byte for byte, and record everything they send."""

from __future__ import annotations

import io
import mimetypes
import sys
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from functools import partial
from typing import Any
from urllib.parse import unquote_to_bytes
from wsgiref.util import FileWrapper

import anyio
from blockbuster import BlockBuster

from .harness import Answer, Call, Handshake

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
ASGIApp = Callable[[MutableMapping[str, Any], Receive, Send], Awaitable[None]]
WSGIApp = Callable[[dict[str, Any], Any], Iterable[bytes]]

PEER = "192.0.2.7"

# File responses guess media types, and the first guess reads files of the system.
mimetypes.init()

# Only calls that have one of these in their stack count: Django blocks its own loop here and there.
OUR_MODULES = (
    "policy_middleware",
    "policy_middleware_starlette",
    "policy_middleware_fastapi",
    "policy_middleware_django",
)


def call_asgi(app: ASGIApp, call: Call, journal: list[str], backend: str = "asyncio") -> Answer:
    """Send one HTTP request to an ASGI app on a fresh event loop; a blocking call on the loop is an error."""
    blockbuster = BlockBuster([name for name in OUR_MODULES if name in sys.modules])
    blockbuster.activate()
    try:
        return anyio.run(partial(_ask, app, call, journal), backend=backend)
    finally:
        blockbuster.deactivate()


def connect_asgi(app: ASGIApp, call: Call, backend: str = "asyncio") -> Handshake:
    """Open a WebSocket to an ASGI app on a fresh event loop."""
    return anyio.run(partial(_shake_hands, app, call), backend=backend)


def call_wsgi(app: WSGIApp, call: Call, journal: list[str]) -> Answer:
    """Send one request to a WSGI app, folding headers into the environ as wsgiref does."""
    answer = Answer()
    environ = wsgi_environ(call)

    def start_response(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
        if exc_info is not None and answer.parts:
            raise exc_info[1].with_traceback(exc_info[2])
        answer.status, answer.reason = int(status.partition(" ")[0]), status[4:]
        answer.headers = [(name.lower(), value) for name, value in headers]
        return answer.parts.append

    try:
        body = app(environ, start_response)
        try:
            for part in body:
                if part:
                    answer.parts.append(part)
                    journal.append(f"received {len(part)}")
                if len(answer.parts) == call.leaves_after:
                    break
        finally:
            close = getattr(body, "close", None)
            if close is not None:
                close()
    except Exception as error:  # noqa: BLE001 - what the app raises is part of the answer
        answer.error = error
    return answer


def wsgi_environ(call: Call) -> dict[str, Any]:
    """Return the environ of a request (PEP 3333: text is bytes decoded as Latin-1)."""
    body = b"".join(call.body)
    environ: dict[str, Any] = {
        "REQUEST_METHOD": call.method,
        "SCRIPT_NAME": call.root_path,
        "PATH_INFO": unquote_to_bytes(call.target).decode("latin-1"),
        "RAW_URI": call.target,
        "QUERY_STRING": call.query,
        "SERVER_PROTOCOL": "HTTP/1.1",
        "SERVER_NAME": "testserver",
        "SERVER_PORT": "80",
        "REMOTE_ADDR": PEER,
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        # With `leaves` the promised length never arrives: reading ends early, as on a closed connection.
        "wsgi.input": io.BytesIO(body),
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
        "wsgi.file_wrapper": FileWrapper,
    }
    if call.body:
        environ["CONTENT_LENGTH"] = str(len(body) + (1000 if call.leaves else 0))
    for name, value in _sent_headers(call):
        key = name.upper().replace("-", "_")
        if key in ("CONTENT_TYPE", "CONTENT_LENGTH"):
            environ[key] = value
            continue
        key = f"HTTP_{key}"
        environ[key] = f"{environ[key]},{value}" if key in environ else value
    return environ


def asgi_scope(call: Call, kind: str = "http") -> dict[str, Any]:
    """Return the scope of a request: `path` decoded and including `root_path`, as servers send it."""
    raw = call.root_path + call.target
    scope: dict[str, Any] = {
        "type": kind,
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "http_version": "1.1",
        "scheme": "http" if kind == "http" else "ws",
        "path": unquote_to_bytes(raw).decode("utf-8", "surrogateescape"),
        "raw_path": raw.encode("latin-1"),
        "query_string": call.query.encode("latin-1"),
        "root_path": call.root_path,
        "headers": [
            (name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in _sent_headers(call)
        ],
        "client": (PEER, 51234),
        "server": ("testserver", 80),
        "extensions": dict(call.extensions),
        "state": {},
    }
    if kind == "http":
        scope["method"] = call.method
    else:
        scope["subprotocols"] = list(call.subprotocols)
    return scope


def _sent_headers(call: Call) -> list[tuple[str, str]]:
    headers = list(call.headers)
    if not any(name.lower() == "host" for name, _ in headers):
        headers.insert(0, ("Host", "testserver"))
    return headers


async def _ask(app: ASGIApp, call: Call, journal: list[str]) -> Answer:
    answer = Answer()
    answered = anyio.Event()
    parts = list(call.body) or [b""]

    async def receive() -> Message:
        if parts:
            part = parts.pop(0)
            return {"type": "http.request", "body": part, "more_body": bool(parts) or call.leaves}
        if not call.leaves:
            await answered.wait()
        return {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        if len(answer.parts) == call.leaves_after:
            answered.set()
            await anyio.sleep(0)
            raise OSError("the client has left")
        answer.messages.append(dict(message))
        if message["type"] == "http.response.start":
            assert answer.status is None, "a second response was started"
            answer.status = message["status"]
            answer.headers = [
                (name.decode("latin-1"), value.decode("latin-1"))
                for name, value in message.get("headers", ())
            ]
        elif message["type"] == "http.response.body":
            assert answer.status is not None, "a body came before its start"
            if message.get("body", b"") and call.method != "HEAD":  # servers drop it, applications need not
                answer.parts.append(bytes(message["body"]))
                journal.append(f"received {len(message['body'])}")
            if not message.get("more_body", False):
                answered.set()
        elif message["type"] == "http.response.pathsend":
            answered.set()

    try:
        with anyio.fail_after(20):
            await app(asgi_scope(call), receive, send)
    except Exception as error:  # noqa: BLE001 - what the app raises is part of the answer
        answer.error = error
    return answer


async def _shake_hands(app: ASGIApp, call: Call) -> Handshake:
    handshake = Handshake()
    connected = False

    async def receive() -> Message:
        nonlocal connected
        if connected:
            return {"type": "websocket.disconnect", "code": 1000}
        connected = True
        return {"type": "websocket.connect"}

    async def send(message: Message) -> None:
        kind = message["type"]
        if kind == "websocket.accept":
            handshake.accepted = True
            headers = [(n.decode("latin-1"), v.decode("latin-1")) for n, v in message.get("headers", ())]
            handshake.headers = headers
        elif kind == "websocket.send":
            assert handshake.close_code is None, "a message came after the end"
            if message.get("bytes") is not None:
                handshake.binaries.append(message["bytes"])
            else:
                handshake.texts.append(message["text"])
        elif kind == "websocket.close":
            handshake.close_code = message.get("code", 1000)
            handshake.close_reason = message.get("reason") or ""
        elif kind == "websocket.http.response.start":
            headers = [(n.decode("latin-1"), v.decode("latin-1")) for n, v in message.get("headers", ())]
            handshake.denial = Answer(message["status"], headers)
        elif kind == "websocket.http.response.body":
            assert handshake.denial is not None
            handshake.denial.parts.append(message.get("body", b""))

    try:
        with anyio.fail_after(20):
            await app(asgi_scope(call, "websocket"), receive, send)
    except Exception as error:  # noqa: BLE001 - what the app raises is part of the answer
        handshake.error = error
    return handshake
