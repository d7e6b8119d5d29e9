"""The service of `ENDPOINTS` as a plain WSGI application, without any framework."""

from __future__ import annotations

import gzip
import io
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final

from policy_middleware.wsgi import PolicyMiddleware

from .calling import WSGIApp, call_wsgi
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
from .traps import EVERY, Trap


@dataclass
class WsgiService:
    """A WSGI app; every framework's service over WSGI is one."""

    app: WSGIApp
    journal: list[str]

    def call(self, call: Call) -> Answer:
        return call_wsgi(self.app, call, self.journal)

    def connect(self, call: Call) -> Handshake:
        raise NotImplementedError("WSGI has no WebSockets")

    def close(self) -> None:
        """Nothing was changed."""


class Handler:
    """The application itself, undecided."""

    def __init__(self, journal: list[str]) -> None:
        self.journal = journal

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        known = False
        for pattern, method, name in _TABLE:
            match = re.fullmatch(pattern, environ["PATH_INFO"])
            if match is None:
                continue
            known = True
            if environ["REQUEST_METHOD"] in (method, "HEAD" if method == "GET" else method):
                exchange = _Exchange(self.journal, environ, start_response)
                body: Iterable[bytes] = getattr(exchange, name)(*match.groups())
                return body
        return _Exchange(self.journal, environ, start_response).answer(405 if known else 404, b"nothing here")


@dataclass
class _Exchange:
    journal: list[str]
    environ: dict[str, Any]
    start_response: Callable[[str, list[tuple[str, str]]], Any]

    def start(self, status: int, content_type: str, headers: Mapping[str, str] = {}) -> None:
        lines = [("Content-Type", content_type), *headers.items()]
        self.start_response(f"{status} {HTTPStatus(status).phrase}", lines)

    def answer(
        self, status: int, body: bytes, content_type: str = "text/plain", headers: Mapping[str, str] = {}
    ) -> list[bytes]:
        self.start(status, content_type, {**headers, "Content-Length": str(len(body))})
        return [] if self.environ["REQUEST_METHOD"] == "HEAD" else [body]

    def say(self, entry: str, text: str) -> list[bytes]:
        self.journal.append(entry)
        return self.answer(200, text.encode())

    def read(self, identifier: str) -> list[bytes]:
        self.journal.append(f"read {identifier}")
        headers = {"ETag": '"v1"', "Last-Modified": LAST_MODIFIED}
        body = document(identifier)
        if self.environ.get("HTTP_IF_NONE_MATCH") == '"v1"':
            self.start_response("304 Not Modified", list(headers.items()))
            return []
        if "HTTP_RANGE" in self.environ:
            return self.answer(206, body[:10], "application/json", headers)
        if "gzip" in self.environ.get("HTTP_ACCEPT_ENCODING", ""):
            headers["Content-Encoding"] = "gzip"
            body = gzip.compress(body)
        return self.answer(200, body, "application/json", headers)

    def create(self) -> list[bytes]:
        body = self.environ["wsgi.input"].read(int(self.environ.get("CONTENT_LENGTH") or 0))
        self.journal.append(f"create {body.decode()}")
        return self.answer(201, body, "application/octet-stream")

    def plain(self, name: str) -> list[bytes]:
        return self.say(f"plain {name}", f"hello {name}")

    def listed(self, name: str) -> list[bytes]:
        return self.say(f"listed {name}", f"listed {name}")

    def inner(self, name: str) -> list[bytes]:
        return self.say(f"inner {name}", f"inner {name}")

    def thing(self, name: str) -> list[bytes]:
        return self.say(f"thing {name}", f"thing {name}")

    def delete_thing(self, name: str) -> list[bytes]:
        self.journal.append(f"delete {name}")
        self.start_response("204 No Content", [])
        return []

    def healthz(self) -> list[bytes]:
        return self.say("healthz", "ok")

    def free(self) -> list[bytes]:
        return self.say("free", "free")

    def short_circuit(self) -> list[bytes]:
        return self.say("short-circuit", "bypass")

    def stream(self) -> Iterator[bytes]:
        # Being a generator, it starts its response when it is first asked for a part.
        self.start(200, "text/plain")
        for index, part in enumerate(STREAM_PARTS):
            self.journal.append(f"yield {index}")
            yield part

    def events(self) -> Iterator[bytes]:
        self.journal.append("events")
        self.start(200, "text/event-stream")
        yield EVENT

    def trap(self, name: str) -> Iterable[bytes]:
        trap = EVERY[name]
        self.journal.append(f"trap {name}")
        if trap.way is not None:
            return _Closing(WAYS[trap.way](self, trap), lambda: self.journal.append("closed"))
        status = f"{trap.status} {HTTPStatus(trap.status).phrase}"
        if trap.streamed:
            self.start_response(status, list(trap.headers.items()))
            return _Closing(trap.chunks(), lambda: self.journal.append("closed"))
        lines = [("Content-Length", str(sum(map(len, trap.parts))))]
        lines += [("Set-Cookie", f'{name}="{value}"') for name, value in trap.cookies.items()]
        self.start_response(status, [*trap.headers.items(), *lines])
        return _Closing(list(trap.parts), lambda: self.journal.append("closed"))

    def picture(self) -> list[bytes]:
        self.journal.append("picture")
        return self.answer(200, PICTURE, "image/png")

    def large(self) -> list[bytes]:
        self.journal.append("large")
        return self.answer(200, LARGE, "application/json")

    def file(self) -> Iterable[bytes]:
        self.journal.append("file")
        self.start(200, "text/x-python")
        file = FILE.open("rb")
        wrapper = self.environ.get("wsgi.file_wrapper")
        return wrapper(file, 8192) if wrapper is not None else file

    def background(self) -> Iterable[bytes]:
        return _Closing(self.answer(200, b"later"), lambda: self.journal.append("background"))

    def fail(self) -> Iterable[bytes]:
        self.journal.append("raise")
        raise Boom


