"""What every framework's conformance app is made of, and what the one suite may ask of it.

A framework takes part by a module `app_<framework>.py` with a tuple `ADAPTERS` of objects that satisfy
`Adapter`. `build` makes the same small service (see `ENDPOINTS`) in the framework's own idiom, behind the
framework's own policy middleware. Where frameworks rightly differ, `Expectations` says so in the open.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Protocol

ENDPOINTS: Final = """
Everything a handler does is written to the service's journal; `<...>` stands for a value.

GET /docs/{id}
    `document(id)` as application/json with ETag "v1" and Last-Modified. Answers 304 to a matching
    If-None-Match, gzips when Accept-Encoding names gzip, answers 206 with the first 10 bytes to any Range.
    Journal: "read <id>". @policy_action("document.read", resource="document:{id}", tags=["pii"])
POST /docs
    Reads the whole body in the framework's usual way and answers it as application/octet-stream, status 201.
    Journal: "create <body>"
GET /plain/{name}           text/plain "hello <name>". Journal: "plain <name>"; no decorator
GET /stream                 text/plain, STREAM_PARTS one by one; journal "yield 0", ... right before each
GET /events                 text/event-stream, one event EVENT. Journal: "events"
GET /trap/{name}            traps.EVERY[name], by the framework's own response. Journal: "trap <name>"
GET /picture                image/png, PICTURE. Journal: "picture"
GET /large                  application/json, LARGE. Journal: "large"
GET /file                   FILE by the framework's own file response. Journal: "file"
GET /raise                  raises Boom. Journal: "raise"
GET /background             text/plain "later"; after the response was sent, journal "background"
GET /things/{id}            class-based view, text/plain "thing <id>". Journal: "thing <id>"
DELETE /things/{id}         the same view, status 204. Journal: "delete <id>". The method `delete` carries
                            @policy_action("thing.delete", resource="thing:{id}"), the class
                            @policy_action("thing.any", resource="thing:{id}")
GET /mounted/inner/{id}     text/plain "inner <id>" in a mount, include or blueprint. Journal: "inner <id>"
GET /listed/{id}            text/plain "listed <id>". Journal: "listed <id>"; for the `routes` table
GET /healthz                text/plain "ok". Journal: "healthz"
GET /free                   text/plain "free". Journal: "free". @policy_exempt
WEBSOCKET /ws/{room}        (expects.websockets) accepts, sends "hello <room>", closes. Journal: "ws <room>"

