from __future__ import annotations

from collections.abc import Iterator

import pytest

from .django_site import Site, csrf_of, running

PEOPLE = {
    "ana": "acme/analyst",
    "sam": "acme/support",
    "adam": "acme/administrator",
    "gil": "globex/analyst",
}


@pytest.fixture(scope="module")
def running_site(redis_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    directory = tmp_path_factory.mktemp("django-sessions")
    with running("django_sessions", PEOPLE, directory, redis_url, f"policy-{directory.name}:") as site:
        yield site


@pytest.fixture
def site(running_site: Site) -> Iterator[Site]:
    """The running example, in front of new browsers."""
    yield running_site
    running_site.close_browsers()


def test_an_analyst_reads_and_publishes(site: Site) -> None:
    browser = site.signed_in("ana")
    assert browser.get("/reports/7").json() == {"number": 7, "author": "ada@example.com"}
    assert browser.post("/reports/7").json() == {"published": 7}


def test_support_sees_masked_data_and_publishes_nothing(site: Site) -> None:
    browser = site.signed_in("sam")
    assert browser.get("/reports/7").json() == {"number": 7, "author": "[REDACTED]"}
    denied = browser.post("/reports/7")
    assert (denied.status_code, denied.json()["action"]) == (403, "report.publish")


def test_who_is_not_signed_in_is_challenged(site: Site) -> None:
    assert site.client().get("/reports/7").status_code == 401
    assert site.client().get("/admin/").status_code == 401


def test_a_wrong_password_begins_no_session(site: Site) -> None:
    browser = site.client()
    form = {"username": "ana", "password": "guessed", **csrf_of(browser.get("/accounts/login/").text)}
    assert browser.post("/accounts/login/", data=form).status_code == 200, "the form again"
    assert browser.get("/reports/7").status_code == 401
    browser.cookies.set("sessionid", "guessed")
    assert browser.get("/reports/7").status_code == 401


def test_a_session_ends_with_its_sign_out(site: Site) -> None:
    browser = site.signed_in("ana")
    assert browser.post("/accounts/logout/").status_code == 200
    assert browser.get("/reports/7").status_code == 401


def test_the_admin_is_under_policy_as_well(site: Site) -> None:
    browser = site.signed_in("adam", at="/admin/login/")
    assert "Site administration" in browser.get("/admin/").text
    assert browser.get("/admin/auth/user/").status_code == 200
    denied = browser.get("/admin/auth/user/1/delete/", headers={"Accept": "application/json"})
    assert (denied.status_code, denied.json()["action"]) == (403, "user.delete")
    assert denied.json()["detail"] == "Users are deactivated, never deleted."


def test_staff_without_the_role_do_not_get_into_the_admin(site: Site) -> None:
    assert site.signed_in("ana").get("/admin/").status_code == 403


def test_a_browser_is_shown_djangos_own_page(site: Site) -> None:
    denied = site.signed_in("ana").get("/admin/", headers={"Accept": "text/html"})
    assert (denied.status_code, denied.headers["Content-Type"]) == (403, "text/html; charset=utf-8")


@pytest.mark.parametrize(("host", "status"), [("acme", 200), ("globex", 403)])
def test_the_host_is_that_of_the_users_organisation(site: Site, host: str, status: int) -> None:
    browser = site.signed_in("ana")
    headers = {"Host": f"{host}.reports.example", "Cookie": f"sessionid={browser.cookies['sessionid']}"}
    assert browser.get("/reports/7", headers=headers).status_code == status


def test_a_member_of_another_organisation_is_under_its_policy_only(site: Site) -> None:
    assert site.signed_in("gil").get("/reports/7").status_code == 403
