"""A service with an inbox, on an ASGI server and on a WSGI server, both in this process."""

from __future__ import annotations

import json
import threading
import urllib.error
import urllib.request
import wsgiref.simple_server
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from socketserver import ThreadingMixIn
from typing import Any

import uvicorn
from fastapi import FastAPI, Request
from flask import Flask
from flask import Request as FlaskRequest

from policy_middleware import policy_action
from policy_middleware.approvals import Approver
from policy_middleware.attributes import header
from policy_middleware.enforcer import PolicyEnforcer
from policy_middleware_fastapi import PolicyMiddleware
from policy_middleware_flask import PolicyMiddleware as FlaskPolicyMiddleware
from tests.servers import free_port
from tests.waiting import eventually

SOURCES = {"tenant": header("X-Tenant-ID"), "subject": header("X-User"), "roles": header("X-Roles")}


def policy(*, required: int = 1, expires_in: str = "1h") -> dict[str, Any]:
    """Return a document that asks for approval of refunds."""
    rule = {
        "id": "refunds",
        "when": {"action": "refund.create"},
        "effect": "require_approval",
        "reason": "Refunds over 500 EUR need finance.",
        "approval": {"approvers": {"role": "finance"}, "required": required, "expires_in": expires_in},
    }
    mask = {
        "id": "support",
        "when": {"role": "support"},
        "effect": "mask",
        "reason": "Support sees masked data.",
        "mask": {"fields": {"customer.iban": "redact"}},
    }
    return {"schema": 1, "default": "allow", "rules": [rule, mask]}


@dataclass(frozen=True)
class Service:
    """Where it listens, and what decides there."""

    url: str
    enforcer: PolicyEnforcer

    def ask(self, user: str = "ana", approval_id: str | None = None, amount: int = 1240) -> tuple[int, Any]:
        """Ask for a refund; return the status and the body."""
        headers = {
            "X-Tenant-ID": "acme",
            "X-User": user,
            "X-Roles": "clerk",
            "Content-Type": "application/json",
            **({"X-Approval-Id": approval_id} if approval_id else {}),
        }
        body = json.dumps({"amount": amount, "iban": "DE02120300000000202051"}).encode()
        request = urllib.request.Request(f"{self.url}/refunds/c-88", body, headers)
        try:
            with urllib.request.urlopen(request, timeout=30) as response:
                return response.status, json.load(response)
        except urllib.error.HTTPError as error:
            with error:
                return error.code, json.load(error)

    def park(self, user: str = "ana", amount: int = 1240) -> str:
        """Ask for a refund that waits; return the approval's id."""
        status, answer = self.ask(user, amount=amount)
        assert status == 202, answer
        return str(answer["task"]["id"])


def signed_in(cookies: Any) -> Approver | None:
    """Stand in for the host application's session."""
    user = cookies.get("user")
    return Approver(user, ("finance",), tenants=("acme",)) if user else None


@contextmanager
def on_asgi(enforcer: PolicyEnforcer) -> Iterator[Service]:
    """Serve by FastAPI under uvicorn."""

    def approver(request: Request) -> Approver | None:
        return signed_in(request.cookies)

    app = FastAPI()
    app.add_middleware(PolicyMiddleware, enforcer=enforcer, approver=approver, **SOURCES)

    @app.post("/refunds/{customer}")
    @policy_action("refund.create", resource="customer:{customer}")
    def refund(customer: str) -> dict[str, str]:
        return {"refunded": customer}

    port = free_port()
    server = uvicorn.Server(
        uvicorn.Config(app, host="127.0.0.1", port=port, log_level="error", timeout_graceful_shutdown=1)
    )
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        eventually(lambda: server.started, timeout=30)
        yield Service(f"http://127.0.0.1:{port}", enforcer)
    finally:
        server.should_exit = True
        thread.join(20)


class _ThreadingServer(ThreadingMixIn, wsgiref.simple_server.WSGIServer):
    daemon_threads = True


class _Handler(wsgiref.simple_server.WSGIRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def on_wsgi(enforcer: PolicyEnforcer) -> Iterator[Service]:
    """Serve by Flask under wsgiref."""

    def approver(request: FlaskRequest) -> Approver | None:
        return signed_in(request.cookies)

    app = Flask(__name__)

    @app.post("/refunds/<customer>")
    @policy_action("refund.create", resource="customer:{customer}")
    def refund(customer: str) -> dict[str, str]:
        return {"refunded": customer}

    FlaskPolicyMiddleware(app, enforcer=enforcer, approver=approver, **SOURCES)
    with wsgiref.simple_server.make_server("127.0.0.1", 0, app, _ThreadingServer, _Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        yield Service(f"http://127.0.0.1:{server.server_port}", enforcer)
        server.shutdown()
        thread.join()
