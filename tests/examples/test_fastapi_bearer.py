from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from fastapi import FastAPI
from starlette.testclient import TestClient

from examples.auth.fastapi_bearer import AUDIENCE, ISSUER, by_published_keys, by_shared_secret, create_app
from policy_middleware.testing import assert_allowed, assert_denied, override_policies

from .policies import policy_of

SECRET = "a secret of the tests, thirty-two bytes"
KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
PUBLISHED = {
    "keys": [
        {**jwt.algorithms.RSAAlgorithm.to_jwk(KEY.public_key(), as_dict=True), "kid": "k1", "use": "sig"}
    ]
}


@pytest.fixture(autouse=True)
def policy() -> Iterator[None]:
    """The example's own policy is in force for one tenant."""
    with override_policies({"acme": policy_of("fastapi_bearer")}):
        yield


@pytest.fixture(scope="module")
def app() -> FastAPI:
    return create_app(by_shared_secret(SECRET))


def claims(role: str, **more: object) -> dict[str, object]:
    return {
        "sub": "ana",
        "iss": ISSUER,
        "aud": AUDIENCE,
        "exp": time.time() + 60,
        "org": {"id": "acme"},
        "roles": [role],
        **more,
    }


def token(role: str = "reader", *, key: str = SECRET, **more: object) -> dict[str, str]:
    return {"Authorization": f"Bearer {jwt.encode(claims(role, **more), key, 'HS256')}"}


def ask(app: FastAPI, path: str = "/documents/7", method: str = "GET", **more: Any) -> Any:
    return TestClient(app).request(method, path, **more)


def test_a_reader_reads(app: FastAPI) -> None:
    response = ask(app, headers=token())
    assert_allowed(response, rule="readers")
    assert response.json() == {"id": "7", "text": "The quarterly figures."}


def test_a_role_and_another_claim_decide_together(app: FastAPI) -> None:
    assert_denied(ask(app, method="DELETE", headers=token("editor", department="sales")))
    allowed = ask(app, method="DELETE", headers=token("editor", department="finance"))
    assert_allowed(allowed, rule="finance-deletes")
    assert allowed.status_code == 204


def test_routes_of_a_package_have_an_action_by_the_table(app: FastAPI) -> None:
    assert_allowed(ask(app, "/metrics/requests", headers=token("monitor")), rule="monitoring")
    assert_denied(ask(app, "/metrics/requests", headers=token("editor")))


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": "Basic YW5hOmFuYQ=="},
        {"Authorization": "Bearer nonsense"},
        token(key="another secret of the tests, 32 bytes"),
        token(exp=time.time() - 3600),
        token(aud="another-service"),
        token(iss="https://elsewhere.example/"),
    ],
    ids=[
        "no token",
        "another scheme",
        "no JWT",
        "another key",
        "expired",
        "another audience",
        "another issuer",
    ],
)
def test_who_does_not_prove_who_they_are_is_challenged(app: FastAPI, headers: dict[str, str]) -> None:
    response = ask(app, headers=headers)
    assert (response.status_code, response.headers["WWW-Authenticate"]) == (401, "Bearer")


def test_a_token_without_an_organisation_is_refused(app: FastAPI) -> None:
    assert ask(app, headers=token(org={})).status_code == 400


def test_a_token_of_one_organisation_opens_no_other(app: FastAPI) -> None:
    assert ask(app, headers={**token(), "X-Tenant-ID": "acme"}).status_code == 200
    mismatch = ask(app, headers={**token(), "X-Tenant-ID": "globex"})
    assert (mismatch.status_code, mismatch.json()["type"].rpartition(":")[2]) == (403, "tenant-mismatch")
    assert_denied(ask(app, headers=token(org={"id": "globex"})), matched="missing_policy")


def test_published_keys_verify_tokens_as_well() -> None:
    app = create_app(by_published_keys(PUBLISHED))

    def signed(key_id: str) -> dict[str, str]:
        made = jwt.encode(claims("", scope="openid reader"), KEY, "RS256", headers={"kid": key_id})
        return {"Authorization": f"Bearer {made}"}

    assert_allowed(ask(app, headers=signed("k1")), rule="readers")
    assert ask(app, headers=signed("k2")).status_code == 401
    # The public key is no secret: a token that uses it as one is a forgery.
    assert ask(app, headers=token()).status_code == 401
