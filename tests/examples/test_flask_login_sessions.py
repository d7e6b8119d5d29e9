from __future__ import annotations

from collections.abc import Iterator

import pytest
from flask import Flask
from flask.testing import FlaskClient

from examples.auth.flask_login_sessions import create_app
from policy_middleware.testing import (
    approve,
    assert_allowed,
    assert_denied,
    assert_masked,
    assert_pending,
    override_policies,
)

from .policies import policy_of


@pytest.fixture(autouse=True)
def policy() -> Iterator[None]:
    """The example's own policy is in force for one tenant."""
    with override_policies({"acme": policy_of("flask_login_sessions")}):
        yield


@pytest.fixture(scope="module")
def app() -> Flask:
    return create_app()


def signed_in(app: Flask, name: str) -> FlaskClient:
    client = app.test_client()
    response = client.post("/login", data={"name": name, "password": f"{name}'s password"})
    assert (response.status_code, response.json) == (200, {"signed_in": name})
    return client


def test_finance_refunds(app: Flask) -> None:
    response = signed_in(app, "fin").post("/invoices/7")
    assert_allowed(response, rule="finance-works")
    assert response.json == {"refunded": 7}


def test_the_methods_of_one_view_are_different_actions(app: Flask) -> None:
    support = signed_in(app, "sam")
    response = support.get("/invoices/7")
    assert_masked(response, rule="support-sees-masked", count=1)
    assert response.json == {"number": 7, "iban": "*" * 18 + "2051"}
    assert_pending(support.post("/invoices/7"), rule="refunds-need-finance")


def test_a_refund_runs_once_somebody_from_finance_agrees(app: Flask) -> None:
    support = signed_in(app, "sam")
    task_id = assert_pending(support.post("/invoices/8"))
    approve(task_id, as_="fin", roles=["finance"])
    assert_allowed(support.post("/invoices/8", headers={"X-Approval-Id": task_id}))


def test_routes_of_a_package_have_an_action_by_the_table(app: Flask) -> None:
    assert_allowed(signed_in(app, "sam").post("/feedback/prices"), rule="everybody-says-what-they-think")


def test_who_is_not_signed_in_is_challenged(app: Flask) -> None:
    assert app.test_client().get("/invoices/7").status_code == 401
    client = signed_in(app, "fin")
    assert client.post("/logout").status_code == 204
    assert client.get("/invoices/7").status_code == 401


@pytest.mark.parametrize("form", [{"name": "fin", "password": "guessed"}, {"name": "nobody", "password": ""}])
def test_a_wrong_password_begins_no_session(app: Flask, form: dict[str, str]) -> None:
    client = app.test_client()
    assert client.post("/login", data=form).status_code == 401
    assert client.get("/invoices/7").status_code == 401


def test_a_forged_session_is_nobodys(app: Flask) -> None:
    client = app.test_client()
    client.set_cookie("session", "eyJfdXNlcl9pZCI6ImZpbiJ9.aaaaaa.forged")
    assert client.get("/invoices/7").status_code == 401


def test_a_member_of_another_shop_is_under_its_policy_only(app: Flask) -> None:
    assert_denied(signed_in(app, "gil").get("/invoices/7"), matched="missing_policy")
