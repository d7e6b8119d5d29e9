from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from starlette.testclient import TestClient

from examples.auth.starlette_authentication import app
from policy_middleware.testing import assert_allowed, assert_denied, assert_masked, override_policies

from .policies import policy_of


@pytest.fixture(autouse=True)
def policy() -> Iterator[None]:
    """The example's own policy is in force for one tenant."""
    with override_policies({"acme": policy_of("starlette_authentication")}):
        yield


def ask(name: str | None, method: str = "GET", path: str = "/reports/7", password: str | None = None) -> Any:
    client = TestClient(app)
    if name is not None:
        client.auth = (name, f"{name}'s password" if password is None else password)
    return client.request(method, path)


def test_an_analyst_reads_and_deletes() -> None:
    assert_allowed(ask("ana"), rule="analysts")
    assert_allowed(ask("ana", "DELETE"), rule="analysts")


def test_support_sees_masked_data_and_deletes_nothing() -> None:
    response = ask("sam")
    assert_masked(response, rule="support-sees-masked", count=1)
    assert response.json() == {"id": 7, "author": "[REDACTED]"}
    assert_denied(ask("sam", "DELETE"))


def test_who_sends_no_credential_is_challenged() -> None:
    response = ask(None)
    assert (response.status_code, response.headers["Content-Type"]) == (401, "application/problem+json")


@pytest.mark.parametrize(("name", "password"), [("ana", "sam's password"), ("nobody", ""), ("", "")])
def test_a_wrong_credential_is_refused_before_any_policy(name: str, password: str) -> None:
    response = ask(name, password=password)
    assert (response.status_code, "X-Policy-Decision-Id" in response.headers) == (401, False)


def test_a_member_of_another_organisation_is_under_its_policy_only() -> None:
    assert_denied(ask("gil"), matched="missing_policy")


def test_health_needs_nobody() -> None:
    assert ask(None, path="/healthz").text == "ok"
