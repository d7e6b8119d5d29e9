"""The same small application in every framework, bare and with a policy, called in process."""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from dataclasses import dataclass
from typing import Any, Final

from policy_middleware import PolicyEnforcer
from policy_middleware.attributes import header

RULES: Final = 30
ROUTES: Final = 4
ACTION: Final = "document.read"
PATH: Final = "/area2/documents/42"
"""One of `ROUTES` routes, which Starlette and FastAPI try in order: the request matches the third."""

IDENTITY: Final = {"x-tenant-id": "acme", "x-user": "ana", "x-roles": "role0"}
OTHER_HEADERS: Final = {
    "host": "localhost",
    "user-agent": "benchmark",
    "accept": "application/json",
    "accept-encoding": "gzip, deflate",
    "connection": "keep-alive",
}

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
AsgiApplication = Callable[
    [Scope, Callable[[], Awaitable[Message]], Callable[[Message], Awaitable[None]]], Awaitable[None]
]
WsgiApplication = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


@dataclass(frozen=True, slots=True)
class Application:
    """One application; `run` sends it equal requests and raises when one is not answered by 200."""

    run: Callable[[int], None]


def policy_document(reason: str) -> str:
    """Return a document of 30 rules of which the last allows the request."""
    effects: tuple[dict[str, object], ...] = (
        {"effect": "deny"},
        {"effect": "require_approval", "approval": {"approvers": {"role": "dpo"}}},
        {"effect": "allow"},
    )
    rules: list[dict[str, object]] = [
        {
            "id": f"rule-{number}",
            "when": {"role": f"role{number % 8}", "action": {"in": [f"area.{number}", f"area.{number + 1}"]}},
            **effects[number % 3],
            "reason": f"Rule {number}.",
        }
        for number in range(RULES - 1)
    ]
    rules.append({"id": "reads", "when": {"action": ACTION}, "effect": "allow", "reason": reason})
    return json.dumps({"schema": 1, "default": "deny", "rules": rules})


def sources(enforcer: PolicyEnforcer) -> dict[str, Any]:
    """Return the settings every framework is given."""
    return {
        "enforcer": enforcer,
        "tenant": header("X-Tenant-ID"),
        "subject": header("X-User"),
        "roles": header("X-Roles"),
        "routes": {
            f"/area{number}/documents/{{document_id}}": {
                "action": ACTION,
                "resource": "document:{document_id}",
            }
            for number in range(ROUTES)
        },
    }


def starlette(enforcer: PolicyEnforcer | None) -> Application:
    """Build the Starlette application."""
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import JSONResponse
    from starlette.routing import Route

    from policy_middleware_starlette import PolicyMiddleware

    async def read(request: Request) -> JSONResponse:
        return JSONResponse({"id": request.path_params["document_id"]})

    app = Starlette(routes=[Route(f"/area{n}/documents/{{document_id}}", read) for n in range(ROUTES)])
    if enforcer is not None:
        app.add_middleware(PolicyMiddleware, **sources(enforcer))
    return _asgi(app)


def fastapi(enforcer: PolicyEnforcer | None) -> Application:
    """Build the FastAPI application."""
    from fastapi import FastAPI

    from policy_middleware_fastapi import PolicyMiddleware

    app = FastAPI()

    async def read(document_id: str) -> dict[str, str]:
        return {"id": document_id}

    for number in range(ROUTES):
        app.get(f"/area{number}/documents/{{document_id}}")(read)
    if enforcer is not None:
        app.add_middleware(PolicyMiddleware, **sources(enforcer))
    return _asgi(app)


def flask(enforcer: PolicyEnforcer | None) -> Application:
    """Build the Flask application."""
    from flask import Flask

    from policy_middleware_flask import PolicyMiddleware

    app = Flask(__name__)

    def read(document_id: str) -> dict[str, str]:
        return {"id": document_id}

    for number in range(ROUTES):
        app.add_url_rule(f"/area{number}/documents/<document_id>", endpoint=f"read{number}", view_func=read)
    if enforcer is not None:
        app.config.update({f"POLICY_{name.upper()}": value for name, value in sources(enforcer).items()})
        PolicyMiddleware(app)
    return _wsgi(app.wsgi_app)


