"""The access request endpoints, as OpenID AuthZEN's Access Request and Approval Profile (draft) has them."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import pytest

from policy_middleware.approvals import Approver
from policy_middleware.attributes import header
from policy_middleware.enforcer import PolicyEnforcer

from .conftest import Build
from .harness import Answer, Call, Service
from .policies import IDENTITY, TENANT, approving
from .test_approvals import DPO, POST, park, replay

PREFIX = "urn:openid:authzen:access-request:error:"
REQUESTS = "/_policy/access/v1/requests"
ONLY_POSTS = {"http.method": "POST"}
"""With this the status endpoint itself needs no approval to look at (it never does)."""


def submission(service: Service, answer: Answer | None = None, **changes: Any) -> dict[str, Any]:
    """Return an access request for POST, which has an action of the framework's making."""
    parked = answer or service.call(POST)
    task_id = parked.json()["task"]["id"]
    return {
        "subject": {"type": "user", "id": user()},
        "action": {"name": ""},
        "denial": {"evaluation_id": parked.json()["context"]["evaluation_id"]},
        "task": task_id,
    } | changes


def user() -> str:
    return dict(IDENTITY)["X-User"]


def submit(service: Service, document: object, *headers: tuple[str, str], who: Any = IDENTITY) -> Answer:
    body = json.dumps(document).encode() if not isinstance(document, bytes) else document
    sent = (*who, ("Content-Type", "application/json"), *headers)
    return service.call(Call("POST", REQUESTS, headers=sent, body=(body,)))


def ahead(enforcer: PolicyEnforcer, service: Service, **changes: Any) -> dict[str, Any]:
    """Return an access request for POST before it is sent; its action is learnt from another subject's."""
    probe = [(name, "probe" if name == "X-User" else value) for name, value in POST.headers]
    task_id = service.call(Call("POST", "/docs", headers=probe, body=POST.body)).json()["task"]["id"]
    task = enforcer.approvals.get(TENANT, task_id)
    assert task is not None
    kind, _, identifier = (task.resource or "").partition(":")
    resource = {"type": kind} | ({"id": identifier} if identifier else {})
    http = {
        "method": "POST",
        "path": "/docs",
        "content_type": "text/plain",
        "body_sha256": hashlib.sha256(b"pay 42").hexdigest(),
        "body_size": 6,
    }
    document = {
        "subject": {"type": "user", "id": user()},
        "action": {"name": task.action},
        "resource": resource if kind else {},
        "context": {"http": http},
    }
    return document | changes


def test_an_approval_asked_for_ahead_runs_the_request_that_was_declared(
    build: Build, enforcer: PolicyEnforcer
) -> None:
    service = build(approving())
    answer = submit(service, ahead(enforcer, service))
    assert answer.status == 202
    task = answer.json()["task"]["id"]
    assert answer.header("location") == f"{REQUESTS}/{task}"
    enforcer.approvals.approve(TENANT, task, DPO)
    run = service.call(replay(POST, task))
    assert (run.status, run.body) == (201, b"pay 42")


def test_an_untrue_declaration_fits_no_request(build: Build, enforcer: PolicyEnforcer) -> None:
    service = build(approving())
    document = ahead(enforcer, service)
    document["context"]["http"]["body_sha256"] = hashlib.sha256(b"pay 1").hexdigest()
    task = submit(service, document).json()["task"]["id"]
    enforcer.approvals.approve(TENANT, task, DPO)
    assert service.call(replay(POST, task)).status == 422


def test_what_was_asked_for_ahead_and_what_was_parked_are_one_task(
    build: Build, enforcer: PolicyEnforcer
) -> None:
    service = build(approving())
    task = submit(service, ahead(enforcer, service)).json()["task"]["id"]
    assert park(service)[0] == task


def test_a_request_that_needs_no_approval_is_not_requestable(build: Build, enforcer: PolicyEnforcer) -> None:
    service = build(approving())
    document = ahead(enforcer, service)
    build_open = build(approving({"resource.id": "never"}))
    answer = submit(build_open, document)
    assert (answer.status, answer.json()["type"]) == (400, PREFIX + "not_requestable")


