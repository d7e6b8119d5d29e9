"""People approve on a page that is the same in every framework."""

from __future__ import annotations

from typing import Any

import pytest

from policy_middleware import inbox_door
from policy_middleware.approvals import Approver
from policy_middleware.attributes import header
from policy_middleware.enforcer import PolicyEnforcer
from policy_middleware.model.errors import SettingsError

from .conftest import Build, Records
from .harness import Answer, Call, Service
from .policies import ALLOW_ALL, IDENTITY, TENANT, approving
from .test_approvals import POST, park, replay

INBOX = "/_policy/inbox"
FORM = (("Content-Type", "application/x-www-form-urlencoded"), ("Sec-Fetch-Site", "same-origin"))


def dana(request: object) -> Approver | None:
    return Approver("dana", ("dpo",), tenants=(TENANT,))


async def dana_async(request: object) -> Approver | None:
    return Approver("dana", ("dpo",), tenants=(TENANT,))


def nobody(request: object) -> Approver | None:
    return None


def broken(request: object) -> Approver | None:
    raise RuntimeError("the session store is away")


def open_page(service: Service, path: str = "/", **more: Any) -> Answer:
    return service.call(Call(target=INBOX + path, **more))


def test_a_parked_request_is_approved_in_the_inbox_and_runs(build: Build, enforcer: PolicyEnforcer) -> None:
    service = build(approving({"http.path": "/docs"}), approver=dana)
    task, _ = park(service)
    page = open_page(service)
    assert page.status == 200
    assert page.header("content-type") == "text/html; charset=utf-8"
    assert task in page.body.decode()
    assert open_page(service, f"/requests/{TENANT}/{task}").status == 200
    target = f"{INBOX}/requests/{TENANT}/{task}/approve"
    voted = service.call(Call("POST", target, headers=FORM, body=(b"comment=fine+", b"by+me")))
    assert voted.status == 303
    assert (voted.header("location") or "").startswith(f"{INBOX}/requests/{TENANT}/{task}?")
    answer = service.call(replay(POST, task))
    assert (answer.status, answer.body) == (201, b"pay 42")
    stored = enforcer.approvals.get(TENANT, task)
    assert stored is not None
    assert [(vote.approver, vote.comment, vote.verified) for vote in stored.votes] == [
        ("dana", "fine by me", "host")
    ]


def test_an_approver_may_be_found_asynchronously(build: Build) -> None:
    assert open_page(build(ALLOW_ALL, approver=dana_async)).status == 200


def test_a_request_that_names_its_tenant_shows_an_approver_that_one(build: Build) -> None:
    def dan(request: object) -> Approver:
        return Approver("dan", ("dpo",))

    service = build(ALLOW_ALL, approver=dan)
    assert open_page(service).status == 401
    assert open_page(service, headers=IDENTITY).status == 200
    assert open_page(service, query="tenant=globex", headers=IDENTITY).status == 404
    without_tenant = [(name, value) for name, value in IDENTITY if name != "X-Tenant-ID"]
    assert open_page(service, headers=without_tenant).status == 400


def test_nobody_else_is_let_in(build: Build, enforcer: PolicyEnforcer) -> None:
    service = build(approving({"http.path": "/docs"}), approver=nobody)
    task, _ = park(service)
    for call in (
        Call(target=INBOX),
        Call(target=f"{INBOX}/requests/{TENANT}/{task}", headers=IDENTITY),
        Call("POST", f"{INBOX}/requests/{TENANT}/{task}/approve", headers=(*IDENTITY, *FORM)),
        Call(target=f"{INBOX}/events", query=f"tenant={TENANT}", headers=IDENTITY),
    ):
        answer = service.call(call)
        assert answer.status == 403
        assert task not in answer.body.decode()
    stored = enforcer.approvals.get(TENANT, task)
    assert stored is not None
    assert stored.votes == ()


def test_an_approver_callable_that_fails_lets_nobody_in(build: Build) -> None:
    answer = open_page(build(ALLOW_ALL, approver=broken))
    assert answer.status == 503
    assert b"session store" not in answer.body


def test_an_approver_callable_that_returns_something_else_lets_nobody_in(build: Build) -> None:
    assert open_page(build(ALLOW_ALL, approver=lambda request: "dana")).status == 503


def test_a_requester_known_by_another_name_cannot_approve_their_own_request(
    build: Build, enforcer: PolicyEnforcer
) -> None:
    service = build(approving({"http.path": "/docs"}), approver=dana)
    task, _ = park(service)
    target = f"{INBOX}/requests/{TENANT}/{task}/approve"
    assert service.call(Call("POST", target, headers=(*IDENTITY, *FORM))).status == 403
    stored = enforcer.approvals.get(TENANT, task)
    assert stored is not None
    assert stored.votes == ()


