"""The resolver says what the router will do: compared with the real router, request by request."""

from __future__ import annotations

import re
from typing import Any

import anyio
import pytest
from fastapi import APIRouter, FastAPI
from fastapi.exceptions import FastAPIDeprecationWarning
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.applications import Starlette
from starlette.endpoints import HTTPEndpoint
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import BaseRoute, Host, Match, Mount, Route, Router, WebSocketRoute
from starlette.websockets import WebSocket

from policy_middleware.asgi import Resolution
from policy_middleware_fastapi.middleware import IncludingRouteList
from policy_middleware_starlette.resolver import RouteResolver, what_ran_instead
from policy_middleware_starlette.route_list import RouteList

from .asgi_calls import Exchange, http_scope

Ran = list[tuple[str, dict[str, Any]]]


def endpoint(name: str, ran: Ran) -> Any:
    async def handler(request: Request) -> Response:
        ran.append((name, dict(request.path_params)))
        return PlainTextResponse(name)

    handler.__name__ = name
    return handler


def view(name: str, ran: Ran) -> type[HTTPEndpoint]:
    class View(HTTPEndpoint):
        async def get(self, request: Request) -> Response:
            ran.append((name, dict(request.path_params)))
            return PlainTextResponse(name)

    return View


def foreign(name: str, ran: Ran) -> Any:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        ran.append((name, {}))
        await PlainTextResponse(name)(scope, receive, send)

    return app


def starlette_app(ran: Ran) -> Starlette:
    inner = Starlette(
        routes=[Route("/", endpoint("inner-root", ran)), Route("/b/{n:int}", endpoint("inner-b", ran))]
    )
    routes: list[BaseRoute] = [
        Host("api.example.com", Router([Route("/a", endpoint("host-a", ran))])),
        Route("/a", endpoint("a", ran)),
        Route("/a", endpoint("post-a", ran), methods=["POST", "PUT"]),
        Route("/a/{x}", endpoint("a-x", ran)),
        Route("/a/{n:int}/b", endpoint("a-n-b", ran)),
        Route("/a/b/", endpoint("slashed", ran)),
        Route("/view/{x}", view("view", ran)),
        Mount("/m", app=inner),
        Mount("/m/{x}", routes=[Route("/a", endpoint("mount-x-a", ran), methods=["GET", "DELETE"])]),
        Mount("/f", app=foreign("foreign", ran)),
        Mount("/f/deep", routes=[Mount("/b", routes=[Route("/{p:path}", endpoint("path", ran))])]),
        Mount("/wrapped", app=_Wrapping(inner)),
        Mount("", routes=[Route("/b", endpoint("in-empty-mount", ran))]),
    ]
    return Starlette(routes=routes)


class _Wrapping:
    """A middleware that keeps what it wraps under a name of its own."""

    def __init__(self, app: Any) -> None:
        self.inner_application = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await self.inner_application(scope, receive, send)


def fastapi_app(ran: Ran) -> FastAPI:
    def add(router: Any, path: str, name: str, methods: list[str]) -> None:
        async def handler(request: Request) -> Response:
            ran.append((name, dict(request.path_params)))
            return PlainTextResponse(name)

        router.add_api_route(path, handler, methods=methods, response_model=None)

    app = FastAPI(telemetry={"tracing": False, "metrics": False, "logs": False})
    deepest, middle, top = APIRouter(), APIRouter(prefix="/b"), APIRouter()
    add(deepest, "/{x}", "deepest-x", ["GET"])
    add(deepest, "/a", "deepest-a", ["POST"])
    add(middle, "/{x}/b", "middle", ["GET", "DELETE"])
    middle.include_router(deepest, prefix="/deep")
    add(top, "/a", "included-a", ["POST"])
    add(app, "/a", "a", ["GET"])
    app.include_router(top)
    app.include_router(middle, prefix="/m")
    app.include_router(deepest)
    mounted = FastAPI(telemetry={"tracing": False, "metrics": False, "logs": False})
    add(mounted, "/a/{x}", "mounted", ["GET"])
    app.mount("/f", mounted)
    holder = APIRouter()
    holder.routes.append(Mount("/view", routes=[Route("/{x}", endpoint("mount-in-router", ran))]))
    app.include_router(holder, prefix="/wrapped")
    return app