def test_a_denial_answered_before_leads_to_its_task(build: Build, enforcer: PolicyEnforcer) -> None:
    service = build(approving())
    task, parked = park(service)
    known = enforcer.approvals.get(TENANT, task)
    assert known is not None
    kind, _, identifier = (known.resource or "").partition(":")
    document = submission(service, parked, action={"name": known.action})
    if kind:
        document["resource"] = {"type": kind} | ({"id": identifier} if identifier else {})
    answer = submit(service, document)
    assert (answer.status, answer.json()["task"]["id"]) == (202, task)
    enforcer.approvals.approve(TENANT, task, DPO)
    assert submit(service, document).status == 201
    enforcer.approvals.supersede(TENANT, task)
    gone = submit(service, document)
    assert (gone.status, gone.json()["type"]) == (410, PREFIX + "expired_denial")


@pytest.mark.parametrize(
    ("change", "status", "kind"),
    [
        ({"denial": {"evaluation_id": "made-up"}}, 400, PREFIX + "invalid_denial_binding"),
        ({"context": {}}, 400, PREFIX + "invalid_denial_binding"),
        ({"subject": {"id": "somebody-else"}}, 403, None),
        ({"action": {}}, 400, None),
        ({"items": []}, 400, PREFIX + "not_requestable"),
        ({"resource": {"type": "x", "properties": {"bad": [{}]}}}, 400, None),
    ],
    ids=["forged denial", "unbound", "foreign subject", "no action", "bulk", "malformed attribute"],
)
def test_a_submission_that_cannot_be_taken_says_why(
    build: Build, enforcer: PolicyEnforcer, change: dict[str, Any], status: int, kind: str | None
) -> None:
    service = build(approving())
    answer = submit(service, ahead(enforcer, service) | change)
    assert answer.status == status
    assert answer.header("content-type") == "application/problem+json"
    if kind is not None:
        assert answer.json()["type"] == kind


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b"\xff", b"[" * 50_000, b"x" * 70_000])
def test_a_submission_that_is_no_object_is_refused(build: Build, body: bytes) -> None:
    service = build(approving())
    assert submit(service, body).status in (400, 413)


def test_an_idempotency_key_leads_to_one_task_even_after_it_ended(
    build: Build, enforcer: PolicyEnforcer
) -> None:
    service = build(approving())
    document, key = ahead(enforcer, service), ("Idempotency-Key", "7b8d0f0d")
    task = submit(service, document, key).json()["task"]["id"]
    enforcer.approvals.deny(TENANT, task, DPO, "no")
    again = submit(service, dict(reversed(document.items())), key)
    assert (again.status, again.json()["task"]["id"]) == (201, task)
    other = submit(service, document | {"requested_access": {"emergency": True}}, key)
    assert (other.status, other.json()["type"]) == (409, PREFIX + "duplicate_request")
    assert submit(service, document, ("Idempotency-Key", "another")).json()["task"]["id"] != task


def test_the_status_says_when_to_come_back_only_while_pending(build: Build, enforcer: PolicyEnforcer) -> None:
    service = build(approving(ONLY_POSTS))
    task, parked = park(service)
    look = Call(target=parked.header("location") or "", headers=IDENTITY)
    pending = service.call(look)
    assert (pending.status, pending.header("retry-after") is not None) == (200, True)
    assert "result" not in pending.json()
    enforcer.approvals.approve(TENANT, task, DPO)
    approved = service.call(look)
    assert (approved.status, approved.header("retry-after")) == (200, None)
    assert approved.json()["task"]["status"] == "approved"
    assert approved.json()["result"]["mode"] == "reevaluate"
    assert service.call(replay(POST, task)).status == 201
    used = service.call(look).json()
    assert used["task"]["status"] == "approved"
    assert "consumed_at" in used["task"]


def test_an_unknown_task_is_not_told_from_a_foreign_one(build: Build) -> None:
    service = build(approving(ONLY_POSTS))
    task, _ = park(service)
    stranger = [(name, "eve" if name == "X-User" else value) for name, value in IDENTITY]
    foreign = service.call(Call(target=f"{REQUESTS}/{task}", headers=stranger))
    unknown = service.call(Call(target=f"{REQUESTS}/apr_{'x' * 22}", headers=stranger))
    assert foreign.status == unknown.status == 404
    assert foreign.json() == unknown.json()
    assert foreign.json()["type"] == PREFIX + "unknown_task"


