from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from flask import Flask

from examples.auth.flask_jwt_tokens import create_app
from policy_middleware.testing import assert_allowed, assert_denied, override_policies

from .policies import policy_of


@pytest.fixture(autouse=True)
def policy() -> Iterator[None]:
    """The example's own policy is in force for one tenant."""
    with override_policies({"acme": policy_of("flask_jwt_tokens")}):
        yield


@pytest.fixture(scope="module")
def app() -> Flask:
    return create_app()


def bearer(token: str, **more: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}", **more}


def tokens_of(app: Flask, name: str) -> dict[str, str]:
    response = app.test_client().post("/login", json={"name": name, "password": f"{name}'s password"})
    assert response.status_code == 200
    return dict(response.json or {})


def access(app: Flask, name: str, **more: str) -> dict[str, str]:
    return bearer(tokens_of(app, name)["access_token"], **more)


def deploy(app: Flask, headers: dict[str, str]) -> Any:
    return app.test_client().post("/releases/7/deployments", headers=headers)


def test_a_deployer_deploys_and_the_view_knows_who_it_is(app: Flask) -> None:
    response = deploy(app, access(app, "dana"))
    assert_allowed(response, rule="deployers-deploy")
    assert response.json == {"deployed": "7", "by": "dana"}


def test_a_reader_looks_and_does_not_deploy(app: Flask) -> None:
    headers = access(app, "ray")
    assert_allowed(app.test_client().get("/releases/7", headers=headers), rule="readers-read")
    assert_denied(deploy(app, headers))


def test_a_view_that_asks_for_no_token_needs_one_all_the_same(app: Flask) -> None:
    assert app.test_client().get("/releases/7").status_code == 401


def test_a_refresh_token_renews_and_does_nothing_else(app: Flask) -> None:
    refresh_token = bearer(tokens_of(app, "dana")["refresh_token"])
    renewed = app.test_client().post("/refresh", headers=refresh_token)
    assert_allowed(renewed, rule="tokens-are-renewed")
    assert deploy(app, bearer(renewed.json["access_token"])).status_code == 202  # type: ignore[index]  # asserted
    assert deploy(app, refresh_token).status_code == 401
    assert app.test_client().get("/releases/7", headers=refresh_token).status_code == 401


def test_a_wrong_password_is_given_no_token(app: Flask) -> None:
    response = app.test_client().post("/login", json={"name": "dana", "password": "guessed"})
    assert response.status_code == 401


def test_a_token_that_was_tampered_with_is_refused(app: Flask) -> None:
    header, payload, _ = tokens_of(app, "ray")["access_token"].split(".")
    _, deployers, _ = tokens_of(app, "dana")["access_token"].split(".")
    _, _, signature = tokens_of(app, "ray")["access_token"].split(".")
    assert payload != deployers
    assert deploy(app, bearer(f"{header}.{deployers}.{signature}")).status_code == 401
    assert deploy(app, bearer("nonsense")).status_code == 401


def test_a_token_of_one_team_opens_no_other(app: Flask) -> None:
    assert_denied(deploy(app, access(app, "gil")), matched="missing_policy")
    mismatch = deploy(app, access(app, "gil", **{"X-Team": "acme"}))
    assert (mismatch.status_code, mismatch.json["type"].rpartition(":")[2]) == (403, "tenant-mismatch")
