"""FastAPI with bearer tokens of an identity provider: `uvicorn examples.auth.fastapi_bearer:app`.

`TOKEN_KEYS_URL=https://login.example/.well-known/jwks.json` takes the provider's public keys; without it,
tokens are signed with the secret in `TOKEN_SECRET`. The policy is in fastapi_bearer.json.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Final

from fastapi import APIRouter, FastAPI
from starlette.responses import PlainTextResponse, Response

from policy_middleware import PolicyEnforcer, policy_action
from policy_middleware.attributes import Source, claim, header, jwt_bearer
from policy_middleware_fastapi import PolicyMiddleware

ISSUER: Final = "https://login.example/"
AUDIENCE: Final = "documents"


def by_shared_secret(secret: str) -> Source:
    """Trust tokens that are signed with a secret of at least 32 bytes."""
    return jwt_bearer(secret, issuer=ISSUER, audience=AUDIENCE, algorithms=["HS256"])


def by_published_keys(keys: str | Mapping[str, object]) -> Source:
    """Trust tokens that are signed with a key which the provider publishes, at an URL or as data.

    This provider writes roles into `scope`, with blanks between them.
    """
    return jwt_bearer(keys, issuer=ISSUER, audience=AUDIENCE, algorithms=["RS256"], roles_claim="scope")


def metrics_router(measure: Callable[[], str]) -> APIRouter:
    """Return the routes of a metrics package: code that is not ours to decorate."""
    router = APIRouter()

    @router.get("/metrics/{family}")
    def metrics(family: str) -> Response:
        return PlainTextResponse(f"{family} {measure()}\n")

    return router


documents = APIRouter(prefix="/documents")


@documents.get("/{document_id}")
@policy_action("document.read", resource="document:{document_id}")
async def read(document_id: str) -> dict[str, str]:
    """Show a document."""
    return {"id": document_id, "text": "The quarterly figures."}


@documents.delete("/{document_id}", status_code=204)
@policy_action("document.delete", resource="document:{document_id}")
def delete(document_id: str) -> None:
    """Delete a document."""


def create_app(identity: Source) -> FastAPI:
    """Return the app, which knows its users by `identity`."""
    app = FastAPI(title="Documents")
    app.include_router(documents)
    app.include_router(metrics_router(lambda: "1"))
    app.add_middleware(
        PolicyMiddleware,
        enforcer=PolicyEnforcer.from_url(os.environ.get("POLICY_STORE_URL", "redis://localhost:6379/0")),
        identity=identity,
        # The header is for people in several organisations: their token names the one it was made for.
        tenant=[claim("org.id"), header("X-Tenant-ID")],
        attributes={"subject.department": claim("department")},
        routes={"/metrics/{family}": {"action": "metrics.read", "resource": "metric:{family}"}},
    )
    return app


app = create_app(
    by_published_keys(os.environ["TOKEN_KEYS_URL"])
    if "TOKEN_KEYS_URL" in os.environ
    else by_shared_secret(os.environ.get("TOKEN_SECRET", "an example secret of thirty-two bytes"))
)