def test_the_requester_cancels_once(build: Build) -> None:
    service = build(approving(ONLY_POSTS))
    task, parked = park(service)
    cancel = Call("POST", parked.json()["task"]["links"]["cancel"], headers=IDENTITY)
    assert service.call(cancel).json()["task"]["status"] == "cancelled"
    again = service.call(cancel)
    assert (again.status, again.json()["type"]) == (409, PREFIX + "invalid_task_state")
    refused = service.call(replay(POST, task))
    assert (refused.status, refused.json()["next_action"]) == (403, "request")


def test_every_refused_replay_says_what_to_do_next(build: Build, enforcer: PolicyEnforcer) -> None:
    service = build(approving())
    task, _ = park(service)
    enforcer.approvals.deny(TENANT, task, DPO, "not today")
    denied = service.call(replay(POST, task)).json()
    assert (denied["reason"], denied["next_action"]) == ("approval_denied", "none")
    assert denied["comment"] == "not today"
    forged = service.call(replay(POST, f"apr_{'x' * 22}")).json()
    assert (forged["reason"], forged["next_action"]) == ("approval_unverifiable", "none")


def test_a_changed_rule_is_asked_about_anew(build: Build, enforcer: PolicyEnforcer) -> None:
    service = build(approving())
    task, _ = park(service)
    enforcer.approvals.approve(TENANT, task, DPO)
    stricter = approving()
    stricter["rules"][0]["approval"]["required"] = 2
    enforcer.publish(TENANT, stricter)
    answer = service.call(replay(POST, task))
    assert answer.status == 202
    assert answer.json()["task"]["id"] != task
    assert answer.json()["task"]["approvals"] == {"required": 2, "received": 0}
    assert not any(entry.startswith("create") for entry in service.journal)


def test_an_attribute_from_a_header_is_part_of_what_was_approved(
    build: Build, enforcer: PolicyEnforcer
) -> None:
    service = build(approving(), attributes={"resource.rows": header("X-Rows")})
    few = Call("POST", "/docs", headers=(*POST.headers, ("X-Rows", "10")), body=POST.body)
    many = Call("POST", "/docs", headers=(*POST.headers, ("X-Rows", "5000")), body=POST.body)
    task, _ = park(service, few)
    enforcer.approvals.approve(TENANT, task, DPO)
    assert service.call(replay(many, task)).status == 422
    assert service.call(replay(POST, task)).status == 422
    assert service.call(replay(few, task)).status == 201


def test_an_attribute_may_be_left_out_of_the_binding(build: Build, enforcer: PolicyEnforcer) -> None:
    service = build(
        approving(),
        attributes={"context.trace": header("X-Trace"), "environment.zone": header("X-Zone")},
        approval_ignores=["context.trace"],
    )
    first = Call("POST", "/docs", headers=(*POST.headers, ("X-Trace", "1"), ("X-Zone", "a")), body=POST.body)
    later = Call("POST", "/docs", headers=(*POST.headers, ("X-Trace", "2"), ("X-Zone", "b")), body=POST.body)
    task, _ = park(service, first)
    enforcer.approvals.approve(TENANT, task, DPO)
    assert service.call(replay(later, task)).status == 201


def test_a_rule_may_demand_people_whom_the_application_has_authenticated(
    build: Build, enforcer: PolicyEnforcer
) -> None:
    policy = approving()
    policy["rules"][0]["approval"]["verified"] = "host"
    service = build(policy)
    task, _ = park(service)
    with pytest.raises(Exception, match="authenticated"):
        enforcer.approvals.approve(TENANT, task, Approver("dana", ("dpo",)))
    assert service.call(replay(POST, task)).status == 202


def test_the_endpoints_describe_themselves(build: Build) -> None:
    service = build(approving(ONLY_POSTS))
    answer = service.call(Call(target="/_policy/openapi.json", headers=IDENTITY))
    assert answer.status == 200
    assert REQUESTS in answer.json()["paths"]
    assert service.call(Call(target="/_policy/openapi.json")).status == 401


def test_the_prefix_takes_the_endpoints_along(build: Build) -> None:
    service = build(approving(), prefix="/gate")
    _, answer = park(service)
    assert (answer.header("location") or "").startswith("/gate/access/v1/requests/")
    assert service.call(Call(target=answer.header("location") or "", headers=IDENTITY)).status == 200
