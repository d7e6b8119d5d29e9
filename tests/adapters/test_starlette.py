"""The middleware for Starlette: finding the router, verifying what ran, start-up checks."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.authentication import AuthenticationMiddleware
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.middleware.cors import CORSMiddleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import Mount, Route
from starlette.testclient import TestClient

from policy_middleware.enforcer import PolicyEnforcer
from policy_middleware.model.errors import SettingsError
from policy_middleware.routing import policy_action, policy_exempt
from policy_middleware_starlette import PolicyMiddleware
from policy_middleware_starlette.start_up import inspect

from .asgi_calls import IDENTITY, Exchange, Receive, Send, ask, http_scope
from .asgi_policies import ALLOW_ALL, DENY_ALL, MASK_ALL, SOURCES, only

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("no_blocking")]


@policy_action("document.read", resource="document:{id}")
async def read(request: Request) -> Response:
    return PlainTextResponse(f"read {request.path_params['id']}")


@policy_action("document.list")
async def listing(request: Request) -> Response:
    return JSONResponse({"email": "bea@example.com"})


@policy_exempt
async def free(request: Request) -> Response:
    return PlainTextResponse("free")


def routes() -> list[Any]:
    return [
        Route("/docs/{id}", read),
        Route("/list", listing),
        Route("/free", free),
        Mount("/sub", routes=[Route("/docs/{id}", read)]),
    ]


def options(enforcer: PolicyEnforcer, **more: Any) -> dict[str, Any]:
    return {"enforcer": enforcer, **SOURCES, **more}


def rewriting(app: Any, to: str, copies: bool) -> Any:
    """Return a middleware that sends every request to another path."""

    async def rewritten(scope: Any, receive: Receive, send: Send) -> None:
        if copies:
            scope = {**scope, "path": to}
        else:
            scope["path"] = to
        await app(scope, receive, send)

    return rewritten


async def test_it_finds_the_router_wherever_it_is_installed(enforcer: PolicyEnforcer) -> None:
    enforcer.publish("acme", only("allow", {"action": "document.read"}))
    added = Starlette(routes=routes())
    added.add_middleware(PolicyMiddleware, **options(enforcer))
    listed = Starlette(routes=routes(), middleware=[Middleware(PolicyMiddleware, **options(enforcer))])
    wrapped = PolicyMiddleware(Starlette(routes=routes()), **options(enforcer))
    outermost = Starlette(routes=routes(), middleware=[Middleware(GZipMiddleware)])
    outermost.add_middleware(PolicyMiddleware, **options(enforcer))
    for app in (added, listed, wrapped, outermost):
        assert (await ask(app, "/docs/7")).body == b"read 7"
        assert (await ask(app, "/sub/docs/7")).body == b"read 7"
        assert (await ask(app, "/list")).status == 403


async def test_as_the_middleware_of_a_mount_it_decides_what_is_mounted(enforcer: PolicyEnforcer) -> None:
    enforcer.publish("acme", only("allow", {"action": "document.read", "http.route": "/docs/{id}"}))
    guard = Middleware(PolicyMiddleware, **options(enforcer))
    app = Starlette(
        routes=[Mount("/api", routes=routes(), middleware=[guard]), Route("/open", listing)],
    )
    assert (await ask(app, "/api/docs/7")).body == b"read 7"
    assert (await ask(app, "/api/list")).status == 403
    assert (await ask(app, "/open")).status == 200


async def test_around_a_foreign_application_it_decides_on_paths_and_says_so(
    enforcer: PolicyEnforcer, caplog: pytest.LogCaptureFixture
) -> None:
    enforcer.publish("acme", only("allow", {"action": "GET /docs/7"}))
    foreign = PolicyMiddleware(PlainTextResponse("foreign"), **options(enforcer))
    app = Starlette(routes=[Mount("/api", app=foreign)])
    with caplog.at_level(logging.WARNING, logger="policy_middleware"):
        assert (await ask(app, "/api/docs/7")).body == b"foreign"
        assert (await ask(app, "/api/docs/8")).status == 403
    assert caplog.text.count("found no Starlette router") == 1


@pytest.mark.parametrize("copies", [True, False], ids=["copied scope", "same scope"])
async def test_a_route_that_was_not_decided_on_does_not_answer(
    enforcer: PolicyEnforcer, copies: bool, caplog: pytest.LogCaptureFixture
) -> None:
    enforcer.publish("acme", only("allow", {"action": "document.read"}))
    app = Starlette(routes=routes())
    app.add_middleware(rewriting, to="/list", copies=copies)
    app.add_middleware(PolicyMiddleware, **options(enforcer))
    with caplog.at_level(logging.ERROR, logger="policy_middleware"):
        exchange = await ask(app, "/docs/7")
    assert exchange.status == 500
    assert b"bea@example.com" not in exchange.body
    assert "held back" in caplog.text


async def test_an_exempt_route_does_not_lend_its_exemption(enforcer: PolicyEnforcer) -> None:
    enforcer.publish("acme", DENY_ALL)
    app = Starlette(routes=routes())
    app.add_middleware(rewriting, to="/list", copies=False)
    app.add_middleware(PolicyMiddleware, **options(enforcer))
    for path in ("/free", "/healthz"):
        exchange = await ask(app, path)
        assert exchange.status == 500
        assert b"bea@example.com" not in exchange.body


async def test_a_masked_route_that_was_not_decided_on_does_not_answer(enforcer: PolicyEnforcer) -> None:
    enforcer.publish("acme", MASK_ALL)
    app = Starlette(routes=routes())
    app.add_middleware(rewriting, to="/list", copies=False)
    app.add_middleware(PolicyMiddleware, **options(enforcer))
    assert (await ask(app, "/docs/7")).status == 500


async def test_observing_only_reports_another_route(
    enforcer: PolicyEnforcer, caplog: pytest.LogCaptureFixture
) -> None:
    app = Starlette(routes=routes())
    app.add_middleware(rewriting, to="/list", copies=False)
    app.add_middleware(PolicyMiddleware, **options(enforcer, mode="observe"))
    with caplog.at_level(logging.ERROR, logger="policy_middleware"):
        assert (await ask(app, "/docs/7")).status == 200
    assert "document" in caplog.text or "docs" in caplog.text


async def test_middlewares_that_keep_the_scope_may_stand_inside(enforcer: PolicyEnforcer) -> None:
    class Inside(BaseHTTPMiddleware):
        async def dispatch(self, request: Request, call_next: Any) -> Response:
            return await call_next(request)  # type: ignore[no-any-return]

    app = Starlette(routes=routes())
    app.add_middleware(GZipMiddleware)
    app.add_middleware(Inside)
    app.add_middleware(PolicyMiddleware, **options(enforcer))
    assert (await ask(app, "/docs/7")).body == b"read 7"


async def test_a_redirect_and_an_error_of_an_inner_middleware_pass(enforcer: PolicyEnforcer) -> None:
    def limiter(app: Any) -> Any:
        return PlainTextResponse("slow down", status_code=429)

    app = Starlette(routes=routes())
    app.add_middleware(limiter)
    app.add_middleware(PolicyMiddleware, **options(enforcer))
    assert (await ask(app, "/docs/7")).status == 429


async def test_cors_inside_is_warned_of_and_cors_outside_answers_preflights(
    enforcer: PolicyEnforcer, caplog: pytest.LogCaptureFixture
) -> None:
    enforcer.publish("acme", DENY_ALL)
    cors: dict[str, Any] = {"allow_origins": ["https://example.com"], "allow_methods": ["GET"]}
    preflight = [(b"origin", b"https://example.com"), (b"access-control-request-method", b"GET")]
    outside = Starlette(routes=routes())
    outside.add_middleware(PolicyMiddleware, **options(enforcer))
    outside.add_middleware(CORSMiddleware, **cors)
    exchange = await ask(outside, "/docs/7", "OPTIONS", headers=preflight)
    assert exchange.status == 200
    denied = await ask(outside, "/docs/7", headers=[*IDENTITY, preflight[0]])
    assert denied.status == 403
    assert denied.headers(b"access-control-allow-origin") == [b"https://example.com"]
    assert "CORS" not in caplog.text
    inside = Starlette(routes=routes())
    inside.add_middleware(CORSMiddleware, **cors)
    inside.add_middleware(PolicyMiddleware, **options(enforcer))
    with caplog.at_level(logging.WARNING, logger="policy_middleware"):
        assert (await ask(inside, "/docs/7", "OPTIONS", headers=preflight)).status == 401
    assert "CORSMiddleware is installed inside" in caplog.text


def test_a_route_below_the_packages_own_prefix_stops_the_start(enforcer: PolicyEnforcer) -> None:
    app = Starlette(routes=[*routes(), Route("/_policy/mine", listing)])
    app.add_middleware(PolicyMiddleware, **options(enforcer))
    with pytest.raises(SettingsError, match="/_policy/mine"), TestClient(app):
        pass


def test_a_catch_all_route_is_no_route_below_the_prefix(enforcer: PolicyEnforcer) -> None:
    app = Starlette(routes=[Route("/{path:path}", listing), Route("/_policyholders", listing)])
    app.add_middleware(PolicyMiddleware, **options(enforcer))
    with TestClient(app) as client:
        headers = {name.decode(): value.decode() for name, value in IDENTITY}
        assert client.get("/_policyholders", headers=headers).status_code == 200
        assert client.get("/_policy/x", headers=headers).status_code == 404


async def test_a_custom_source_receives_a_routed_request(enforcer: PolicyEnforcer) -> None:
    seen: list[Any] = []

    def owner(request: Request) -> str:
        seen.append((request.path_params, request.url.path, request.headers["x-user"]))
        return "bea"

    enforcer.publish("acme", only("allow", {"context.owner": "bea"}))
    app = Starlette(routes=routes())
    app.add_middleware(PolicyMiddleware, **options(enforcer, attributes={"context.owner": owner}))
    assert (await ask(app, "/docs/7")).status == 200
    assert seen == [({"id": "7"}, "/docs/7", "bea")]


async def test_a_custom_source_cannot_eat_the_body(enforcer: PolicyEnforcer) -> None:
    async def greedy(request: Request) -> str:
        return (await request.body()).decode()

    app = Starlette(routes=routes())
    app.add_middleware(PolicyMiddleware, **options(enforcer, attributes={"context.body": greedy}))
    assert (await ask(app, "/docs/7")).status == 503


@pytest.mark.parametrize("kind", ["async", "sync", "object"])
async def test_the_forbidden_page_keeps_status_and_decision(enforcer: PolicyEnforcer, kind: str) -> None:
    enforcer.publish("acme", DENY_ALL)

    async def asynchronous(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        return HTMLResponse(f"<h1>{error.detail}</h1>", 200)

    def synchronous(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        return HTMLResponse(f"<h1>{error.detail}</h1>", 200)

    class Callable:
        async def __call__(self, request: Request, error: Exception) -> Response:
            return await asynchronous(request, error)

    handler: Any = {"async": asynchronous, "sync": synchronous, "object": Callable()}[kind]
    app = Starlette(routes=routes(), exception_handlers={403: handler})
    app.add_middleware(PolicyMiddleware, **options(enforcer))
    exchange = await ask(app, "/docs/7", headers=[*IDENTITY, (b"accept", b"text/html")])
    assert exchange.status == 403
    assert exchange.body.startswith(b"<h1>")
    assert len(exchange.headers(b"x-policy-decision-id")) == 1
    assert exchange.headers(b"cache-control") == [b"no-store"]


async def test_a_404_instead_of_a_denial_names_its_decision_but_no_reason(enforcer: PolicyEnforcer) -> None:
    enforcer.publish("acme", only("deny", {}, default="deny"))
    app = Starlette(routes=routes())
    app.add_middleware(PolicyMiddleware, **options(enforcer))
    exchange = await ask(app, "/nothing")
    assert exchange.status == 404
    assert b"Because" not in exchange.body
    assert len(exchange.headers(b"x-policy-decision-id")) == 1


async def test_a_websocket_rewritten_to_another_route_is_not_accepted(enforcer: PolicyEnforcer) -> None:
    from starlette.routing import WebSocketRoute
    from starlette.websockets import WebSocket

    async def secret(websocket: WebSocket) -> None:
        await websocket.accept()
        await websocket.send_text("secret")

    async def harmless(websocket: WebSocket) -> None:
        await websocket.accept()

    app = Starlette(routes=[WebSocketRoute("/secret", secret), WebSocketRoute("/harmless", harmless)])
    app.add_middleware(rewriting, to="/secret", copies=False)
    app.add_middleware(PolicyMiddleware, **options(enforcer))
    scope = {**http_scope("/harmless"), "type": "websocket"}
    exchange = Exchange({"type": "websocket.connect"})
    await app(scope, exchange.receive, exchange.send)
    assert [message["type"] for message in exchange.sent] == ["websocket.close"]


def test_testclient_without_lifespan_works(enforcer: PolicyEnforcer) -> None:
    enforcer.publish("acme", ALLOW_ALL)
    app = Starlette(routes=routes())
    app.add_middleware(PolicyMiddleware, **options(enforcer))
    headers = {name.decode(): value.decode() for name, value in IDENTITY}
    assert TestClient(app).get("/docs/7", headers=headers).text == "read 7"


@pytest.mark.parametrize(("status", "answered"), [(401, 401), (307, 307), (200, 500)])
async def test_a_middleware_of_a_mount_may_refuse_by_itself_but_not_answer(
    enforcer: PolicyEnforcer, status: int, answered: int
) -> None:
    def refusing(app: Any) -> Any:
        async def answer(scope: Any, receive: Receive, send: Send) -> None:
            await PlainTextResponse("by itself", status)(scope, receive, send)

        answer.app = app  # type: ignore[attr-defined]  # where middlewares keep what they wrap
        return answer

    mount = Mount("/area", routes=[Route("/docs/{id}", read)], middleware=[Middleware(refusing)])
    app = Starlette(routes=[mount])
    app.add_middleware(PolicyMiddleware, **options(enforcer))
    enforcer.publish("acme", ALLOW_ALL)
    exchange = await ask(app, "/area/docs/7")
    assert exchange.status == answered


class CacheMiddleware:
    def __init__(self, app: Any) -> None:
        self.app = app

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        await self.app(scope, receive, send)


class BrotliMiddleware(CacheMiddleware):
    pass


AUTHENTICATION = (AuthenticationMiddleware, {"backend": None})


@pytest.mark.parametrize(
    ("outside", "inside", "more", "says"),
    [
        ([], [(CORSMiddleware, {})], {}, "CORSMiddleware is installed inside"),
        ([], [(GZipMiddleware, {})], {}, "GZipMiddleware is installed inside"),
        ([], [(BrotliMiddleware, {})], {}, "BrotliMiddleware is installed inside"),
        ([], [AUTHENTICATION], {"subject": None}, "AuthenticationMiddleware is installed inside"),
        ([], [(CacheMiddleware, {})], {}, "CacheMiddleware is installed inside"),
        ([(CacheMiddleware, {})], [], {}, "CacheMiddleware is installed outside"),
        ([(CORSMiddleware, {}), (GZipMiddleware, {}), AUTHENTICATION], [AUTHENTICATION], {}, None),
    ],
)
def test_a_middleware_on_the_wrong_side_is_told_at_start_up_and_by_the_doctor(
    enforcer: PolicyEnforcer,
    caplog: pytest.LogCaptureFixture,
    outside: list[Any],
    inside: list[Any],
    more: dict[str, Any],
    says: str | None,
) -> None:
    app = Starlette(routes=routes())
    for kind, keywords in inside:
        app.add_middleware(kind, **keywords)
    app.add_middleware(PolicyMiddleware, **options(enforcer, trusted_proxies="192.0.2.7", **more))
    for kind, keywords in outside:
        app.add_middleware(kind, **keywords)
    with caplog.at_level(logging.WARNING, logger="policy_middleware"), TestClient(app):
        pass
    told = [message for message in caplog.messages if "Middleware" in message]
    seen = [str(remark) for remark in inspect(app) if "Middleware" in str(remark)]
    assert len(told) == len(seen) == (says is not None)
    assert says is None or (says in told[0] and says in seen[0])


def test_debug_pages_are_told_at_start_up(enforcer: PolicyEnforcer, caplog: pytest.LogCaptureFixture) -> None:
    app = Starlette(debug=True, routes=routes())
    app.add_middleware(PolicyMiddleware, **options(enforcer))
    with caplog.at_level(logging.WARNING, logger="policy_middleware"), TestClient(app):
        pass
    assert "debug mode" in caplog.text


def test_an_application_without_the_middleware_is_told_by_the_doctor() -> None:
    (remark,) = inspect(Starlette(routes=routes()))
    assert "nothing outside its mounts is decided" in str(remark)