def test_a_form_from_another_site_decides_nothing(build: Build, enforcer: PolicyEnforcer) -> None:
    service = build(approving({"http.path": "/docs"}), approver=dana)
    task, _ = park(service)
    target = f"{INBOX}/requests/{TENANT}/{task}/approve"
    for headers in (
        (FORM[0], ("Sec-Fetch-Site", "cross-site")),
        (FORM[0], ("Origin", "http://evil.example"), ("Host", "testserver")),
        (FORM[0],),
    ):
        assert service.call(Call("POST", target, headers=headers)).status == 403
    by_origin = (FORM[0], ("Origin", "http://app.example"), ("Host", "app.example"))
    assert service.call(Call("POST", target, headers=by_origin)).status == 303


def test_a_form_that_is_too_long_is_refused(build: Build) -> None:
    service = build(approving({"http.path": "/docs"}), approver=dana)
    task, _ = park(service)
    target = f"{INBOX}/requests/{TENANT}/{task}/approve"
    answer = service.call(Call("POST", target, headers=FORM, body=(b"comment=" + b"x" * 70_000,)))
    assert answer.status == 413


def test_there_is_no_inbox_unless_somebody_may_approve(build: Build) -> None:
    assert open_page(build(ALLOW_ALL), headers=IDENTITY).status == 404
    assert open_page(build(ALLOW_ALL, approver=dana, inbox=False), headers=IDENTITY).status == 404


def test_an_inbox_without_an_approver_does_not_start(build: Build) -> None:
    for options, sentence in (
        ({"inbox": True}, "inbox: say who may approve"),
        ({"approver": header("X-User")}, r"approver: .* is no callable"),
    ):
        with pytest.raises(SettingsError, match=sentence):
            # Starlette makes its middlewares with the first request.
            raise build(ALLOW_ALL, **options).call(Call()).error or AssertionError("it started")


def test_static_files_need_no_approver(build: Build) -> None:
    service = build(ALLOW_ALL, approver=nobody)
    page = open_page(service).body.decode()
    address = page.split('rel="stylesheet" href="')[1].split('"')[0]
    style = service.call(Call(target=address))
    assert (style.status, style.header("content-type")) == (200, "text/css; charset=utf-8")


def test_links_respect_where_the_application_is_mounted(build: Build) -> None:
    service = build(ALLOW_ALL, approver=dana)
    page = open_page(service, root_path="/api").body.decode()
    assert 'href="/api/_policy/inbox/static/' in page
    assert 'href="/_policy' not in page


def test_links_are_not_made_of_the_host_header(build: Build) -> None:
    service = build(ALLOW_ALL, approver=dana)
    assert b"evil.example" not in open_page(service, headers=(("Host", "evil.example"),)).body


def test_pages_leave_no_decision_behind(build: Build, records: Records) -> None:
    service = build(ALLOW_ALL, approver=dana)
    open_page(service)
    assert records.decisions() == []


def test_observing_serves_the_inbox_and_lets_nobody_else_in(build: Build) -> None:
    assert open_page(build(ALLOW_ALL, approver=dana, mode="observe")).status == 200
    assert open_page(build(ALLOW_ALL, approver=nobody, mode="observe")).status == 403


def test_pages_are_told_of_changes_where_the_server_can_keep_a_response_open(
    build: Build, enforcer: PolicyEnforcer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inbox_door, "HEARTBEAT_SECONDS", 0.01)
    monkeypatch.setattr(inbox_door, "STREAM_SECONDS", 0.03)
    service = build(ALLOW_ALL, approver=dana)
    answer = open_page(service, "/events", query=f"tenant={TENANT}")
    if answer.status == 200:
        assert answer.header("content-type") == "text/event-stream"
        assert answer.header("cache-control") == "no-store"
        assert answer.body.startswith(b"retry: 2000\n\n: nothing new")
    else:
        assert (answer.status, answer.body) == (204, b"")
    assert enforcer.approval_hub.waiting == 0
    assert open_page(service, "/events", query="tenant=globex").status == 204


def test_no_more_pages_are_told_than_a_process_can_bear(
    build: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inbox_door, "MAX_STREAMS", 0)
    service = build(ALLOW_ALL, approver=dana)
    assert open_page(service, "/events", query=f"tenant={TENANT}").status == 204