@dataclass
class _Closing:
    """An iterable that does something when the server closes it."""

    body: Iterable[bytes]
    close: Callable[[], None]

    def __iter__(self) -> Iterator[bytes]:
        return iter(self.body)


def _write(exchange: _Exchange, trap: Trap) -> Iterable[bytes]:
    write = exchange.start_response("200 OK", list(trap.headers.items()))
    for part in trap.parts:
        write(part)
    return []


def _wrapped(exchange: _Exchange, trap: Trap) -> Iterable[bytes]:
    exchange.start_response("200 OK", list(trap.headers.items()))
    wrapper = exchange.environ.get("wsgi.file_wrapper")
    file = io.BytesIO(trap.parts[0])
    body: Iterable[bytes] = file if wrapper is None else wrapper(file)
    return body


def _started_twice(exchange: _Exchange, trap: Trap) -> Iterator[bytes]:
    exchange.start_response("200 OK", [*trap.headers.items(), ("X-User", SECRET.decode())])
    if trap.way == "second-start-of-a-stream":
        yield from trap.parts
    try:
        raise ValueError(SECRET.decode())
    except ValueError:
        again: Any = exchange.start_response
        again(f"500 {SECRET.decode()}", list(trap.headers.items()), sys.exc_info())
    yield from trap.parts


def _reason(exchange: _Exchange, trap: Trap) -> Iterable[bytes]:
    exchange.start_response(f"200 {SECRET.decode()}", list(trap.headers.items()))
    return trap.parts


def _no_status(exchange: _Exchange, trap: Trap) -> Iterable[bytes]:
    exchange.start_response(SECRET.decode(), list(trap.headers.items()))
    return trap.parts


def _body_first(exchange: _Exchange, trap: Trap) -> Iterable[bytes]:
    return trap.parts


def _raising(exchange: _Exchange, trap: Trap) -> Iterable[bytes]:
    raise ValueError(SECRET.decode())


def _two_types(exchange: _Exchange, trap: Trap) -> Iterable[bytes]:
    exchange.start_response("200 OK", [("Content-Type", "application/json"), ("Content-Type", "text/html")])
    return trap.parts


WAYS: Final = {
    "body-first": _body_first,
    "file-wrapper": _wrapped,
    "no-status": _no_status,
    "raises": _raising,
    "reason": _reason,
    "second-start": _started_twice,
    "second-start-of-a-stream": _started_twice,
    "two-types": _two_types,
    "write": _write,
}

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


EXPECTED = Expectations(
    knows_routes=False,
    unrouted=403,
    unrouted_is_decided=True,
    wrong_method_denied=403,
    joins_duplicates=True,
    undecided_bypass=200,
    framework_user=False,
    ways=frozenset(WAYS),
    interrupted_body_is_seen=False,
)


@dataclass(frozen=True)
class PlainWsgi:
    """Plain WSGI."""

    name: str = "wsgi"
    expects: Expectations = EXPECTED

    def build(self, setup: Setup) -> Service:
        journal: list[str] = []
        app: Any = PolicyMiddleware(Handler(journal), **setup.options)
        if setup.second is not None:
            app = PolicyMiddleware(app, **setup.second)
        return WsgiService(app, journal)


ADAPTERS: tuple[Adapter, ...] = (PlainWsgi(),)
