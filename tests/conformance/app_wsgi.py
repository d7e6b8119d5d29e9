"""The service of `ENDPOINTS` as a plain WSGI application, without any framework."""

from __future__ import annotations

import gzip
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from policy_middleware.wsgi import PolicyMiddleware

from .calling import WSGIApp, call_wsgi
from .harness import (
    EVENT,
    FILE,
    LARGE,
    LAST_MODIFIED,
    PICTURE,
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
from .traps import EVERY


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
        status = f"{trap.status} {HTTPStatus(trap.status).phrase}"
        if trap.streamed:
            self.start_response(status, list(trap.headers.items()))
            return trap.chunks()
        length = str(sum(map(len, trap.parts)))
        self.start_response(status, [*trap.headers.items(), ("Content-Length", length)])
        return list(trap.parts)

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
