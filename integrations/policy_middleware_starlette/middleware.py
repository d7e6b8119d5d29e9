"""The policy middleware for Starlette: decides on the route that the application's router will run."""

from __future__ import annotations

import logging
from typing import ClassVar, Final

from starlette.applications import Starlette
from starlette.requests import HTTPConnection, Request

from policy_middleware.asgi import AsgiRequest
from policy_middleware.asgi import PolicyMiddleware as AsgiPolicyMiddleware
from policy_middleware.asgi.protocol import ASGIApp, Receive, Scope, Send
from policy_middleware.model.effect import Effect
from policy_middleware.model.errors import SettingsError
from policy_middleware.responses import ProblemType, Response, problem
from policy_middleware.start_up import log_remarks
from policy_middleware.steps import Respond
from policy_middleware_starlette import start_up
from policy_middleware_starlette.pages import render_forbidden_page
from policy_middleware_starlette.resolver import RouteResolver, what_ran_instead
from policy_middleware_starlette.route_list import RouteList
from policy_middleware_starlette.routers import router_of_host, stack_below

log: Final = logging.getLogger("policy_middleware")


class StarletteRequest(AsgiRequest):
    """A request whose custom sources receive Starlette's own request object, routed already."""

    __slots__ = ()

    @property
    def native(self) -> object:
        """A Request (HTTPConnection for a WebSocket) without its body: read that with `body()` sources."""
        scope = self._scope if self.resolution is None else self.resolution.scope
        return Request(scope) if scope["type"] == "http" else HTTPConnection(scope)


class PolicyMiddleware(AsgiPolicyMiddleware):
    """Decide every request of a Starlette application before its handler runs.

    Install it with `app.add_middleware(PolicyMiddleware, tenant=..., ...)` **before** any other middleware,
    so that it is the innermost one: after authentication, inside CORS (which answers preflights itself) and
    inside GZip. It may also wrap an application from outside, or be the middleware of a `Mount`.

    Actions come from `@policy_action`, the `routes` table or `METHOD /template`. What no route matches is
    decided on `METHOD /path`, and a denial there looks like the 404 that the router would have given.
    Raises SettingsError for options that cannot work.
    """

    route_list_class: ClassVar[type[RouteList]] = RouteList

    def __init__(self, app: ASGIApp, /, **options: object) -> None:
        super().__init__(app, **options)
        self._resolver: Final = RouteResolver(self.gate.routes)
        self._routes = self.route_list_class.below(app)
        self._warned = False
        log_remarks(start_up.inside([type(layer) for layer in stack_below(app)], self.gate.settings))

    def request_of(self, scope: Scope) -> AsgiRequest:
        """Return the request with the route that will run; our own pages come before the router."""
        request = StarletteRequest(scope)
        routes = self._routes or self._routes_for(scope)
        if routes is not None and not self.gate.owns(request.path):
            request.follow(self._resolver.resolve(routes, scope))
        return request

    what_ran_instead = staticmethod(what_ran_instead)

    async def respond(
        self, step: Respond, request: AsgiRequest, scope: Scope, receive: Receive, send: Send
    ) -> None:
        """Answer a denial as the application would: by its own 403 page, or the 404 of a route it lacks."""
        hidden = self._hidden(step, request)
        if hidden is not None:
            step = Respond(step.decision, hidden)
        elif step.html and scope["type"] == "http":
            page = await render_forbidden_page(step, scope)
            if page is not None:
                await page(scope, receive, send)
                return
        await super().respond(step, request, scope, receive, send)

    def _hidden(self, step: Respond, request: AsgiRequest) -> Response | None:
        """Return the 404 that stands for a denial where the router has nothing to run."""
        decision, resolution = step.decision, request.resolution
        if resolution is None or resolution.policy is not None or decision is None:
            return None
        if step.response.status != 403 or decision.effect is not Effect.DENY:
            return None
        return problem(ProblemType.NOT_FOUND, "There is nothing here.", decision_id=decision.decision_id)

    def _routes_for(self, scope: Scope) -> RouteList | None:
        router = router_of_host(scope)
        if router is not None:
            # A middleware below keeps the router out of sight; an application has one for all its life.
            self._routes = self.route_list_class(router)
            return self._routes
        if not self._warned:
            self._warned = True
            log.warning(
                "PolicyMiddleware found no Starlette router in %r: requests are decided on METHOD /path, "
                "decorators and the routes table are not seen; wrap the application or its mount itself",
                self.app,
            )
        return None

    def check_start_up(self, scope: Scope) -> None:
        """Tell what only the complete application shows.

        Raises SettingsError when it has routes where the package serves its own pages.
        """
        app = scope.get("app")
        if isinstance(app, Starlette):
            log_remarks(start_up.around(app, self.gate.settings))
        routes = self._routes or self._routes_for(scope)
        for candidate in routes.candidates() if routes is not None else ():
            template = candidate.template
            if template is not None and self.gate.owns(template):
                raise SettingsError(
                    f"the route {template!r} lies below prefix={self.gate.settings.prefix!r}, where the "
                    "policy middleware serves its own pages; move the route or choose another prefix"
                )
