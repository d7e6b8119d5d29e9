"""All routes of a Starlette or FastAPI application, as the policy middleware sees them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from starlette.applications import Starlette
from starlette.routing import WebSocketRoute

from policy_middleware.asgi import PolicyMiddleware as AsgiPolicyMiddleware
from policy_middleware.routing import (
    WEBSOCKET,
    ListedRoute,
    RoutePolicy,
    exempted,
    route_policy,
    routes_table,
)
from policy_middleware.settings import DEFAULT_EXEMPT
from policy_middleware.start_up import Remark
from policy_middleware_starlette.middleware import PolicyMiddleware
from policy_middleware_starlette.route_list import RouteList
from policy_middleware_starlette.start_up import inspect

_VERBS: Final = ("GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")


def list_routes(app: Starlette) -> list[ListedRoute]:
    """Return every route and method, with the settings of the policy middleware that the app installs."""
    options: Mapping[str, Any] = {}
    route_lists: type[RouteList] = RouteList
    for middleware in app.user_middleware:
        kind: object = middleware.cls
        if isinstance(kind, type) and issubclass(kind, AsgiPolicyMiddleware):
            options = middleware.kwargs
        if isinstance(kind, type) and issubclass(kind, PolicyMiddleware):
            route_lists = kind.route_list_class
    table = routes_table(options.get("routes"))
    exempt = tuple(options.get("exempt", DEFAULT_EXEMPT))

    def policy_of(method: str, template: str, endpoint: object) -> RoutePolicy:
        return exempted(route_policy(method, template, endpoint, table), exempt)

    routes = route_lists.below(app)
    return [] if routes is None else list(_listed(routes, "", policy_of))


def inspect_application(app: Starlette) -> Iterator[Remark]:
    """Remark on the application's settings, and on where its policy middleware stands."""
    return inspect(app)


def _listed(
    routes: RouteList, base: str, policy_of: Callable[[str, str, object], RoutePolicy]
) -> Iterator[ListedRoute]:
    for route, candidate in routes.pairs():
        template = base + (candidate.template or "")
        if candidate.inside is not None:
            yield from _listed(candidate.inside, template, policy_of)
            continue
        endpoint = getattr(route, "endpoint", None)
        for method in ["GET"] if candidate.foreign else _methods(route, endpoint):
            yield ListedRoute(method, policy_of(method, template or "/", endpoint), opaque=candidate.foreign)


def _methods(route: Any, endpoint: object) -> list[str]:
    original = getattr(route, "original_route", route)
    if isinstance(original, WebSocketRoute):
        return [WEBSOCKET]
    taken = getattr(route, "methods", None)
    if taken:
        return sorted(set(taken) - {"HEAD"})
    # A class-based endpoint takes what it has methods for, a plain ASGI application everything.
    return [verb for verb in _VERBS if hasattr(endpoint, verb.lower())] or ["GET"]
