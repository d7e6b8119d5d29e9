"""What machines that watch are told, and that every decided response names its decision."""

from __future__ import annotations

import pytest

from policy_middleware.enforcer import PolicyEnforcer
from policy_middleware.model.errors import SettingsError, StoreUnavailable
from policy_middleware.stores.freshness import Unready

from .conftest import Build, Records
from .harness import Adapter, Answer, Call, Service, Setup
from .policies import ALLOW_ALL, DENY_ALL, IDENTITY, SOURCES, TENANT, approving, masking

READINESS = Call(target="/_policy/readyz")
BROKEN = {"schema": 1, "rules": [{"id": "x", "when": {}, "effect": "explode", "reason": "No."}]}


def test_a_process_that_answers_is_healthy_whoever_asks(build: Build, records: Records) -> None:
    service = build(DENY_ALL)
    answer = service.call(Call(target="/_policy/healthz"))
    assert (answer.status, answer.json()) == (200, {"status": "ok"})
    assert answer.header("cache-control") == "no-store"
    assert records.decisions() == []


def test_a_process_that_can_decide_is_ready_and_names_no_tenant(build: Build) -> None:
    service = build(ALLOW_ALL)
    service.call(Call(target="/docs/7", headers=IDENTITY))
    answer = service.call(READINESS)
    assert answer.status == 200
    said = answer.json()
    assert (said["status"], said["listener"], said["documents"]) == (
        "ready",
        "synced",
        {"in_force": 1, "rejected": 0},
    )
    assert TENANT.encode() not in answer.body


def test_a_probe_needs_no_request_before_it(build: Build) -> None:
    assert build().call(READINESS).status == 200


def test_a_head_probe_has_no_body_and_others_are_refused(build: Build) -> None:
    service = build(ALLOW_ALL)
    head = service.call(Call("HEAD", "/_policy/readyz"))
    assert (head.status, head.body) == (200, b"")
    assert service.call(Call("POST", "/_policy/readyz")).status == 405


def test_who_may_see_everything_sees_each_revision(build: Build, enforcer: PolicyEnforcer) -> None:
    service = build(expose="debug")
    stored = enforcer.publish(TENANT, ALLOW_ALL)
    service.call(Call(target="/docs/7", headers=IDENTITY))
    said = service.call(READINESS).json()
    assert said["revisions"][TENANT]["revision"] == stored.revision


def test_a_process_is_not_ready_while_nothing_can_be_decided(
    build: Build, enforcer: PolicyEnforcer, monkeypatch: pytest.MonkeyPatch
) -> None:
    unready = Unready("store unavailable", "redis://secret-host:6379 is away")
    monkeypatch.setattr(enforcer.snapshots, "unready", lambda patience: unready)
    answer = build(ALLOW_ALL).call(READINESS)
    assert (answer.status, answer.json()["because"]) == (503, "store unavailable")
    assert b"secret-host" not in answer.body
    assert b"secret-host" in build(ALLOW_ALL, expose="debug").call(READINESS).body
    assert build(ALLOW_ALL, mode="observe").call(READINESS).status == 200
    assert build(ALLOW_ALL).call(Call(target="/_policy/healthz")).status == 200


@pytest.mark.parametrize(
    "path", ["/_policy/healthz/", "/_policy/readyz/x", "/_policy/healthzz", "/_policy/metrics"]
)
def test_what_only_looks_like_a_probe_needs_an_identity(build: Build, path: str) -> None:
    assert build(ALLOW_ALL).call(Call(target=path)).status in (400, 401)


def test_figures_are_served_only_where_that_is_asked_for(adapter: Adapter, enforcer: PolicyEnforcer) -> None:
    def serve() -> None:
        service = adapter.build(Setup({"enforcer": enforcer, **SOURCES, "metrics_page": True}))
        # Starlette makes its middlewares with the first request.
        raise service.call(READINESS).error or AssertionError("it answers")

    with pytest.raises(SettingsError, match="metrics_page"):
        serve()


