"""The policy middleware for FastAPI: Starlette's, which also looks into included routers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, ClassVar, Final

from fastapi.routing import APIRoute, APIWebSocketRoute, RouteContext, iter_route_contexts
from starlette.routing import BaseRoute, Host, Mount, Route, WebSocketRoute

from policy_middleware_starlette import PolicyMiddleware as StarlettePolicyMiddleware
from policy_middleware_starlette.route_list import HasRoutes, RouteList

_SELF_CONTAINED: Final = (Route, WebSocketRoute, Mount, Host)
_STANDARD_MATCHES: Final = frozenset({APIRoute.matches, APIWebSocketRoute.matches})


class IncludingRouteList(RouteList):
    """Routes among which routers are included: since FastAPI 0.137 these are single entries of the list."""

    def __init__(self, holder: HasRoutes, root_path: str | None = None) -> None:
        super().__init__(holder, root_path)
        self._version_of: list[Callable[[], object]] = []
        self._versions: list[object] = []

    def expanded(self, routes: Sequence[BaseRoute]) -> Iterator[Any]:
        """Yield the routes, those of included routers with their whole paths, in matching order."""
        self._version_of = []
        for route in routes:
            contexts = [] if isinstance(route, _SELF_CONTAINED) else list(iter_route_contexts([route]))
            if isinstance(route, _SELF_CONTAINED) or [context.route for context in contexts] == [route]:
                yield route
                continue
            # FastAPI's own cache of included routes goes by this number; without one we keep none.
            router = getattr(route, "original_router", None)
            self._version_of.append(getattr(router, "_get_routes_version", object))
            yield from contexts
        self._versions = [version() for version in self._version_of]

    def is_stale(self) -> bool:
        """Return whether a route was added to an included router."""
        return self._versions != [version() for version in self._version_of]

    def has_standard_matches(self, route: Any) -> bool:
        """Return whether the route matches by its `path_regex`."""
        if isinstance(route, RouteContext):
            return True
        return getattr(type(route), "matches", None) in _STANDARD_MATCHES or super().has_standard_matches(
            route
        )


class PolicyMiddleware(StarlettePolicyMiddleware):
    """Decide every request of a FastAPI application before its dependencies, validation and handler run.

    Install it with `app.add_middleware(PolicyMiddleware, tenant=..., ...)` **before** any other middleware;
    see `policy_middleware_starlette.PolicyMiddleware`. Raises SettingsError for options that cannot work.
    """

    route_list_class: ClassVar[type[RouteList]] = IncludingRouteList
