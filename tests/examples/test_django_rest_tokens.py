from __future__ import annotations

from collections.abc import Iterator

import httpx2
import pytest

from policy_middleware.approvals import Approver

from .django_site import TENANT, Site, running

PEOPLE = {"ada": "acme/agent", "tim": "acme/trainee", "vic": "acme/visitor", "gil": "globex/agent"}


@pytest.fixture(scope="module")
def running_site(redis_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    directory = tmp_path_factory.mktemp("django-rest-tokens")
    with running("django_rest_tokens", PEOPLE, directory, redis_url, f"policy-{directory.name}:") as site:
        yield site


@pytest.fixture
def site(running_site: Site) -> Iterator[Site]:
    """The running example, in front of new browsers."""
    yield running_site
    running_site.close_browsers()


def holding_a_token(site: Site, name: str) -> httpx2.Client:
    credentials = {"username": name, "password": f"{name}'s password"}
    response = site.client().post("/token", json=credentials)
    assert response.status_code == 200, response.text
    return site.client({"Authorization": f"Token {response.json()['token']}"})


def test_an_agent_works_with_tickets_and_the_view_knows_who_it_is(site: Site) -> None:
    agent = holding_a_token(site, "ada")
    assert agent.get("/tickets/7/").json() == {"id": "7", "email": "ada@example.com", "seen_by": "ada"}
    assert agent.post("/tickets/7/close/").json() == {"closed": "7"}


def test_a_trainee_sees_masked_data(site: Site) -> None:
    response = holding_a_token(site, "tim").get("/tickets/")
    assert (response.json(), response.headers["X-Policy-Masked"]) == (
        [{"id": "1", "email": "[REDACTED]"}],
        "1",
    )


def test_a_trainee_closes_a_ticket_once_an_agent_agrees(site: Site) -> None:
    trainee = holding_a_token(site, "tim")
    parked = trainee.post("/tickets/7/close/")
    assert parked.status_code == 202
    site.enforcer.approvals.approve(TENANT, parked.headers["X-Approval-Id"], Approver("ada", ("agent",)))
    replayed = trainee.post("/tickets/7/close/", headers={"X-Approval-Id": parked.headers["X-Approval-Id"]})
    assert (replayed.status_code, replayed.json()) == (200, {"closed": "7"})


def test_another_role_is_denied_by_the_name_of_the_action(site: Site) -> None:
    visitor = holding_a_token(site, "vic")
    assert visitor.get("/tickets/7/").json()["action"] == "ticket.read"
    assert visitor.post("/tickets/7/close/").json()["action"] == "ticket.close"


def test_the_routers_own_index_has_an_action_by_the_table(site: Site) -> None:
    assert list(holding_a_token(site, "vic").get("/").json()) == ["tickets"]


@pytest.mark.parametrize("credential", [None, "Token guessed", "Token", "Bearer guessed"])
def test_who_does_not_prove_who_they_are_is_challenged(site: Site, credential: str | None) -> None:
    headers = {} if credential is None else {"Authorization": credential}
    response = site.client(headers).get("/tickets/7/")
    assert (response.status_code, "WWW-Authenticate" in response.headers) == (401, True)


def test_a_wrong_password_is_given_no_token(site: Site) -> None:
    assert site.client().post("/token", json={"username": "ada", "password": "guessed"}).status_code == 400


def test_a_token_of_one_organisation_opens_no_other(site: Site) -> None:
    agent = holding_a_token(site, "gil")
    assert agent.get("/tickets/7/").json()["detail"]
    mismatch = agent.get("/tickets/7/", headers={"X-Organisation": "acme"})
    assert (mismatch.status_code, mismatch.json()["type"].rpartition(":")[2]) == (403, "tenant-mismatch")
