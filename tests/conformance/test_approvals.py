"""A request that needs approval is parked, and runs once when it was approved."""

from __future__ import annotations

from typing import Any

import pytest

from policy_middleware.approvals import Approver
from policy_middleware.enforcer import PolicyEnforcer

from .conftest import Build, Records
from .harness import Answer, Call, Service
from .policies import ALLOW_ALL, DENY_ALL, IDENTITY, TENANT, approving, only

POST = Call("POST", "/docs", headers=(*IDENTITY, ("Content-Type", "text/plain")), body=(b"pay ", b"42"))
DPO = Approver("dana", ("dpo",))


def replay(call: Call, task: str) -> Call:
    return Call(
        call.method,
        call.target,
        call.query,
        (*call.headers, ("X-Approval-Id", task)),
        call.body,
        call.root_path,
    )


def park(service: Service, call: Call = POST) -> tuple[str, Answer]:
    answer = service.call(call)
    assert answer.status == 202, answer.body
    return answer.json()["task"]["id"], answer


def test_a_parked_request_says_where_to_wait_and_does_not_run(build: Build, records: Records) -> None:
    service = build(approving())
    task, answer = park(service)
    document: dict[str, Any] = answer.json()
    assert document["task"]["status"] == "pending"
    assert document["task"]["approvals"] == {"required": 1, "received": 0}
    assert answer.header("location") == document["task"]["status_endpoint"]
    assert answer.header("x-approval-id") == task
    assert answer.header("retry-after") is not None
    assert answer.header("cache-control") == "no-store"
    assert not any(entry.startswith("create") for entry in service.journal)
    assert len(records.decisions()) == 1


def test_the_status_endpoint_is_for_the_requester_only(build: Build) -> None:
    service = build(approving({"http.method": "POST"}))
    task, answer = park(service)
    target = answer.header("location") or ""
    status = service.call(Call(target=target, headers=IDENTITY))
    assert (status.status, status.json()["task"]["id"]) == (200, task)
    stranger = [(name, "eve" if name == "X-User" else value) for name, value in IDENTITY]
    assert service.call(Call(target=target, headers=stranger)).status == 404
    assert service.call(Call(target=target)).status == 401


def test_links_of_a_parked_request_respect_the_root_path(build: Build) -> None:
    service = build(approving())
    call = Call("POST", "/docs", headers=POST.headers, body=POST.body, root_path="/api")
    _, answer = park(service, call)
    assert (answer.header("location") or "").startswith("/api/_policy/")


def test_links_are_never_made_of_the_host_header(build: Build) -> None:
    service = build(approving())
    _, answer = park(
        service, Call("POST", "/docs", headers=(*POST.headers, ("Host", "evil.example")), body=POST.body)
    )
    assert b"evil.example" not in answer.body
    assert "evil.example" not in (answer.header("location") or "")


def test_the_same_request_repeated_is_the_same_task(build: Build) -> None:
    service = build(approving())
    first, _ = park(service)
    assert park(service)[0] == first
    differently_split = Call("POST", "/docs", headers=POST.headers, body=(b"pay 42",))
    assert park(service, differently_split)[0] == first


def test_an_approved_replay_runs_once_with_its_body(build: Build, enforcer: PolicyEnforcer) -> None:
    service = build(approving())
    task, _ = park(service)
    enforcer.approvals.approve(TENANT, task, DPO)
    answer = service.call(replay(POST, task))
    assert (answer.status, answer.body) == (201, b"pay 42")
    assert service.journal.count("create pay 42") == 1
    again = service.call(replay(POST, task))
    assert again.status == 409
    assert service.journal.count("create pay 42") == 1


def test_a_replay_that_is_still_pending_waits_on(build: Build) -> None:
    service = build(approving())
    task, _ = park(service)
    answer = service.call(replay(POST, task))
    assert (answer.status, answer.json()["task"]["id"]) == (202, task)


@pytest.mark.parametrize(
    "other",
    [
        Call("POST", "/docs", headers=POST.headers, body=(b"pay 43",)),
        Call("POST", "/docs", query="x=1", headers=POST.headers, body=POST.body),
        Call(
            "POST",
            "/docs",
            headers=[(name, "eve" if name == "X-User" else value) for name, value in POST.headers],
            body=POST.body,
        ),
    ],
    ids=["body", "query", "subject"],
)
def test_an_approval_is_good_for_its_own_request_only(
    build: Build, enforcer: PolicyEnforcer, other: Call
) -> None:
    service = build(approving())
    task, _ = park(service)
    enforcer.approvals.approve(TENANT, task, DPO)
    assert service.call(replay(other, task)).status == 422
    assert not any(entry.startswith("create") for entry in service.journal)
    assert service.call(replay(POST, task)).status == 201


