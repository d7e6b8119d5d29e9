"""Starlette with its own AuthenticationMiddleware: `uvicorn examples.auth.starlette_authentication:app`.

People sign in by HTTP Basic authentication. The policy is in starlette_authentication.json.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import os
from typing import Final

from starlette.applications import Starlette
from starlette.authentication import AuthCredentials, AuthenticationBackend, AuthenticationError, BaseUser
from starlette.endpoints import HTTPEndpoint
from starlette.middleware import Middleware
from starlette.middleware.authentication import AuthenticationMiddleware
from starlette.requests import HTTPConnection, Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Mount, Route

from policy_middleware import PolicyEnforcer, policy_action
from policy_middleware.attributes import user
from policy_middleware_starlette import PolicyMiddleware


class Member(BaseUser):
    """Somebody who works for an organisation."""

    def __init__(self, name: str, organisation: str, *roles: str) -> None:
        self.name, self.organisation, self.roles = name, organisation, roles

    @property
    def is_authenticated(self) -> bool:
        """Say that this is not Starlette's UnauthenticatedUser."""
        return True

    @property
    def display_name(self) -> str:
        """The name, for people."""
        return self.name

    @property
    def identity(self) -> str:
        """The name, as the id that policies see."""
        return self.name


def hashed(password: str) -> bytes:
    """Return what is stored of a password."""
    return hashlib.scrypt(password.encode(), salt=b"one per person, really", n=2**12, r=8, p=1)


MEMBERS: Final = {
    "ana": (hashed("ana's password"), Member("ana", "acme", "analyst")),
    "sam": (hashed("sam's password"), Member("sam", "acme", "support")),
    "gil": (hashed("gil's password"), Member("gil", "globex", "analyst")),
}


class BasicBackend(AuthenticationBackend):
    """Knows members by name and password (RFC 7617)."""

    async def authenticate(self, conn: HTTPConnection) -> tuple[AuthCredentials, BaseUser] | None:
        """Return the member; raises AuthenticationError for a credential that is wrong."""
        scheme, _, encoded = conn.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "basic":
            return None
        try:
            name, _, password = base64.b64decode(encoded, validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            raise AuthenticationError("The credential is malformed.") from None
        stored, member = MEMBERS.get(name, (b"", None))
        if not hmac.compare_digest(stored, hashed(password)) or member is None:
            raise AuthenticationError("Name or password is wrong.")
        return AuthCredentials(["authenticated"]), member


def challenge(conn: HTTPConnection, error: AuthenticationError) -> Response:
    """Answer 401, where Starlette's own answer would be 400."""
    return PlainTextResponse(str(error), 401, {"WWW-Authenticate": "Basic"})


class Report(HTTPEndpoint):
    """One report; policies know its methods by different actions."""

    @policy_action("report.read", resource="report:{report_id}", tags=["pii"])
    async def get(self, request: Request) -> Response:
        """Show it."""
        return JSONResponse({"id": request.path_params["report_id"], "author": "ada@example.com"})

    @policy_action("report.delete", resource="report:{report_id}")
    async def delete(self, request: Request) -> Response:
        """Delete it."""
        return Response(status_code=204)


async def health(request: Request) -> Response:
    """Say that the process is up; exempt by default."""
    return PlainTextResponse("ok")


app = Starlette(
    routes=[Route("/healthz", health), Mount("/reports", routes=[Route("/{report_id:int}", Report)])],
    # The first one is the outermost: who asks is known before the policy decides.
    middleware=[
        Middleware(AuthenticationMiddleware, backend=BasicBackend(), on_error=challenge),
        Middleware(
            PolicyMiddleware,
            enforcer=PolicyEnforcer.from_url(os.environ.get("POLICY_STORE_URL", "redis://localhost:6379/0")),
            tenant=user("organisation"),
        ),
    ],
)
