"""One ASGI request, as the gate wants to see it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from policy_middleware.asgi.protocol import Scope, path_below_root
from policy_middleware.routing import WEBSOCKET, RoutePolicy

_NO_PARAMETERS: Final[Mapping[str, object]] = MappingProxyType({})


@dataclass(slots=True)
class Resolution:
    """What an application's own router will do with a request, found out on a copy of the scope.

    `policy` is None when no route matches. `scope` is the copy as the handler would see it. `endpoint` is
    what the router is expected to leave in `scope["endpoint"]`, `before` what was there before. `partial`: a
    route matches but for the method. `opaque`: a mounted application whose own routes are not known.
    Not to be changed (a frozen dataclass costs four times as much to make, and one is made per request).
    """

    policy: RoutePolicy | None
    path_params: Mapping[str, object]
    scope: Scope
    endpoint: object | None = None
    before: object | None = None
    partial: bool = False
    opaque: bool = False


class AsgiRequest:
    """The request view of one HTTP request or WebSocket handshake (`policy_middleware.gate.RequestView`)."""

    __slots__ = ("_headers", "_scope", "method", "path", "path_params", "resolution", "route")

    joins_duplicates: Final = False

    def __init__(self, scope: Scope, resolution: Resolution | None = None) -> None:
        self._scope = scope
        self._headers: dict[bytes, bytes] | None = None
        self.method: str = scope["method"] if scope["type"] == "http" else WEBSOCKET
        self.path = path_below_root(scope)
        self.resolution = resolution
        self.route: RoutePolicy | None = None
        self.path_params = _NO_PARAMETERS
        if resolution is not None:
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
    def host(self) -> str | None:
        """The Host header; None when there is none, or more than one."""
        values = self.header("host")
        return values[0] if len(values) == 1 else None

    @property
    def client(self) -> str | None:
        """The peer's address as the server reports it."""
        peer = self._scope.get("client")
        return peer[0] if peer else None

    @property
    def native(self) -> object:
        """The scope; frameworks hand out their request object instead."""
        return self._scope

    def header(self, name: str) -> Sequence[str]:
        """Return every value of a header, in order."""
        wanted = name.encode("latin-1")
        lines = self._scope["headers"]
        headers = self._headers
        if headers is None:
            headers = self._headers = dict(lines)
        if wanted not in headers:
            return ()
        if len(headers) == len(lines):  # no header is repeated
            return (headers[wanted].decode("latin-1"),)
        return [value.decode("latin-1") for key, value in lines if key == wanted]

    def user(self) -> object | None:
        """Return what an authentication middleware left in `scope["user"]`."""
        return self._scope.get("user")