def django(enforcer: PolicyEnforcer | None) -> Application:
    """Build the Django application; both share a process, so each takes its settings at construction."""
    import sys
    import types

    from django.conf import settings
    from django.http import HttpRequest, JsonResponse
    from django.urls import path

    def read(request: HttpRequest, document_id: str) -> JsonResponse:
        return JsonResponse({"id": document_id})

    urls = types.ModuleType("benchmarks_urls")
    urls.__dict__["urlpatterns"] = [path(f"area{n}/documents/<str:document_id>", read) for n in range(ROUTES)]
    sys.modules[urls.__name__] = urls
    if not settings.configured:
        import django as framework

        settings.configure(
            SECRET_KEY="benchmark", ALLOWED_HOSTS=["*"], ROOT_URLCONF=urls.__name__, USE_TZ=True
        )
        framework.setup()
    from django.core.handlers.wsgi import WSGIHandler
    from django.test import override_settings

    policed: dict[str, object] = {}
    if enforcer is not None:
        policed = {
            "MIDDLEWARE": ["policy_middleware_django.PolicyMiddleware"],
            "POLICY_MIDDLEWARE": {name.upper(): value for name, value in sources(enforcer).items()},
        }
    override = override_settings(**policed)
    override.enable()
    handler = WSGIHandler()
    if enforcer is None:
        override.disable()
    return _wsgi(handler)


def _asgi(app: AsgiApplication) -> Application:
    headers = [(name.encode(), value.encode()) for name, value in {**OTHER_HEADERS, **IDENTITY}.items()]
    statuses: list[int] = []
    request: Message = {"type": "http.request", "body": b"", "more_body": False}

    async def receive() -> Message:
        return request

    async def send(message: Message) -> None:
        if message["type"] == "http.response.start":
            statuses.append(message["status"])

    async def requests(count: int) -> None:
        for _ in range(count):
            scope: Scope = {
                "type": "http",
                "asgi": {"version": "3.0", "spec_version": "2.4"},
                "http_version": "1.1",
                "method": "GET",
                "scheme": "http",
                "path": PATH,
                "raw_path": PATH.encode(),
                "query_string": b"",
                "root_path": "",
                "headers": headers,
                "client": ("127.0.0.1", 50000),
                "server": ("127.0.0.1", 8000),
                "state": {},
            }
            await app(scope, receive, send)

    def run(count: int) -> None:
        statuses.clear()
        asyncio.run(requests(count))
        _check(statuses, count)

    return Application(run)


def _wsgi(app: WsgiApplication) -> Application:
    template = {
        "REQUEST_METHOD": "GET",
        "SCRIPT_NAME": "",
        "PATH_INFO": PATH,
        "QUERY_STRING": "",
        "SERVER_NAME": "localhost",
        "SERVER_PORT": "8000",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": "127.0.0.1",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.multithread": True,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
        **{
            f"HTTP_{name.upper().replace('-', '_')}": value
            for name, value in {**OTHER_HEADERS, **IDENTITY}.items()
        },
    }
    statuses: list[int] = []

    def start_response(status: str, headers: object, exc_info: object = None) -> None:
        statuses.append(int(status[:3]))

    def run(count: int) -> None:
        statuses.clear()
        for _ in range(count):
            answer = app(
                {**template, "wsgi.input": io.BytesIO(), "wsgi.errors": io.StringIO()}, start_response
            )
            for _chunk in answer:
                pass
            close = getattr(answer, "close", None)
            if close is not None:
                close()
        _check(statuses, count)

    return Application(run)


def _check(statuses: list[int], count: int) -> None:
    if statuses != [200] * count:
        raise RuntimeError(f"expected {count} answers by 200, got {sorted(set(statuses))} ({len(statuses)})")
