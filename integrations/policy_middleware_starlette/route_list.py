"""A router's routes, prepared for being asked which of them matches, until the router's own list changes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, MutableMapping, Sequence
from typing import Any, Final, Protocol, Self

from starlette.applications import Starlette
from starlette.routing import BaseRoute, Host, Match, Mount, Route, Router, WebSocketRoute, compile_path

from policy_middleware.routing import RoutePolicy
from policy_middleware_starlette.routers import stack_below

_REST_OF_PATH: Final = "/{path}"
"""How the `path_format` of a Starlette mount ends."""

_STANDARD_MATCHES: Final = frozenset({Route.matches, WebSocketRoute.matches, Mount.matches})


class HasRoutes(Protocol):
    """A router, or a mount, which knows the routes of the router inside it."""

    @property
    def routes(self) -> Sequence[BaseRoute]: ...


class Candidate:
    """One route of a list.

    `literal` is what every path it can match begins with: asking the route itself costs twenty times as much.
    `template` is None for a route without a path. `inside` leads into a mount or host, None where it ends in
    an endpoint, or (then `foreign`) in an application whose routes are not known.
    """

    __slots__ = ("foreign", "inside", "known", "literal", "matches", "template")

    def __init__(
        self,
        matches: Callable[[MutableMapping[str, Any]], tuple[Match, MutableMapping[str, Any]]],
        template: str | None,
        literal: str,
        inside: RouteList | None,
        foreign: bool,
    ) -> None:
        self.matches = matches
        self.template = template
        self.literal = literal
        self.inside = inside
        self.foreign = foreign
        self.known: dict[str, tuple[object, RoutePolicy]] = {}
        """What the route means by method, with the endpoint that it was worked out for."""


class RouteList:
    """The routes of one router. `root_path` is what the application around it sets, or None."""

    def __init__(self, holder: HasRoutes, root_path: str | None = None) -> None:
        self.root_path: Final = root_path
        self._holder: Final = holder
        self._routes: list[BaseRoute] = []
        self._candidates: list[Candidate] = []

    @classmethod
    def below(cls, app: object) -> Self | None:
        """Return the routes of the router that an application ends in, None where it ends in none."""
        for layer in stack_below(app):
            if isinstance(layer, Starlette):
                # FastAPI(root_path=...) replaces what the server or a mount said.
                return cls(layer.router, getattr(layer, "root_path", None) or None)
            if isinstance(layer, Router):
                return cls(layer)
        return None

    def candidates(self) -> Sequence[Candidate]:
        """Return the routes in the router's order; routes that were added meanwhile are among them."""
        # Comparing lists compares identities first, 5 ns a route.
        if self._routes != self._holder.routes or self.is_stale():
            routes = list(self._holder.routes)
            self._candidates = [self._candidate(route) for route in self.expanded(routes)]
            self._routes = routes
        return self._candidates

    def pairs(self) -> list[tuple[Any, Candidate]]:
        """Return every route with what is known of it, for whoever wants to see them all."""
        return [(route, self._candidate(route)) for route in self.expanded(list(self._holder.routes))]

    def expanded(self, routes: Sequence[BaseRoute]) -> Iterable[Any]:
        """Return the routes themselves, for frameworks whose lists hold routers."""
        return routes

    def is_stale(self) -> bool:
        """Return whether something changed below the list itself."""
        return False

    def has_standard_matches(self, route: Any) -> bool:
        """Return whether the route matches by its `path_regex`, as Starlette's own do."""
        return getattr(type(route), "matches", None) in _STANDARD_MATCHES

    def _candidate(self, route: Any) -> Candidate:
        template = getattr(route, "path_format", None)
        literal = _literal(route, template) if self.has_standard_matches(route) else ""
        inside, foreign = None, False
        if _is(route, Mount) or _is(route, Host):
            inside = self.below(route.app) or self._named_by(route)
            foreign = inside is None
            if _is(route, Host):
                template = None
            elif inside is not None:
                template = route.path_format.removesuffix(_REST_OF_PATH)
            template = (_REST_OF_PATH if foreign else "") if template is None else template
        return Candidate(route.matches, template, literal, inside, foreign)

    def _named_by(self, route: Any) -> Self | None:
        """Return the routes a mount knows where a middleware hides its router (by not calling it `app`)."""
        routes = route.routes
        known = bool(routes) and all(isinstance(inner, BaseRoute) for inner in routes)
        return type(self)(route) if known else None


def _literal(route: Any, template: str | None) -> str:
    """Return the text before the first parameter; empty when the route's regex is not the usual one."""
    path = getattr(route, "path", None)
    if path is None or template is None:
        return ""
    if _is(route, Mount):
        path += "/{path:path}"
    # Some make their routes case-insensitive by putting another regex in place.
    return template.partition("{")[0] if compile_path(path)[0] == route.path_regex else ""


def _is(route: object, kind: type[BaseRoute]) -> bool:
    """True when a route is of this kind, or stands for one that was included with a prefix."""
    return isinstance(route, kind) or isinstance(getattr(route, "original_route", None), kind)
