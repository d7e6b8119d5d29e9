"""Ask an application's own router which route a request will run, without running it.

Paths are never compared here: every answer comes from `matches` of the router's own routes, on a copy of the
scope, in the router's own order. So encodings, slashes and mounts cannot make the two disagree.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, MutableMapping
from typing import Any, Final

from starlette.routing import BaseRoute, Host, Match, Mount, Route, WebSocketRoute

from policy_middleware.asgi import Resolution
from policy_middleware.asgi.protocol import Scope, path_below_root
from policy_middleware.routing import WEBSOCKET, RouteMetadata, RoutePolicy, route_policy
from policy_middleware_starlette.routers import FoundRouter, router_below

_METHODS: Final = frozenset(
    {"CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "TRACE", WEBSOCKET}
)
"""Only what routes mean for these is kept: a client can make up methods without end."""

_REST_OF_PATH: Final = "/{path}"
"""How the `path_format` of a Starlette mount ends."""


class RouteResolver:
    """Resolves requests over a router's routes, and keeps what each route means once that was worked out."""

    def __init__(self, table: Mapping[str, RouteMetadata]) -> None:
        self._table = table
        self._policies: dict[tuple[int, str, str], tuple[RoutePolicy, object]] = {}

    def candidates(self, routes: Iterable[BaseRoute]) -> Iterable[Any]:
        """Return what can match, in the router's order; each has `matches` and mostly `path_format`."""
        return routes

    def resolve(self, router: FoundRouter, scope: Scope) -> Resolution:
        """Return what the router will do with the request."""
        copy = dict(scope)
        before = copy.get("endpoint")
        prefix = ""
        while True:
            if router.root_path is not None:
                copy["root_path"] = router.root_path
            route, child_scope, partial = self._match(router.routes, copy)
            copy.update(child_scope)
            if route is None or partial:
                # The router itself answers (404, 405, a redirect): no endpoint runs, so none is decided on.
                return Resolution(None, {}, copy, copy.get("endpoint"), before, partial)
            if not leads_inside(route):
                return self._endpoint(route, prefix, copy, before)
            inner = _router_inside(route)
            if inner is None:
                return self._foreign(route, prefix, copy, before)
            if not _is(route, Host):
                prefix += route.path_format.removesuffix(_REST_OF_PATH)
            router = inner

    def _match(
        self, routes: Iterable[BaseRoute], scope: dict[str, Any]
    ) -> tuple[Any | None, MutableMapping[str, Any], bool]:
        """Return the route the router picks, what it adds to the scope, and whether only the path matches."""
        partial: tuple[Any, MutableMapping[str, Any], bool] | None = None
        for route in self.candidates(routes):
            match, child_scope = route.matches(scope)
            if match is Match.FULL:
                return route, child_scope, False
            if match is Match.PARTIAL and partial is None:
                partial = (route, child_scope, True)
        return partial or (None, {}, False)

    def _endpoint(self, route: Any, prefix: str, scope: dict[str, Any], before: object | None) -> Resolution:
        endpoint = scope.get("endpoint")
        path_format = getattr(route, "path_format", None)
        policy = None if path_format is None else self._policy_of(prefix + path_format, scope, endpoint)
        return Resolution(policy, scope.get("path_params", {}), scope, endpoint, before)

    def _foreign(self, route: Any, prefix: str, scope: dict[str, Any], before: object | None) -> Resolution:
        """Resolve to a mounted application without known routes: the rest of the path is its parameter."""
        endpoint = scope.get("endpoint")
        path_params = {**scope.get("path_params", {}), "path": path_below_root(scope)[1:]}
        template = prefix + getattr(route, "path_format", _REST_OF_PATH)
        policy = self._policy_of(template, scope, endpoint)
        return Resolution(policy, path_params, scope, endpoint, before, opaque=True)

    def _policy_of(self, template: str, scope: Scope, endpoint: object) -> RoutePolicy:
        method = scope["method"] if scope["type"] == "http" else WEBSOCKET
        key = (id(endpoint), method, template)
        known = self._policies.get(key)
        if known is not None:
            return known[0]
        policy = route_policy(method, template, endpoint, self._table)
        if method in _METHODS:
            # The endpoint is kept beside its policy, so that no other object can get its id.
            self._policies[key] = (policy, endpoint)
        return policy


def what_ran_instead(resolution: Resolution, scope: Scope, status: int) -> str | None:
    """Name what a router ran in place of what it was expected to run, None when all is as expected.

    Raises nothing: this is asked when the handler's response has started.
    """
    ran = scope.get("endpoint")
    if ran is resolution.endpoint:
        return "the endpoint of another method" if resolution.partial and status < 400 else None
    if ran is resolution.before:
        # A middleware inside ours answered, or passed a copy of the scope on, so that nothing can be checked.
        return "something that left no endpoint in the scope" if status < 300 else None
    if resolution.opaque and _is_below(scope.get("root_path", ""), resolution.scope.get("root_path", "")):
        return None
    name = getattr(ran, "__qualname__", None) or type(ran).__qualname__
    return f"{getattr(ran, '__module__', '')}.{name}"


def leads_inside(route: object) -> bool:
    """True for what hands a request to an application of its own: a mount or a host."""
    return not isinstance(route, (Route, WebSocketRoute)) and (_is(route, Mount) or _is(route, Host))


def _router_inside(route: Any) -> FoundRouter | None:
    """Return the router that a mount or a host leads to, None when that is a foreign application."""
    found = router_below(route.app)
    if found is None and (routes := route.routes) and all(isinstance(inner, BaseRoute) for inner in routes):
        # A middleware that does not call what it wraps `app` hides the router, but the mount knows it.
        return FoundRouter(routes)
    return found


def _is(route: object, kind: type[BaseRoute]) -> bool:
    """True when a route is of this kind, or stands for one that was included with a prefix."""
    return isinstance(route, kind) or isinstance(getattr(route, "original_route", None), kind)


def _is_below(path: str, root: str) -> bool:
    return path == root or path.startswith(root + "/")
