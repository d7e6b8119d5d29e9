"""Find the router at the bottom of a stack of middlewares, and what stands in between."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from starlette.applications import Starlette
from starlette.routing import BaseRoute, Router

from policy_middleware.asgi.protocol import Scope

_DEEPEST_STACK = 100
"""A bound for stacks that lead back into themselves."""


@dataclass(frozen=True, slots=True)
class FoundRouter:
    """A router's own list of routes (live: routes may still be added), and the root path set on the way."""

    routes: Sequence[BaseRoute]
    root_path: str | None = None


def stack_below(app: object) -> Iterator[object]:
    """Yield an application and what it wraps, outermost first; middlewares keep what they wrap in `app`."""
    for _ in range(_DEEPEST_STACK):
        yield app
        if app is None or isinstance(app, (Router, Starlette)):
            return
        app = getattr(app, "app", None)


def router_below(app: object) -> FoundRouter | None:
    """Return the router that an application ends in, None when it ends in something else."""
    for layer in stack_below(app):
        if isinstance(layer, Starlette):
            # FastAPI(root_path=...) replaces what the server or a mount said.
            return FoundRouter(layer.router.routes, getattr(layer, "root_path", None) or None)
        if isinstance(layer, Router):
            return FoundRouter(layer.routes)
    return None


def router_of_host(scope: Scope) -> FoundRouter | None:
    """Return the router of the application whose middleware stack we are in, None when that is not certain.

    Once a router has run (`scope["router"]`), `scope["app"]` may be an application around the one we protect.
    """
    app = scope.get("app")
    if isinstance(app, Starlette) and "router" not in scope:
        return FoundRouter(app.router.routes)
    return None
