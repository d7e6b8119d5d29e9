"""Faults, and odd installations: nothing passes undecided."""

from __future__ import annotations

import pytest

from policy_middleware.enforcer import PolicyEnforcer
from policy_middleware.model.errors import SettingsError, StoreUnavailable

from .conftest import Build, Records
from .harness import Adapter, Call, Setup
from .policies import ALLOW_ALL, DENY_ALL, IDENTITY, SOURCES, TENANT


def test_a_store_that_is_away_refuses_with_503(
    build: Build, enforcer: PolicyEnforcer, monkeypatch: pytest.MonkeyPatch, records: Records
) -> None:
    def away(tenant: str) -> object:
        raise StoreUnavailable("the store is away")

    monkeypatch.setattr(enforcer.snapshots, "load", away)
    service = build()
    answer = service.call(Call(target="/docs/7", headers=IDENTITY))
    assert answer.status == 503
    assert answer.header("retry-after") is not None
    assert answer.header("x-policy-decision-id") is not None
    assert service.journal in ([], [f"received {len(answer.body)}"])
    assert len(records.decisions()) == 1


def test_a_new_policy_decides_the_very_next_request(build: Build, enforcer: PolicyEnforcer) -> None:
    service = build(ALLOW_ALL)
    assert service.call(Call(target="/docs/7", headers=IDENTITY)).status == 200
    enforcer.publish(TENANT, DENY_ALL)
    assert service.call(Call(target="/docs/7", headers=IDENTITY)).status == 403


def test_a_global_guardrail_holds_for_every_tenant(build: Build, enforcer: PolicyEnforcer) -> None:
    rule = {"id": "off", "when": {}, "effect": "deny", "reason": "Everything is off."}
    enforcer.publish("_global", {"schema": 1, "rules": [rule]})
    answer = build(ALLOW_ALL).call(Call(target="/docs/7", headers=IDENTITY))
    assert (answer.status, answer.json()["detail"]) == (403, "Everything is off.")


def test_installed_twice_with_one_enforcer_it_decides_once(
    build: Build, enforcer: PolicyEnforcer, records: Records
) -> None:
    service = build(ALLOW_ALL, setup_second={"enforcer": enforcer, **SOURCES})
    answer = service.call(Call(target="/docs/7", headers=IDENTITY))
    assert answer.status == 200
    assert answer.header("x-policy-decision-id") is not None
    assert len(records.decisions()) == 1


@pytest.mark.parametrize(("outer", "status"), [(ALLOW_ALL, 200), (DENY_ALL, 403)])
def test_two_enforcers_both_decide(
    build: Build, records: Records, outer: dict[str, object], status: int
) -> None:
    second = Records()
    try:
        second.enforcer.publish(TENANT, outer)
        service = build(ALLOW_ALL, setup_second={"enforcer": second.enforcer, **SOURCES})
        answer = service.call(Call(target="/docs/7", headers=IDENTITY))
        assert answer.status == status
        sent = [value for name, value in answer.headers if name == "x-policy-decision-id"]
        ids = ", ".join(sent).split(", ")
        assert len(ids) == len(records.decisions()) + len(second.decisions())
        assert ids[0] == (records if records.decisions() else second).decisions()[0]["decision_id"]
        assert len(second.decisions()) == 1
        assert len(records.decisions()) <= 1
        assert ("read 7" in service.journal) == (status == 200)
    finally:
        second.enforcer.close()


def test_what_answers_around_the_router_is_decided_or_held_back(build: Build, adapter: Adapter) -> None:
    service = build(ALLOW_ALL, setup_short_circuit=True)
    answer = service.call(Call(target="/short-circuit", headers=IDENTITY))
    assert answer.status == adapter.expects.undecided_bypass
    assert (b"bypass" in answer.body) == (answer.status == 200)


def test_what_answers_around_the_router_never_leaves_when_everything_is_denied(build: Build) -> None:
    service = build(DENY_ALL, setup_short_circuit=True)
    answer = service.call(Call(target="/short-circuit", headers=IDENTITY))
    assert answer.status in (403, 404, 500)
    assert b"bypass" not in answer.body


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"tenant": None}, "tenant"),
        ({"tenannt": "x"}, "tenannt"),
        ({"mode": "watch"}, "mode"),
        ({"exempt": ["/"]}, "exempt"),
        ({"attributes": {"tenant": lambda request: "x"}}, "tenant"),
    ],
)
def test_settings_that_cannot_work_say_so_before_the_first_answer(
    adapter: Adapter, enforcer: PolicyEnforcer, wrong: dict[str, object], sentence: str
) -> None:
    options = {"enforcer": enforcer, **SOURCES, **wrong}
    setup = Setup({name: value for name, value in options.items() if value is not None})
    with pytest.raises(SettingsError, match=sentence):
        # Frameworks that build their middlewares late say so at the first request at the latest.
        _first_answer(adapter, setup)


def _first_answer(adapter: Adapter, setup: Setup) -> None:
    service = adapter.build(setup)
    try:
        answer = service.call(Call(target="/docs/7", headers=IDENTITY))
    finally:
        service.close()
    if answer.error is not None:
        raise answer.error


def test_clients_that_leave_early_do_no_harm(build: Build, adapter: Adapter) -> None:
    service = build(ALLOW_ALL)
    service.call(Call("POST", "/docs", headers=IDENTITY, body=(b"half",), leaves=True))
    assert ("create half" not in service.journal) == adapter.expects.interrupted_body_is_seen
    assert service.call(Call("POST", "/docs", headers=IDENTITY, body=(b"whole",))).body == b"whole"
