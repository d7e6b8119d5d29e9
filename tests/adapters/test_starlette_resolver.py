"""The resolver says what the router will do: compared with the real router, request by request."""

from __future__ import annotations

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
from starlette.routing import BaseRoute, Host, Mount, Route, Router, WebSocketRoute
from starlette.websockets import WebSocket

from policy_middleware.asgi import Resolution
from policy_middleware_fastapi.middleware import FastAPIRouteResolver
from policy_middleware_starlette.resolver import RouteResolver, what_ran_instead
from policy_middleware_starlette.routers import FoundRouter, router_below

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


def compare(app: Any, resolver: RouteResolver, ran: Ran, scope: dict[str, Any]) -> Resolution:
    found = router_below(app)
    assert found is not None
    before = dict(scope)
    resolution = resolver.resolve(found, scope)
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
    compare(app, RouteResolver({}), ran, http_scope(full, method, headers=[(b"host", host)], root_path=root))


@settings(max_examples=200, deadline=None)
@given(path=PATHS, method=METHODS, root=ROOTS, below=st.booleans())
def test_fastapi_runs_what_was_resolved(path: str, method: str, root: str, below: bool) -> None:
    ran: Ran = []
    app = fastapi_app(ran)
    full = root.rstrip("/") + path if below else path
    compare(app, FastAPIRouteResolver({}), ran, http_scope(full, method, root_path=root))


def template_of(app: Any, resolver: RouteResolver, path: str, method: str = "GET") -> str | None:
    found = router_below(app)
    assert found is not None
    policy = resolver.resolve(found, http_scope(path, method)).policy
    return None if policy is None else policy.template


def test_templates_hold_the_prefixes_of_mounts_and_included_routers() -> None:
    app, resolver = starlette_app([]), RouteResolver({})
    assert template_of(app, resolver, "/a/1/b") == "/a/{n}/b"
    assert template_of(app, resolver, "/m/b/3") == "/m/b/{n}"
    assert template_of(app, resolver, "/f/anything/else") == "/f/{path}"
    assert template_of(app, resolver, "/b") == "/b"
    included, resolver = fastapi_app([]), FastAPIRouteResolver({})
    assert template_of(included, resolver, "/m/b/7/b") == "/m/b/{x}/b"
    assert template_of(included, resolver, "/m/b/deep/a", "POST") == "/m/b/deep/a"
    assert template_of(included, resolver, "/f/a/9") == "/f/a/{x}"
    assert template_of(included, resolver, "/wrapped/view/9") == "/wrapped/view/{x}"
    assert template_of(included, resolver, "/openapi.json") == "/openapi.json"


def test_the_rest_of_a_foreign_mounts_path_is_its_parameter() -> None:
    found = router_below(starlette_app([]))
    assert found is not None
    resolution = RouteResolver({}).resolve(found, http_scope("/f/static/app.js"))
    assert resolution.opaque
    assert resolution.policy is not None
    assert resolution.policy.resource_id_of(resolution.path_params) == "static/app.js"


def test_a_route_added_while_running_is_found() -> None:
    app, resolver = starlette_app([]), RouteResolver({})
    assert template_of(app, resolver, "/late") is None
    app.router.routes.insert(0, Route("/late", endpoint("late", [])))
    assert template_of(app, resolver, "/late") == "/late"


def test_a_route_added_to_an_included_router_is_found() -> None:
    app, router, resolver = FastAPI(), APIRouter(), FastAPIRouteResolver({})
    app.include_router(router, prefix="/v1")
    assert template_of(app, resolver, "/v1/late") is None
    router.add_api_route("/late", lambda: None)
    assert template_of(app, resolver, "/v1/late") == "/v1/late"


def test_made_up_methods_do_not_fill_the_memory() -> None:
    resolver = RouteResolver({})
    app = starlette_app([])
    for number in range(50):
        assert template_of(app, resolver, "/view/x", f"M{number}") == "/view/{x}"
    assert len(resolver._policies) == 0


def test_websockets_are_resolved_apart_from_http() -> None:
    async def socket(websocket: WebSocket) -> None:
        return None

    found = FoundRouter([Route("/x", endpoint("x", [])), WebSocketRoute("/x", socket)])
    scope = {**http_scope("/x"), "type": "websocket"}
    resolution = RouteResolver({}).resolve(found, scope)
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
    resolution = compare(app, FastAPIRouteResolver({}), ran, http_scope("/sub/a"))
    assert resolution.policy is not None
    assert resolution.policy.template == "/sub/a"