def test_a_denied_approval_is_a_denial(build: Build, enforcer: PolicyEnforcer) -> None:
    service = build(approving())
    task, _ = park(service)
    enforcer.approvals.deny(TENANT, task, DPO, "not today")
    assert service.call(replay(POST, task)).status == 403


def test_an_approval_given_while_a_replay_is_looked_at_is_used(
    build: Build, enforcer: PolicyEnforcer, monkeypatch: pytest.MonkeyPatch
) -> None:
    service = build(approving())
    task, _ = park(service)
    queue = enforcer.approvals
    get = queue.get

    def get_and_approve(tenant: str, task_id: str) -> object:
        found = get(tenant, task_id)
        monkeypatch.undo()
        queue.approve(TENANT, task, DPO)
        return found

    monkeypatch.setattr(queue, "get", get_and_approve)
    answer = service.call(replay(POST, task))
    assert (answer.status, answer.body) == (201, b"pay 42")


def test_a_deny_on_reevaluation_wins_over_an_approval(build: Build, enforcer: PolicyEnforcer) -> None:
    service = build(approving())
    task, _ = park(service)
    enforcer.approvals.approve(TENANT, task, DPO)
    enforcer.publish(TENANT, DENY_ALL)
    assert service.call(replay(POST, task)).status in (403, 404)
    assert not any(entry.startswith("create") for entry in service.journal)


def test_a_deny_on_reevaluation_says_what_the_profile_asks_for(
    build: Build, enforcer: PolicyEnforcer
) -> None:
    service = build(approving())
    task, _ = park(service)
    enforcer.approvals.approve(TENANT, task, DPO)
    enforcer.publish(TENANT, {**approving(), **only("deny", {"http.method": "POST"})})
    answer = service.call(replay(POST, task)).json()
    assert (answer["reason"], answer["next_action"]) == ("policy_denied", "none")
    assert answer["detail"] == "Because the rule says so."
    assert "next_action" not in service.call(POST).json()


@pytest.mark.parametrize(
    ("document", "path", "shown"),
    [
        ({"fields": {"token": "redact"}}, ("/docs", "token=s3cret&page=2"), ("/docs", "page=2")),
        ({"entities": {"EMAIL_ADDRESS": "redact"}}, ("/docs", "to=bea@example.com"), ("/docs", "to=")),
    ],
)
def test_what_masks_hide_is_not_stored_with_a_parked_request_and_still_binds_it(
    build: Build,
    enforcer: PolicyEnforcer,
    document: dict[str, Any],
    path: tuple[str, str],
    shown: tuple[str, str],
) -> None:
    policy = approving({"http.method": "POST"})
    policy["rules"].append(
        {
            "id": "hides",
            "when": {"http.method": "GET"},
            "effect": "mask",
            "reason": "Hidden.",
            "mask": document,
        }
    )
    service = build(policy)
    call = Call("POST", path[0], path[1], POST.headers, POST.body)
    task, _ = park(service, call)
    stored = enforcer.approvals.get(TENANT, task)
    assert stored is not None
    assert "s3cret" not in repr(stored)
    assert "bea@example.com" not in repr(stored)
    assert stored.summary.path == shown[0]
    assert shown[1] in stored.summary.query
    enforcer.approvals.approve(TENANT, task, DPO)
    other = Call("POST", path[0], path[1] + "x", POST.headers, POST.body)
    assert service.call(replay(other, task)).status == 422
    assert service.call(replay(call, task)).status == 201


def test_a_body_too_long_to_be_bound_is_refused(build: Build) -> None:
    service = build(approving(), max_body=10)
    answer = service.call(Call("POST", "/docs", headers=POST.headers, body=(b"x" * 6, b"y" * 6)))
    assert answer.status == 413
    assert not any(entry.startswith("create") for entry in service.journal)


def test_a_declared_length_that_is_too_long_is_refused_unread(build: Build) -> None:
    service = build(approving(), max_body=10)
    headers = (*POST.headers, ("Content-Length", "9" * 5000))
    answer = service.call(Call("POST", "/docs", headers=headers, body=(b"x",)))
    assert answer.status in (400, 413)


def test_a_client_that_leaves_before_its_body_ended_is_not_parked(
    build: Build, enforcer: PolicyEnforcer
) -> None:
    service = build(approving())
    service.call(Call("POST", "/docs", headers=POST.headers, body=(b"pay ",), leaves=True))
    assert not any(entry.startswith("create") for entry in service.journal)
    assert park(service)[0]


def test_requests_that_need_no_approval_keep_their_stream(build: Build) -> None:
    service = build(ALLOW_ALL, max_body=1)
    assert (
        service.call(Call("POST", "/docs", headers=IDENTITY, body=(b"long ", b"body"))).body == b"long body"
    )
