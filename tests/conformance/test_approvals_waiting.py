"""A client may wait for the decision within its request; where there is an event loop, it is held."""

from __future__ import annotations

import threading

import pytest

from policy_middleware import waiting
from policy_middleware.approvals import Approver
from policy_middleware.enforcer import PolicyEnforcer
from tests.waiting import eventually

from .conftest import Build, Records
from .harness import Call
from .policies import IDENTITY, TENANT, approving
from .test_approvals import DPO, POST, park

WAITING = Call("POST", "/docs", headers=(*POST.headers, ("Prefer", "wait=20")), body=POST.body)


def test_a_client_that_waits_is_answered_by_the_handler_once_people_agree(
    build: Build, enforcer: PolicyEnforcer, records: Records
) -> None:
    service = build(approving())

    def approve() -> None:
        [task] = eventually(lambda: enforcer.approvals.list(TENANT).tasks)
        enforcer.approvals.approve(TENANT, task.id, DPO)

    person = threading.Thread(target=approve)
    person.start()
    answer = service.call(WAITING)
    person.join()
    if answer.header("preference-applied") is None:
        assert answer.status == 202  # a server without an event loop answers at once
        return
    assert (answer.status, answer.body) == (201, b"pay 42")
    assert answer.header("preference-applied") == "wait=20"
    assert service.journal.count("create pay 42") == 1
    assert len(records.decisions()) == 1
    assert enforcer.approval_hub.waiting == 0


def test_a_client_that_waits_learns_of_a_denial(build: Build, enforcer: PolicyEnforcer) -> None:
    service = build(approving())

    def deny() -> None:
        [task] = eventually(lambda: enforcer.approvals.list(TENANT).tasks)
        enforcer.approvals.deny(TENANT, task.id, DPO, "not today")

    person = threading.Thread(target=deny)
    person.start()
    answer = service.call(WAITING)
    person.join()
    if answer.header("preference-applied") is not None:
        assert (answer.status, answer.json()["comment"]) == (403, "not today")
        assert answer.json()["reason"] == "approval_denied"
    assert not any(entry.startswith("create") for entry in service.journal)


def test_waiting_ends_with_the_setting_and_the_task_stays(build: Build, enforcer: PolicyEnforcer) -> None:
    service = build(approving(), max_wait=0.05)
    answer = service.call(WAITING)
    assert answer.status == 202
    assert answer.header("preference-applied") in (None, "wait=0")
    assert enforcer.approval_hub.waiting == 0


def test_nobody_waits_where_that_is_switched_off(build: Build) -> None:
    service = build(approving(), max_wait=0)
    answer = service.call(WAITING)
    assert (answer.status, answer.header("preference-applied")) == (202, None)


def test_the_status_of_a_task_can_be_waited_for(build: Build, enforcer: PolicyEnforcer) -> None:
    service = build(approving({"http.method": "POST"}))
    task, parked = park(service)
    person = threading.Timer(0.05, enforcer.approvals.approve, (TENANT, task, DPO))
    person.start()
    target = parked.header("location") or ""
    answer = service.call(Call(target=target, headers=(*IDENTITY, ("Prefer", "wait=20"))))
    person.join()
    assert answer.status == 200
    if answer.header("preference-applied") is not None:
        assert answer.json()["task"]["status"] == "approved"
        assert answer.json()["result"]["approval"]["id"] == task
    assert enforcer.approval_hub.waiting == 0


def test_two_people_are_waited_for_where_two_are_needed(build: Build, enforcer: PolicyEnforcer) -> None:
    policy = approving()
    policy["rules"][0]["approval"]["required"] = 2
    service = build(policy)

    def approve() -> None:
        [task] = eventually(lambda: enforcer.approvals.list(TENANT).tasks)
        enforcer.approvals.approve(TENANT, task.id, DPO)
        enforcer.approvals.approve(TENANT, task.id, Approver("otto", ("dpo",)))

    person = threading.Thread(target=approve)
    person.start()
    answer = service.call(WAITING)
    person.join()
    assert answer.status in (201, 202)
    assert service.journal.count("create pay 42") == (1 if answer.status == 201 else 0)


def test_no_more_clients_are_held_than_a_process_can_bear(
    build: Build, enforcer: PolicyEnforcer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waiting, "MAX_WAITING", 0)
    answer = build(approving()).call(WAITING)
    assert (answer.status, answer.header("preference-applied")) == (202, None)
    assert len(enforcer.approvals.list(TENANT).tasks) == 1