def test_figures_are_served_under_the_prefix(adapter: Adapter) -> None:
    from prometheus_client import CollectorRegistry

    registry = CollectorRegistry()
    with PolicyEnforcer.from_url("memory://", metrics=True, metrics_registry=registry) as enforcer:
        enforcer.publish(TENANT, ALLOW_ALL)
        service = adapter.build(Setup({"enforcer": enforcer, **SOURCES, "metrics_page": True}))
        try:
            service.call(Call(target="/docs/7", headers=IDENTITY))
            service.call(Call(target="/docs/7"))
            enforcer.decision_log.flush()
            answer = service.call(Call(target="/_policy/metrics"))
        finally:
            service.close()
    assert answer.status == 200
    text = answer.body.decode()
    assert 'policy_decisions_total{effect="allow",enforced="true",matched="default",refusal=""} 1.0' in text
    assert 'effect="deny",enforced="true",matched="refusal",refusal="' in text
    assert "policy_ready 1.0" in text
    assert (answer.header("content-type") or "").startswith("text/plain")


def names_its_decision(answer: Answer, records: Records) -> bool:
    """Tell whether a response names the decision that the log has of it."""
    known = [record["decision_id"] for record in records.decisions()]
    return answer.header("x-policy-decision-id") in known


def ask(service: Service, target: str = "/docs/7", method: str = "GET", **more: object) -> Answer:
    return service.call(Call(method, target, headers=IDENTITY, **more))  # type: ignore[arg-type]  # of the tests


@pytest.mark.parametrize(
    ("document", "target", "status"),
    [
        (ALLOW_ALL, "/docs/7", 200),
        (ALLOW_ALL, "/stream", 200),
        (DENY_ALL, "/docs/7", 403),
        (masking(), "/docs/7", 200),
        (masking(), "/picture", 502),
        (approving(), "/docs/7", 202),
    ],
    ids=["allowed", "streamed", "denied", "masked", "unmaskable", "parked"],
)
def test_every_decided_response_names_its_decision(
    build: Build, records: Records, document: dict[str, object], target: str, status: int
) -> None:
    answer = ask(build(document), target)
    assert answer.status == status
    assert names_its_decision(answer, records)


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ((), 401),
        (IDENTITY[1:], 400),
        ((*IDENTITY, ("X-Tenant-ID", "other")), 400),
    ],
    ids=["nobody", "no tenant", "two tenants"],
)
def test_a_refusal_before_the_policy_names_its_decision(
    build: Build, records: Records, headers: tuple[tuple[str, str], ...], status: int
) -> None:
    answer = build(ALLOW_ALL).call(Call(target="/docs/7", headers=headers))
    assert answer.status == status
    assert names_its_decision(answer, records)


def test_a_refusal_without_a_store_names_its_decision(
    build: Build, records: Records, enforcer: PolicyEnforcer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(tenant: str) -> object:
        raise StoreUnavailable("the store is away")

    monkeypatch.setattr(enforcer.snapshots, "load", away)
    answer = ask(build())
    assert answer.status == 503
    assert names_its_decision(answer, records)


def test_the_error_of_a_handler_names_its_decision_where_a_middleware_sees_the_answer(
    build: Build, adapter: Adapter, records: Records
) -> None:
    answer = ask(build(ALLOW_ALL), "/raise")
    assert len(records.decisions()) == 1
    if answer.error is not None:  # whoever is outside every middleware answers, if anybody does
        assert adapter.expects.raises
        return
    assert answer.status == 500
    assert names_its_decision(answer, records)


def test_an_own_page_that_refuses_names_its_decision(build: Build, records: Records) -> None:
    answer = build(ALLOW_ALL).call(Call(target="/_policy/access-requests/x"))
    assert answer.status == 401
    assert names_its_decision(answer, records)


def test_the_callers_trace_reaches_the_handler_and_the_record(adapter: Adapter) -> None:
    trace, span = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
    written: list[object] = []
    with PolicyEnforcer.from_url(
        "memory://", decision_log=written.append, decision_log_trace="traceparent"
    ) as enforcer:
        enforcer.publish(TENANT, ALLOW_ALL)
        service = adapter.build(Setup({"enforcer": enforcer, **SOURCES}))
        try:
            headers = (*IDENTITY, ("traceparent", f"00-{trace}-{span}-01"))
            assert service.call(Call(target="/docs/7", headers=headers)).status == 200
        finally:
            service.close()
        enforcer.decision_log.flush()
    (record,) = written
    assert isinstance(record, dict)
    assert (record["trace_id"], record["span_id"]) == (trace, span)
