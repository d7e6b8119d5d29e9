"""What a stack of middlewares is made of, and whose stack we are in."""

from __future__ import annotations

from collections.abc import Iterator

from starlette.applications import Starlette
from starlette.routing import Router

from policy_middleware.asgi.protocol import Scope

_DEEPEST_STACK = 100
"""A bound for stacks that lead back into themselves."""


def stack_below(app: object) -> Iterator[object]:
    """Yield an application and what it wraps, outermost first; middlewares keep what they wrap in `app`."""
    for _ in range(_DEEPEST_STACK):
        yield app
        if app is None or isinstance(app, (Router, Starlette)):
            return
        app = getattr(app, "app", None)


def router_of_host(scope: Scope) -> Router | None:
    """Return the router of the application whose middleware stack we are in, None when that is not certain.

    Once a router has run (`scope["router"]`), `scope["app"]` may be an application around the one we protect.
    """
    app = scope.get("app")
    if isinstance(app, Starlette) and "router" not in scope:
        return app.router
    return None
