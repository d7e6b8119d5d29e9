"""One ASGI request, as the gate wants to see it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from policy_middleware.asgi.protocol import Scope, path_below_root
from policy_middleware.attributes import HeaderNames
from policy_middleware.routing import WEBSOCKET, RoutePolicy

_NO_PARAMETERS: Final[Mapping[str, object]] = MappingProxyType({})


@dataclass(slots=True)
class Resolution:
    """What an application's own router will do with a request, found out on a copy of the scope.

    `policy` is None when no route matches. `scope` is the copy as the handler would see it. `endpoint` is
    what the router is expected to leave in `scope["endpoint"]`, `before` what was there before. `partial`: a
    route matches but for the method. `opaque`: a mounted application whose own routes are not known.
    `passed`: the mounted applications on the way to the route.
    Not to be changed (a frozen dataclass costs four times as much to make, and one is made per request).
    """

    policy: RoutePolicy | None
    path_params: Mapping[str, object]
    scope: Scope
    endpoint: object | None = None
    before: object | None = None
    partial: bool = False
    opaque: bool = False
    passed: tuple[object, ...] = ()


class AsgiRequest:
    """The request view of one HTTP request or WebSocket handshake (`policy_middleware.steps.RequestView`)."""

    __slots__ = (
        "_headers",
        "_scope",
        "_sent_twice",
        "client",
        "host",
        "method",
        "path",
        "path_params",
        "resolution",
        "route",
    )

    joins_duplicates: Final = False

    def __init__(self, scope: Scope) -> None:
        lines = scope["headers"]
        self._scope = scope
        self._headers: dict[bytes, bytes] = dict(lines)
        self._sent_twice = len(self._headers) != len(lines)
        self.method: str = scope["method"].upper() if scope["type"] == "http" else WEBSOCKET
        # Every decision asks for these, so they are no properties: asking costs more than finding out.
        self.path: str = path_below_root(scope) if scope.get("root_path") else scope["path"] or "/"
        host = self._headers.get(b"host")
        self.host: str | None = None if host is None else host.decode("latin-1")
        """The Host header; None when there is none, or more than one."""
        if self._sent_twice and len(self.header("host")) > 1:
            self.host = None
        peer = scope.get("client")
        self.client: str | None = peer[0] if peer else None
        """The peer's address as the server reports it."""
        self.resolution: Resolution | None = None
        self.route: RoutePolicy | None = None
        self.path_params = _NO_PARAMETERS

    def follow(self, resolution: Resolution) -> None:
        """Take the route that the application's router will run."""
        self.resolution = resolution
        self.route = resolution.policy
        self.path_params = resolution.path_params

    @property
    def root_path(self) -> str:
        """The path the application is mounted at."""
        root: str = self._scope.get("root_path", "")
        return root

    @property
    def query(self) -> str:
        """The raw query string."""
        raw: bytes = self._scope.get("query_string", b"")
        return raw.decode("latin-1")

    @property
    def native(self) -> object:
        """The scope; frameworks hand out their request object instead."""
        return self._scope

    def header(self, name: str) -> Sequence[str]:
        """Return every value of a header, in order."""
        wanted = name.encode("latin-1")
        value = self._headers.get(wanted)
        if value is None:
            return ()
        if self._sent_twice:  # perhaps this one: the dict knows its last value only
            return [value.decode("latin-1") for key, value in self._scope["headers"] if key == wanted]
        return (value.decode("latin-1"),)

    def single_headers(self, names: HeaderNames) -> tuple[object, ...] | None:
        """Return the raw value of each header; None when some header is repeated."""
        return None if self._sent_twice else tuple(map(self._headers.get, names.encoded))

    def user(self) -> object | None:
        """Return what an authentication middleware left in `scope["user"]`."""
        return self._scope.get("user")
