"""The words of ASGI: types, and the messages that start a response."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from functools import lru_cache
from typing import Any, Final

from policy_middleware.responses import Headers

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
ASGIApp = Callable[[Scope, Receive, Send], Awaitable[None]]

RawHeaders = list[tuple[bytes, bytes]]

RESPONSE_START: Final = "http.response.start"
RESPONSE_BODY: Final = "http.response.body"
DENIAL_EXTENSION: Final = "websocket.http.response"

STARTS: Final = frozenset({RESPONSE_START, "websocket.accept", "websocket.http.response.start"})
"""The messages that carry response headers."""


def raw_headers(headers: Headers) -> RawHeaders:
    """Return headers as ASGI sends them: lower-case names, all bytes."""
    return [(_raw_name(name), value.encode("latin-1")) for name, value in headers]


# Names are few and come with every response. Applications can make them up too, hence a bound.
@lru_cache(maxsize=256)
def _raw_name(name: str) -> bytes:
    return name.lower().encode("latin-1")


def text_headers(headers: Iterable[tuple[bytes, bytes]]) -> list[tuple[str, str]]:
    """Return the headers of a message as text."""
    return [(bytes(name).decode("latin-1"), bytes(value).decode("latin-1")) for name, value in headers]


def route_path(scope: Scope) -> str:
    """Return the path exactly as routers match it, empty for the root path itself.

    `root_path` is taken off at a segment boundary only: `/v1` is not below `/v`.
    """
    path: str = scope["path"]
    root: str = scope.get("root_path", "")
    if not root or not path.startswith(root):
        return path
    below = path[len(root) :]
    return below if not below or below[0] == "/" else path


def path_below_root(scope: Scope) -> str:
    """Return the path below the application's root, `/` for the root path itself."""
    return route_path(scope) or "/"
