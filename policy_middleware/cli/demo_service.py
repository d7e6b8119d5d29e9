"""The service of `policyctl demo`: a WSGI app of thirty lines, its policy, and a way to ask it in process."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from urllib.parse import parse_qs
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment
from wsgiref.util import setup_testing_defaults

TENANT: Final = "acme"

RULES: Final[tuple[Mapping[str, object], ...]] = (
    {
        "id": "large-export",
        "when": {"action": "POST /reports/export", "resource.rows": {"gte": 1000}},
        "effect": "require_approval",
        "reason": "Exports of 1000 or more records need the data protection officer.",
        "approval": {"approvers": {"role": "dpo"}},
    },
    {
        "id": "support-sees-masked",
        "when": {"role": "support", "action": {"prefix": "GET /customers"}},
        "effect": "mask",
        "reason": "Support sees masked personal data.",
        "mask": {"fields": {"email": "redact", "iban": {"operator": "partial", "show_last": 4}}},
    },
    {
        "id": "analysts-never-delete",
        "when": {"role": "analyst", "action": {"prefix": "DELETE "}},
        "effect": "deny",
        "reason": "Analysts never delete customers.",
    },
    {
        "id": "analysts-work",
        "when": {"role": "analyst", "action": {"in": ["GET /customers/c1", "POST /reports/export"]}},
        "effect": "allow",
        "reason": "Analysts read and export.",
    },
)

POLICY: Final[Mapping[str, object]] = {"schema": 1, "default": "deny", "rules": [*RULES]}

SUPPORT_DELETES: Final[Mapping[str, object]] = {
    "id": "support-deletes",
    "when": {"role": "support", "action": {"prefix": "DELETE /customers"}},
    "effect": "allow",
    "reason": "Support may delete customers who ask for it.",
}


def incident(now: datetime | None = None) -> dict[str, object]:
    """Return an emergency document that stops every export for an hour."""
    until = (now or datetime.now(UTC)) + timedelta(hours=1)
    return {
        "schema": 1,
        "rules": [
            {
                "id": "inc-42",
                "when": {"action": {"prefix": "POST /reports"}},
                "effect": "deny",
                "reason": "Exports are off during INC-42.",
                "valid_until": until.isoformat(timespec="seconds"),
            }
        ],
    }


NO_INCIDENT: Final[Mapping[str, object]] = {"schema": 1, "rules": []}


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who sends requests, believed by headers as behind a proxy that sets them."""

    name: str
    role: str

    @property
    def headers(self) -> dict[str, str]:
        """The headers that carry the identity."""
        return {"X-Tenant-ID": TENANT, "X-User": self.name, "X-Roles": self.role}


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back; header names are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: Any


def service(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Answer as a service that knows nothing of policies."""
    rows = parse_qs(environ["QUERY_STRING"]).get("rows", ["0"])[0]
    answers: Mapping[tuple[str, str], object] = {
        ("GET", "/customers/c1"): {
            "id": "c1",
            "name": "Ada Byron",
            "email": "ada@example.com",
            "iban": "DE02120300000000202051",
        },
        ("DELETE", "/customers/c1"): {"deleted": "c1"},
        ("POST", "/reports/export"): {"exported": int(rows)},
    }
    body = json.dumps(answers[environ["REQUEST_METHOD"], environ["PATH_INFO"]]).encode()
    start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
    return [body]


def ask(
    app: WSGIApplication, person: Person, method: str, target: str, headers: Mapping[str, str] | None = None
) -> Answer:
    """Send one request to a WSGI app in this process."""
    path, _, query = target.partition("?")
    environ: WSGIEnvironment = {
        "REQUEST_METHOD": method,
        "PATH_INFO": path,
        "QUERY_STRING": query,
        "REMOTE_ADDR": "127.0.0.1",
        "wsgi.input": io.BytesIO(),
    }
    setup_testing_defaults(environ)
    for name, value in {**person.headers, **(headers or {})}.items():
        environ["HTTP_" + name.upper().replace("-", "_")] = value
    started: list[tuple[str, list[tuple[str, str]]]] = []

    def start_response(
        status: str, response_headers: list[tuple[str, str]], exc_info: object = None, /
    ) -> Callable[[bytes], object]:
        started.append((status, response_headers))
        return lambda data: None

    body = b"".join(app(environ, start_response))
    status, response_headers = started[-1]
    return Answer(
        int(status[:3]), {name.lower(): value for name, value in response_headers}, json.loads(body or "null")
    )
