"""The policy middleware for FastAPI: Starlette's, knowing included routers and refusals by dependencies."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, ClassVar

from fastapi.routing import iter_route_contexts
from starlette.routing import BaseRoute, Host, Mount, Route, WebSocketRoute

from policy_middleware_starlette import PolicyMiddleware as StarlettePolicyMiddleware
from policy_middleware_starlette.resolver import RouteResolver

_SELF_CONTAINED = (Route, WebSocketRoute, Mount, Host)


class FastAPIRouteResolver(RouteResolver):
    """Looks into included routers, which `app.routes` no longer shows since FastAPI 0.137."""

    def candidates(self, routes: Iterable[BaseRoute]) -> Iterator[Any]:
        """Yield every route with the prefix under which it was included, in matching order."""
        for route in routes:
            if isinstance(route, _SELF_CONTAINED):
                yield route
            else:
                yield from iter_route_contexts([route])


class PolicyMiddleware(StarlettePolicyMiddleware):
    """Decide every request of a FastAPI application before its dependencies, validation and handler run.

    Install it with `app.add_middleware(PolicyMiddleware, tenant=..., ...)` **before** any other middleware;
    see `policy_middleware_starlette.PolicyMiddleware`. Raises SettingsError for options that cannot work.
    """

    resolver_class: ClassVar[type[RouteResolver]] = FastAPIRouteResolver