With `Setup.short_circuit`, something inside the policy middleware but outside the router (a middleware, a
before_request hook) answers GET /short-circuit itself: 200 text/plain "bypass", journal "short-circuit".
With `Setup.forbidden_page`, the app has its own 403 page: status 403, text/html, body FORBIDDEN_PAGE.
"""

STREAM_PARTS: Final = (b"one\n", b"two\n", b"three\n")
EVENT: Final = b'data: {"email": "bea@example.com"}\n\n'
PICTURE: Final = b"\x89PNG\r\n\x1a\n" + b"bea@example.com"
LARGE: Final = b'{"email": "bea@example.com", "padding": "' + b"x" * 300_000 + b'"}'
FILE: Final = Path(__file__)
FORBIDDEN_PAGE: Final = b"<!doctype html><h1>Our own page: forbidden</h1>"
LAST_MODIFIED: Final = "Sun, 01 Mar 2026 00:00:00 GMT"
SECRET: Final = b"bea@example.com"
"""Part of every maskable body: it must not be found in any masked or refused answer."""


def document(identifier: str) -> bytes:
    """Return the body of `GET /docs/{id}`, with a spelling that a parse and dump would not keep."""
    return (
        b'{ "id":"%s", "email": "bea@example.com","total": 12.50,'
        b' "owner": {"name": "Bea", "ssn": "123-45-6789"} }' % identifier.encode()
    )


class Boom(Exception):
    """What `GET /raise` raises."""


@dataclass(frozen=True, slots=True)
class Setup:
    """How one service is to be built.

    `options` are keyword arguments of the policy middleware, by their Python names (`enforcer`, `tenant`,
    `roles`, `mode`, ...); a Django adapter writes them into its dict in upper case, a Flask one into
    `app.config` with the prefix `POLICY_`. `second` are the options of a second policy middleware around the
    first. `user` is the name of the user whom the framework itself has authenticated before the policy
    middleware is asked; its attributes are `username` and `roles` (a list), None means nobody.
    """

    options: Mapping[str, object]
    second: Mapping[str, object] | None = None
    user: str | None = None
    user_roles: Sequence[str] = ()
    short_circuit: bool = False
    forbidden_page: bool = False


@dataclass(frozen=True, slots=True)
class Call:
    """One request as a client sends it, however hostile.

    `target` is the percent-encoded path as on the wire, below `root_path`; servers hand its decoded form on.
    `body` is sent in exactly these parts; with `leaves` the client is gone after them, before the body ended.
    """

    method: str = "GET"
    target: str = "/"
    query: str = ""
    headers: Sequence[tuple[str, str]] = ()
    body: Sequence[bytes] = ()
    root_path: str = ""
    leaves: bool = False
    leaves_after: int | None = None
    """The client is gone once it has received so many parts of the answer."""
    subprotocols: Sequence[str] = ()
    extensions: Mapping[str, object] = field(default_factory=dict)


@dataclass(slots=True)
class Answer:
    """Everything that came back; `headers` have lower-case names, `error` is what the app raised."""

    status: int | None = None
    headers: list[tuple[str, str]] = field(default_factory=list)
    parts: list[bytes] = field(default_factory=list)
    error: BaseException | None = None
    messages: list[Mapping[str, Any]] = field(default_factory=list)
    """ASGI only: every message as it was sent."""
    reason: str = ""
    """WSGI only: the words behind the status."""

    @property
    def body(self) -> bytes:
        return b"".join(self.parts)

    def header(self, name: str) -> str | None:
        """Return the only value of a header, None when it is missing; several are a failure."""
        values = [value for key, value in self.headers if key == name.lower()]
        assert len(values) <= 1, f"{name} was sent {len(values)} times"
        return values[0] if values else None

    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(slots=True)
class Handshake:
    """How a WebSocket handshake ended: accepted, closed with a code, or answered like HTTP."""

    accepted: bool = False
    texts: list[str] = field(default_factory=list)
    binaries: list[bytes] = field(default_factory=list)
    headers: list[tuple[str, str]] = field(default_factory=list)
    """Of the acceptance."""
    error: BaseException | None = None
    close_code: int | None = None
    close_reason: str = ""
    denial: Answer | None = None


@dataclass(frozen=True, slots=True)
class Expectations:
    """Where frameworks rightly differ; every field is asserted by a test."""

    knows_routes: bool
    """False: actions are `METHOD /path`; decorators and the `routes` table are not seen."""
    unrouted: int
    """Status of a path that no route matches, for a caller to whom the policy denies everything."""
    unrouted_is_decided: bool
    """True when such a request leaves a decision record."""
    wrong_method: int = 405
    """Status of `PUT /docs/7`, which no route takes, when the policy allows everything."""
    wrong_method_denied: int = 404
    """The same when the policy denies everything."""
    slash_redirect: int | None = None
    """Status of `GET /docs/7/`, when the policy allows everything and the framework redirects."""
    double_slash: int = 404
    """Status of `GET //docs/7`, when the policy allows everything."""
    joins_duplicates: bool = False
    """WSGI: repeated headers arrive folded with commas, `X_Tenant` and `X-Tenant` are one."""
    websockets: bool = False
    own_forbidden_page: bool = False
    """A denial to a client that prefers text/html is rendered by the app's own 403 page."""
    undecided_bypass: int = 500
    """Status of `GET /short-circuit` when the policy allows everything."""
    raises: bool = True
    """True when the exception of a handler goes on to the server (perhaps after a 500)."""
    framework_user: bool = True
    """False where the protocol knows no user of its own (plain WSGI)."""
    ways: frozenset[str] = frozenset()
    """How it can answer as not every framework can: the `way` of traps."""
    interrupted_body_is_seen: bool = True
    """True when a handler learns that the client left before the body ended."""


class Service(Protocol):
    """One running service; `journal` is what its handlers did and "received <n>" of the caller, in order."""

    journal: list[str]

    def call(self, call: Call) -> Answer:
        """Send one request and return all of its answer."""

    def connect(self, call: Call) -> Handshake:
        """Open a WebSocket (only where `expects.websockets`)."""

    def close(self) -> None:
        """Undo whatever building it changed in the process."""


class Adapter(Protocol):
    """One framework (and event loop) that the suite runs against."""

    @property
    def name(self) -> str:
        """How test ids call it."""

    @property
    def expects(self) -> Expectations:
        """Where it rightly differs from the others."""

    def build(self, setup: Setup) -> Service:
        """Build the service of `ENDPOINTS` behind the framework's policy middleware."""