SEGMENTS = st.sampled_from(["a", "b", "m", "f", "deep", "view", "wrapped", "1", "22", "x y", "", "é"])
PATHS = st.lists(SEGMENTS, min_size=0, max_size=4).map(lambda segments: "/" + "/".join(segments))
METHODS = st.sampled_from(["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "FOO"])
HOSTS = st.sampled_from([b"testserver", b"api.example.com", b"API.example.com:80", b"a b"])
ROOTS = st.sampled_from(["", "/root", "/a", "/"])


def routes_of(app: Any) -> RouteList:
    found = (IncludingRouteList if isinstance(app, FastAPI) else RouteList).below(app)
    assert found is not None
    return found


def compare(app: Any, ran: Ran, scope: dict[str, Any]) -> Resolution:
    before = dict(scope)
    resolution = RouteResolver({}).resolve(routes_of(app), scope)
    assert scope == before, "matching left something in the scope"
    exchange = Exchange()
    ran.clear()
    anyio.run(app, scope, exchange.receive, exchange.send)
    status = exchange.status
    assert status is not None
    assert what_ran_instead(resolution, scope, status) is None
    if resolution.policy is None:
        assert ran == []
    else:
        assert scope["endpoint"] is resolution.endpoint or resolution.opaque
        if ran and not resolution.opaque:
            assert ran[0][1] == resolution.path_params
    return resolution


@settings(max_examples=200, deadline=None)
@given(path=PATHS, method=METHODS, host=HOSTS, root=ROOTS, below=st.booleans())
def test_starlette_runs_what_was_resolved(
    path: str, method: str, host: bytes, root: str, below: bool
) -> None:
    ran: Ran = []
    app = starlette_app(ran)
    full = root.rstrip("/") + path if below else path
    compare(app, ran, http_scope(full, method, headers=[(b"host", host)], root_path=root))


@settings(max_examples=200, deadline=None)
@given(path=PATHS, method=METHODS, root=ROOTS, below=st.booleans())
def test_fastapi_runs_what_was_resolved(path: str, method: str, root: str, below: bool) -> None:
    ran: Ran = []
    app = fastapi_app(ran)
    full = root.rstrip("/") + path if below else path
    compare(app, ran, http_scope(full, method, root_path=root))


def template_of(routes: RouteList, path: str, method: str = "GET") -> str | None:
    policy = RouteResolver({}).resolve(routes, http_scope(path, method)).policy
    return None if policy is None else policy.template


def test_templates_hold_the_prefixes_of_mounts_and_included_routers() -> None:
    routes = routes_of(starlette_app([]))
    assert template_of(routes, "/a/1/b") == "/a/{n}/b"
    assert template_of(routes, "/m/b/3") == "/m/b/{n}"
    assert template_of(routes, "/f/anything/else") == "/f/{path}"
    assert template_of(routes, "/b") == "/b"
    routes = routes_of(fastapi_app([]))
    assert template_of(routes, "/m/b/7/b") == "/m/b/{x}/b"
    assert template_of(routes, "/m/b/deep/a", "POST") == "/m/b/deep/a"
    assert template_of(routes, "/f/a/9") == "/f/a/{x}"
    assert template_of(routes, "/wrapped/view/9") == "/wrapped/view/{x}"
    assert template_of(routes, "/openapi.json") == "/openapi.json"


def test_the_rest_of_a_foreign_mounts_path_is_its_parameter() -> None:
    resolution = RouteResolver({}).resolve(routes_of(starlette_app([])), http_scope("/f/static/app.js"))
    assert resolution.opaque
    assert resolution.policy is not None
    assert resolution.policy.resource_id_of(resolution.path_params) == "static/app.js"


def test_routes_changed_while_running_are_found() -> None:
    app = starlette_app([])
    routes = routes_of(app)
    assert template_of(routes, "/late") is None
    app.router.routes.insert(0, Route("/late", endpoint("late", [])))
    assert template_of(routes, "/late") == "/late"
    app.router.routes[0] = Route("/{other}", endpoint("other", []))
    assert template_of(routes, "/late") == "/{other}"
    app.router.routes = [Route("/replaced", endpoint("replaced", []))]
    assert template_of(routes, "/late") is None
    assert template_of(routes, "/replaced") == "/replaced"


def test_routes_added_to_included_routers_are_found() -> None:
    app, outer, inner = FastAPI(), APIRouter(), APIRouter()
    outer.include_router(inner, prefix="/inner")
    app.include_router(outer, prefix="/v1")
    routes = routes_of(app)
    assert template_of(routes, "/v1/late") is None
    outer.add_api_route("/late", lambda: None)
    assert template_of(routes, "/v1/late") == "/v1/late"
    assert template_of(routes, "/v1/inner/late") is None
    inner.add_api_route("/late", lambda: None)
    assert template_of(routes, "/v1/inner/late") == "/v1/inner/late"


def test_routes_that_match_in_their_own_way_are_asked_every_time() -> None:
    class CaseInsensitive(Route):
        def matches(self, scope: Any) -> Any:
            return super().matches({**scope, "path": scope["path"].lower()})

    by_regex = Route("/shout", endpoint("shout", []))
    by_regex.path_regex = re.compile(by_regex.path_regex.pattern, re.IGNORECASE)
    routes = RouteList(Router([CaseInsensitive("/quiet", endpoint("quiet", [])), by_regex]))
    assert template_of(routes, "/QUIET") == "/quiet"
    assert template_of(routes, "/SHOUT") == "/shout"


def test_a_custom_kind_of_route_in_fastapi_is_asked_like_any_other() -> None:
    class Teapot(BaseRoute):
        def matches(self, scope: Any) -> Any:
            return (Match.FULL, {"endpoint": self}) if scope["path"] == "/tea" else (Match.NONE, {})

    app = FastAPI()
    app.router.routes.append(Teapot())
    resolution = RouteResolver({}).resolve(routes_of(app), http_scope("/tea"))
    assert isinstance(resolution.endpoint, Teapot)
    assert resolution.policy is None


def test_made_up_methods_do_not_fill_the_memory() -> None:
    resolver, routes = RouteResolver({}), routes_of(starlette_app([]))
    for number in range(50):
        policy = resolver.resolve(routes, http_scope("/view/x", f"M{number}")).policy
        assert policy is not None
        assert policy.template == "/view/{x}"
    assert not any(candidate.known for candidate in routes.candidates())


def test_websockets_are_resolved_apart_from_http() -> None:
    async def socket(websocket: WebSocket) -> None:
        return None

    routes = RouteList(Router([Route("/x", endpoint("x", [])), WebSocketRoute("/x", socket)]))
    resolution = RouteResolver({}).resolve(routes, {**http_scope("/x"), "type": "websocket"})
    assert resolution.endpoint is socket
    assert resolution.policy is not None
    assert resolution.policy.action == "WEBSOCKET /x"


def test_a_mounted_fastapi_with_a_root_path_of_its_own_is_resolved_like_it_routes() -> None:
    ran: Ran = []
    app = FastAPI(telemetry={"tracing": False, "metrics": False, "logs": False})
    with pytest.warns(FastAPIDeprecationWarning):
        mounted = FastAPI(root_path="/sub", telemetry={"tracing": False, "metrics": False, "logs": False})

    async def handler(request: Request) -> Response:
        ran.append(("mounted", {}))
        return PlainTextResponse("x")

    mounted.add_api_route("/a", handler, response_model=None)
    app.mount("/sub", mounted)
    resolution = compare(app, ran, http_scope("/sub/a"))
    assert resolution.policy is not None
    assert resolution.policy.template == "/sub/a"
