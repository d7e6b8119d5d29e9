"""The service of `ENDPOINTS` as a plain ASGI application, without any framework."""

from __future__ import annotations

import gzip
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, Final

from policy_middleware.asgi import PolicyMiddleware

from .calling import ASGIApp, Message, Receive, Send, call_asgi, connect_asgi
from .harness import (
    EVENT,
    FILE,
    LARGE,
    LAST_MODIFIED,
    PICTURE,
    SECRET,
    STREAM_PARTS,
    Adapter,
    Answer,
    Boom,
    Call,
    Expectations,
    Handshake,
    Service,
    Setup,
    document,
)
from .sockets import SOCKETS
from .traps import EVERY, Trap


@dataclass
class AsgiService:
    """An ASGI app and the event loop it is called on; every framework's service over ASGI is one."""

    app: ASGIApp
    journal: list[str]
    backend: str
    undo: Callable[[], None] = lambda: None

    def call(self, call: Call) -> Answer:
        return call_asgi(self.app, call, self.journal, self.backend)

    def connect(self, call: Call) -> Handshake:
        return connect_asgi(self.app, call, self.backend)

    def close(self) -> None:
        self.undo()


def handler(journal: list[str]) -> ASGIApp:
    """Return the application itself, undecided."""
    exchange = _Exchange(journal)

    async def app(scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            await exchange.websocket(scope, receive, send)
        elif scope["type"] == "http":
            await exchange.http(scope, receive, send)

    return app


@dataclass
class _Exchange:
    journal: list[str]

    async def http(self, scope: Message, receive: Receive, send: Send) -> None:
        path = scope["path"].removeprefix(scope["root_path"])
        for pattern, method, name in _TABLE:
            match = re.fullmatch(pattern, path)
            if match is None:
                continue
            if scope["method"] not in (method, "HEAD" if method == "GET" else method):
                continue
            await getattr(self, name)(_Connection(scope, receive, send), *match.groups())
            return
        known = any(re.fullmatch(pattern, path) for pattern, _, _ in _TABLE)
        await _Connection(scope, receive, send).answer(405 if known else 404, "text/plain", b"nothing here")

    async def websocket(self, scope: Message, receive: Receive, send: Send) -> None:
        room = scope["path"].removeprefix(scope["root_path"]).rpartition("/")[2]
        await receive()
        self.journal.append(f"ws {room}")
        if room in SOCKETS:
            for message in SOCKETS[room].messages:
                await send(dict(message))
                self.journal.append("sent")
            return
        if room == "refused":
            headers = [(b"content-type", b"text/plain"), (b"x-who", SECRET)]
            await send({"type": "websocket.http.response.start", "status": 409, "headers": headers})
            await send({"type": "websocket.http.response.body", "body": b"no, " + SECRET})
            return
        await send({"type": "websocket.accept"})
        await send({"type": "websocket.send", "text": f"hello {room}"})
        await send({"type": "websocket.close", "code": 1000})

    async def read(self, connection: _Connection, identifier: str) -> None:
        self.journal.append(f"read {identifier}")
        headers = {"etag": '"v1"', "last-modified": LAST_MODIFIED}
        asked = connection.headers
        body = document(identifier)
        if asked.get("if-none-match") == '"v1"':
            await connection.answer(304, None, b"", headers)
        elif "range" in asked:
            await connection.answer(206, "application/json", body[:10], headers)
        elif "gzip" in asked.get("accept-encoding", ""):
            await connection.answer(
                200, "application/json", gzip.compress(body), {**headers, "content-encoding": "gzip"}
            )
        else:
            await connection.answer(200, "application/json", body, headers)

    async def create(self, connection: _Connection) -> None:
        body = b""
        while True:
            message = await connection.receive()
            if message["type"] == "http.disconnect":
                self.journal.append("interrupted")
                return
            body += message.get("body", b"")
            if not message.get("more_body", False):
                break
        self.journal.append(f"create {body.decode()}")
        await connection.answer(201, "application/octet-stream", body)

    async def plain(self, connection: _Connection, name: str) -> None:
        await self._say(connection, f"plain {name}", f"hello {name}")

    async def listed(self, connection: _Connection, name: str) -> None:
        await self._say(connection, f"listed {name}", f"listed {name}")

    async def inner(self, connection: _Connection, name: str) -> None:
        await self._say(connection, f"inner {name}", f"inner {name}")

    async def thing(self, connection: _Connection, name: str) -> None:
        await self._say(connection, f"thing {name}", f"thing {name}")

    async def delete_thing(self, connection: _Connection, name: str) -> None:
        self.journal.append(f"delete {name}")
        await connection.answer(204, None, b"")

    async def healthz(self, connection: _Connection) -> None:
        await self._say(connection, "healthz", "ok")

    async def free(self, connection: _Connection) -> None:
        await self._say(connection, "free", "free")

    async def short_circuit(self, connection: _Connection) -> None:
        await self._say(connection, "short-circuit", "bypass")

    async def background(self, connection: _Connection) -> None:
        await connection.answer(200, "text/plain", b"later")
        self.journal.append("background")

    async def stream(self, connection: _Connection) -> None:
        await connection.start(200, "text/plain")
        for index, part in enumerate(STREAM_PARTS):
            self.journal.append(f"yield {index}")
            await connection.send({"type": "http.response.body", "body": part, "more_body": True})
        await connection.send({"type": "http.response.body"})

    async def events(self, connection: _Connection) -> None:
        self.journal.append("events")
        await connection.start(200, "text/event-stream")
        await connection.send({"type": "http.response.body", "body": EVENT, "more_body": True})
        await connection.send({"type": "http.response.body"})

    async def trap(self, connection: _Connection, name: str) -> None:
        trap = EVERY[name]
        self.journal.append(f"trap {name}")
        if trap.way is not None:
            await WAYS[trap.way](connection, trap)
            return
        headers = dict(trap.headers)
        for cookie, value in trap.cookies.items():
            headers["set-cookie"] = f'{cookie}="{value}"'
        if not trap.streamed:
            headers["content-length"] = str(sum(map(len, trap.parts)))
        await connection.start(trap.status, None, headers)
        for chunk in trap.chunks():
            await connection.send({"type": "http.response.body", "body": chunk, "more_body": True})
        await connection.send({"type": "http.response.body"})

    async def picture(self, connection: _Connection) -> None:
        self.journal.append("picture")
        await connection.answer(200, "image/png", PICTURE)

    async def large(self, connection: _Connection) -> None:
        self.journal.append("large")
        await connection.answer(200, "application/json", LARGE)

    async def file(self, connection: _Connection) -> None:
        self.journal.append("file")
        if "http.response.pathsend" in connection.scope["extensions"]:
            await connection.start(200, "text/x-python")
            await connection.send({"type": "http.response.pathsend", "path": str(FILE)})
        else:
            await connection.answer(200, "text/x-python", FILE_BYTES)

    async def fail(self, connection: _Connection) -> None:
        self.journal.append("raise")
        raise Boom

    async def _say(self, connection: _Connection, entry: str, text: str) -> None:
        self.journal.append(entry)
        await connection.answer(200, "text/plain", text.encode())


FILE_BYTES = FILE.read_bytes()

_TABLE = [
    ("/docs/([^/]+)", "GET", "read"),
    ("/docs", "POST", "create"),
    ("/plain/([^/]+)", "GET", "plain"),
    ("/stream", "GET", "stream"),
    ("/events", "GET", "events"),
    ("/trap/([^/]+)", "GET", "trap"),
    ("/picture", "GET", "picture"),
    ("/large", "GET", "large"),
    ("/file", "GET", "file"),
    ("/raise", "GET", "fail"),
    ("/background", "GET", "background"),
    ("/things/([^/]+)", "GET", "thing"),
    ("/things/([^/]+)", "DELETE", "delete_thing"),
    ("/mounted/inner/([^/]+)", "GET", "inner"),
    ("/listed/([^/]+)", "GET", "listed"),
    ("/healthz", "GET", "healthz"),
    ("/free", "GET", "free"),
    ("/short-circuit", "GET", "short_circuit"),
]


@dataclass
class _Connection:
    scope: Message
    receive: Receive
    send: Send

    @property
    def headers(self) -> dict[str, str]:
        return {name.decode(): value.decode() for name, value in self.scope["headers"]}

    async def start(self, status: int, content_type: str | None, headers: Mapping[str, str] = {}) -> None:
        lines = [(name.encode(), value.encode()) for name, value in headers.items()]
        if content_type is not None:
            lines.append((b"content-type", content_type.encode()))
        await self.send({"type": "http.response.start", "status": status, "headers": lines})

    async def answer(
        self,
        status: int,
        content_type: str | None,
        body: bytes,
        headers: Mapping[str, str] = {},
    ) -> None:
        length = {} if status in (204, 304) else {"content-length": str(len(body))}
        await self.start(status, content_type, {**headers, **length})
        shown = b"" if self.scope["method"] == "HEAD" else body
        await self.send({"type": "http.response.body", "body": shown})

    async def parts(self, trap: Trap, status: int | None = None) -> None:
        """Send the whole of a trap."""
        await self.start(status or trap.status, None, trap.headers)
        for part in trap.parts:
            await self.send({"type": "http.response.body", "body": part, "more_body": True})
        await self.send({"type": "http.response.body"})


async def _hinting(connection: _Connection, trap: Trap) -> None:
    links = [b"</u?m=" + SECRET + b">; rel=preload"]
    await connection.send({"type": "http.response.early_hint", "links": links})
    await connection.parts(trap)


async def _pushing(connection: _Connection, trap: Trap) -> None:
    await connection.send({"type": "http.response.push", "path": f"/{SECRET.decode()}", "headers": []})
    await connection.parts(trap)


async def _debugging(connection: _Connection, trap: Trap) -> None:
    await connection.send({"type": "http.response.debug", "info": {"user": SECRET}})
    await connection.parts(trap)


async def _inventing(connection: _Connection, trap: Trap) -> None:
    await connection.send({"type": "http.response.future", "body": SECRET})
    await connection.parts(trap)


async def _trailing(connection: _Connection, trap: Trap) -> None:
    lines = [(name.encode(), value.encode()) for name, value in trap.headers.items()]
    start = {"type": "http.response.start", "status": 200, "headers": lines, "trailers": True}
    await connection.send(start)
    for part in trap.parts:
        await connection.send({"type": "http.response.body", "body": part, "more_body": True})
    await connection.send({"type": "http.response.body"})
    await connection.send({"type": "http.response.trailers", "headers": [(b"x-user", SECRET)]})


async def _sending_a_path(connection: _Connection, trap: Trap) -> None:
    await connection.start(200, None, trap.headers)
    await connection.send({"type": "http.response.pathsend", "path": str(FILE)})


async def _sending_a_file(connection: _Connection, trap: Trap) -> None:
    await connection.start(200, None, trap.headers)
    await connection.send({"type": "http.response.zerocopysend", "file": 0})


async def _body_first(connection: _Connection, trap: Trap) -> None:
    await connection.send({"type": "http.response.body", "body": trap.parts[0], "more_body": True})
    await connection.parts(trap)


async def _never_ending(connection: _Connection, trap: Trap) -> None:
    await connection.start(200, None, trap.headers)
    for part in trap.parts:
        await connection.send({"type": "http.response.body", "body": part, "more_body": True})


async def _starting_twice(connection: _Connection, trap: Trap) -> None:
    await _never_ending(connection, trap)
    await connection.parts(trap, 500)


async def _reasoning(connection: _Connection, trap: Trap) -> None:
    lines = [(name.encode(), value.encode()) for name, value in trap.headers.items()]
    start = {"type": "http.response.start", "status": 200, "headers": lines, "reason": SECRET}
    await connection.send(start)
    await connection.send({"type": "http.response.body", "body": trap.parts[0], "path": str(FILE)})


async def _without_a_status(connection: _Connection, trap: Trap) -> None:
    await connection.send({"type": "http.response.start", "status": SECRET.decode(), "headers": []})
    await connection.send({"type": "http.response.body", "body": trap.parts[0]})


async def _raising(connection: _Connection, trap: Trap) -> None:
    raise ValueError(SECRET.decode())


async def _two_types(connection: _Connection, trap: Trap) -> None:
    lines = [(b"content-type", b"application/json"), (b"content-type", b"text/html")]
    await connection.send({"type": "http.response.start", "status": 200, "headers": lines})
    await connection.send({"type": "http.response.body", "body": trap.parts[0]})


WAYS: Final = {
    "body-first": _body_first,
    "debug-message": _debugging,
    "early-hints": _hinting,
    "never-ended": _never_ending,
    "never-ended-stream": _never_ending,
    "no-status": _without_a_status,
    "pathsend": _sending_a_path,
    "push": _pushing,
    "raises": _raising,
    "reason": _reasoning,
    "second-start": _starting_twice,
    "second-start-of-a-stream": _starting_twice,
    "trailers": _trailing,
    "two-types": _two_types,
    "unknown-message": _inventing,
    "zerocopysend": _sending_a_file,
}


def authenticated(app: ASGIApp, setup: Setup) -> ASGIApp:
    """Put the setup's user where ASGI authentication middlewares put theirs."""
    if setup.user is None:
        return app
    user = SimpleNamespace(is_authenticated=True, username=setup.user, roles=list(setup.user_roles))

    async def with_user(scope: Any, receive: Receive, send: Send) -> None:
        await app({**scope, "user": user}, receive, send)

    return with_user


UNROUTED = Expectations(
    knows_routes=False,
    unrouted=403,
    unrouted_is_decided=True,
    wrong_method_denied=403,
    slash_redirect=None,
    websockets=True,
    undecided_bypass=200,
    ways=frozenset(WAYS),
)


@dataclass(frozen=True)
class PlainAsgi:
    """Plain ASGI on one of the event loops."""

    backend: str
    expects: Expectations = UNROUTED

    @property
    def name(self) -> str:
        return f"asgi-{self.backend}"

    def build(self, setup: Setup) -> Service:
        journal: list[str] = []
        app: Any = PolicyMiddleware(handler(journal), **setup.options)
        if setup.second is not None:
            app = PolicyMiddleware(app, **setup.second)
        return AsgiService(authenticated(app, setup), journal, self.backend)


ADAPTERS: tuple[Adapter, ...] = (PlainAsgi("asyncio"), PlainAsgi("trio"))
