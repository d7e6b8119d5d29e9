"""Rules that ask about the past decide alike in every framework, and so do limits."""

from __future__ import annotations

from typing import Any

import pytest

from policy_middleware.approvals import Approver
from policy_middleware.enforcer import PolicyEnforcer
from policy_middleware.model.errors import StoreUnavailable

from .conftest import Build, Records
from .harness import Call, Service
from .policies import IDENTITY, TENANT

LOCKED: dict[str, Any] = {
    "id": "locked",
    "when": {"count": {"effect": "deny", "per": ["subject.id"], "within": "1h", "gte": 3}},
    "effect": "deny",
    "reason": "Too many refused attempts.",
}
READERS: dict[str, Any] = {
    "id": "readers",
    "when": {"http.path": {"prefix": "/docs"}, "http.method": {"in": ["GET", "HEAD"]}},
    "effect": "allow",
    "reason": "Readers read.",
}
TWICE: dict[str, Any] = READERS | {
    "id": "twice",
    "limit": {"per": ["subject.id"], "within": "24h", "max": 2},
}
READ = Call(target="/docs/7", headers=IDENTITY)
FORBIDDEN = Call("POST", "/docs", headers=IDENTITY, body=(b"x",))


def policy(*rules: dict[str, Any]) -> dict[str, Any]:
    return {"schema": 1, "default": "deny", "rules": list(rules)}


def statuses(service: Service, *calls: Call) -> list[int | None]:
    return [service.call(call).status for call in calls]


def test_three_refused_attempts_lock_out(build: Build, records: Records) -> None:
    service = build(policy(LOCKED, READERS))
    assert statuses(service, READ, FORBIDDEN, FORBIDDEN, READ, FORBIDDEN, READ) == [
        200,
        403,
        403,
        200,
        403,
        403,
    ]
    assert service.call(READ).json()["detail"] == "Too many refused attempts."
    other = [(name, "eve" if name == "X-User" else value) for name, value in IDENTITY]
    assert service.call(Call(target="/docs/7", headers=other)).status == 200
    assert [record["rule"] for record in records.decisions()][-3:] == ["locked", "locked", "readers"]


def test_a_limit_lets_so_many_through(build: Build) -> None:
    service = build(policy(TWICE))
    assert statuses(service, READ, READ, READ) == [200, 200, 403]
    assert service.journal.count("read 7") == 2


def test_head_takes_a_place_like_get(build: Build) -> None:
    service = build(policy(TWICE))
    head = Call("HEAD", "/docs/7", headers=IDENTITY)
    assert statuses(service, head, READ, head) == [200, 200, 403]


def test_refusals_and_exempt_paths_are_not_counted(build: Build) -> None:
    service = build(policy(LOCKED, READERS))
    nobody = [(name, value) for name, value in IDENTITY if name != "X-User"]
    refused = Call(target="/docs/7", headers=nobody)
    assert statuses(service, refused, refused, refused) == [401] * 3
    assert statuses(service, *[Call(target="/healthz")] * 3) == [200] * 3
    assert service.call(READ).status == 200


def test_observing_counts_and_lets_everything_pass(build: Build, records: Records) -> None:
    service = build(policy(LOCKED, TWICE), mode="observe")
    assert statuses(service, READ, READ, READ, READ, READ, READ) == [200] * 6
    assert [record["rule"] for record in records.decisions()] == ["twice"] * 2 + [None] * 3 + ["locked"]


def test_an_approved_request_takes_its_place_when_it_runs(build: Build, enforcer: PolicyEnforcer) -> None:
    four_eyes = {"id": "ask", "when": {}, "effect": "require_approval", "reason": "Ask."}
    enforcer.publish("_global", {"rules": [four_eyes]})
    service = build(policy(TWICE))

    def approved() -> Call:
        task = service.call(READ).json()["task"]["id"]
        enforcer.approvals.approve(TENANT, task, Approver("dana", ("dpo",)))
        return Call(target=READ.target, headers=(*IDENTITY, ("X-Approval-Id", task)))

    assert statuses(service, READ, READ, READ, READ) == [202] * 4
    first = approved()
    assert statuses(service, first, first) == [200, 409]
    second, third = approved(), None
    assert service.call(second).status == 200
    third = service.call(READ)
    assert third.status == 403, "both places are taken, so the default denies"


def test_counters_that_cannot_be_reached_restrict(
    build: Build, enforcer: PolicyEnforcer, records: Records, monkeypatch: pytest.MonkeyPatch
) -> None:
    service = build(policy(LOCKED, READERS))
    assert service.call(READ).status == 200
    monkeypatch.setattr(enforcer, "_counters", Unreachable())
    answer = service.call(READ)
    assert (answer.status, answer.json()["detail"]) == (403, "Too many refused attempts.")
    assert records.decisions()[-1]["indeterminate"] is True


class Unreachable:
    def read(self, *args: object) -> list[int]:
        raise StoreUnavailable("gone")

    def write(self, *args: object) -> None:
        raise StoreUnavailable("gone")

    withdraw = write
