"""Figures for Prometheus."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from policy_middleware.enforcer import PolicyEnforcer
from policy_middleware.model.errors import SettingsError
from policy_middleware.telemetry.prometheus import exposed, metrics_of
from tests.approvals.parking import BEA, park, use
from tests.conftest import RedisPlace

ALLOWING = {"schema": 1, "default": "allow", "rules": []}
READ = {"tenant": "acme", "action": "read", "subject.id": "ann"}


@pytest.fixture
def registry() -> CollectorRegistry:
    return CollectorRegistry()


@pytest.fixture
def enforcer(registry: CollectorRegistry) -> Iterator[PolicyEnforcer]:
    with opened(registry) as enforcer:
        enforcer.publish("acme", ALLOWING)
        yield enforcer


def opened(registry: CollectorRegistry, url: str = "memory://", **settings: Any) -> PolicyEnforcer:
    return PolicyEnforcer.from_url(
        url,
        **{"decision_log": lambda record: None, "metrics": True, "metrics_registry": registry, **settings},
    )


def figure(registry: CollectorRegistry, name: str, **labels: str) -> float | None:
    """Return a figure as a scrape shows it now."""
    metrics_of(registry).refresh()
    return registry.get_sample_value(name, labels)


def decisions(registry: CollectorRegistry, effect: str, matched: str, **labels: str) -> float | None:
    known = {"effect": effect, "matched": matched, "refusal": "", "enforced": "true", **labels}
    return figure(registry, "policy_decisions_total", **known)


def test_decisions_are_counted_by_what_decided(enforcer: PolicyEnforcer, registry: CollectorRegistry) -> None:
    for _ in range(3):
        enforcer.decide(READ)
    enforcer.decide({**READ, "tenant": "nobody"})
    enforcer.decision_log.flush()
    assert decisions(registry, "allow", "default") == 3
    assert decisions(registry, "deny", "missing_policy") == 1


def test_what_is_evaluated_without_effect_is_not_counted(
    enforcer: PolicyEnforcer, registry: CollectorRegistry
) -> None:
    enforcer.evaluate(READ)
    enforcer.decision_log.flush()
    assert decisions(registry, "allow", "default") is None


def test_tenants_are_told_apart_only_where_asked_and_only_if_they_have_a_document(
    registry: CollectorRegistry,
) -> None:
    with opened(registry, metrics_tenants=True) as enforcer:
        enforcer.publish("acme", ALLOWING)
        enforcer.decide(READ)
        for number in range(20):
            enforcer.decide({**READ, "tenant": f"made-up-{number}"})
        enforcer.decision_log.flush()
    assert decisions(registry, "allow", "default", tenant="acme") == 1
    assert decisions(registry, "deny", "missing_policy", tenant="") == 20
    assert b"made-up" not in generate_latest(registry)


def test_evaluations_are_timed_where_that_is_asked_for(registry: CollectorRegistry) -> None:
    with opened(registry, decision_log_metrics=True) as enforcer:
        enforcer.publish("acme", ALLOWING)
        decision = enforcer.evaluate_timed(enforcer.snapshots.load("acme"), enforcer_context(READ))
        enforcer.decision_log.append(decision, enforcer_context(READ))
        enforcer.decision_log.flush()
        assert figure(registry, "policy_evaluation_duration_seconds_count") == 1


def enforcer_context(context: dict[str, str]) -> Any:
    from policy_middleware.model.context import RequestContext

    return RequestContext.from_mapping(context)


def test_what_is_held_and_refused_shows(enforcer: PolicyEnforcer, registry: CollectorRegistry) -> None:
    enforcer.decide(READ)
    assert figure(registry, "policy_ready") == 1
    assert figure(registry, "policy_store_listening") == 1
    assert figure(registry, "policy_documents", state="in_force") == 1
    assert figure(registry, "policy_revisions_total", outcome="in_force") == 1
    enforcer.publish("acme", {**ALLOWING, "description": "another"})
    assert figure(registry, "policy_revisions_total", outcome="in_force") == 2


def test_a_document_that_is_refused_shows(registry: CollectorRegistry, clean_redis: RedisPlace) -> None:
    with opened(registry, clean_redis.url, key_prefix=clean_redis.key_prefix) as enforcer:
        enforcer.publish("acme", ALLOWING)
        enforcer.decide(READ)
        clean_redis.client.set(clean_redis.keys.doc("acme"), "nonsense")
        from tests.waiting import eventually

        eventually(lambda: figure(registry, "policy_documents", state="rejected") == 1)
        assert figure(registry, "policy_revisions_total", outcome="rejected") == 1
        assert figure(registry, "policy_documents", state="in_force") == 1
        assert (figure(registry, "policy_store_last_success_timestamp_seconds") or 0) > 1e9


@pytest.mark.parametrize("place", ["memory", "redis"])
def test_steps_of_approvals_are_counted(
    place: str, registry: CollectorRegistry, clean_redis: RedisPlace
) -> None:
    url = clean_redis.url if place == "redis" else "memory://"
    with opened(registry, url, key_prefix=clean_redis.key_prefix) as enforcer:
        queue = enforcer.approvals
        task, other = park(queue), park(queue, body="another")
        enforcer._approval_events.flush()
        assert figure(registry, "policy_approvals_open") == 2
        queue.approve("acme", task.id, BEA)
        queue.deny("acme", other.id, BEA, "No.")
        assert use(queue, task).outcome == "ok"
        enforcer._approval_events.flush()
        for transition, number in (("requested", 2), ("approved", 1), ("denied", 1), ("consumed", 1)):
            counted = figure(registry, "policy_approval_transitions_total", transition=transition)
            assert counted == number, transition
        assert figure(registry, "policy_approvals_open") == 0
        assert figure(registry, "policy_approval_wait_seconds_count", outcome="approved") == 1


def test_masks_are_counted(enforcer: PolicyEnforcer, registry: CollectorRegistry) -> None:
    enforcer.decision_log.event("masked", "1", {"count": 3, "entities": {"EMAIL_ADDRESS": 2}})
    enforcer.decision_log.event("mask_failed", "2", {"error": "no"})
    enforcer.decision_log.flush()
    assert figure(registry, "policy_masked_responses_total", outcome="masked") == 1
    assert figure(registry, "policy_masked_responses_total", outcome="failed") == 1
    assert figure(registry, "policy_masked_values_total") == 3
    assert figure(registry, "policy_masked_entities_total", entity="EMAIL_ADDRESS") == 2


def test_a_sink_that_fails_shows(registry: CollectorRegistry, caplog: pytest.LogCaptureFixture) -> None:
    def full(record: object) -> None:
        raise OSError("disk full")

    with opened(registry, decision_log=full) as enforcer:
        enforcer.publish("acme", ALLOWING)
        enforcer.decide(READ)
        enforcer.decision_log.flush()
        assert figure(registry, "policy_decision_log_failing_sinks") == 1
        assert figure(registry, "policy_decision_log_records_total", outcome="failed") == 1
        assert enforcer.status().decision_log.failing[0].startswith("CallableSink")
        assert decisions(registry, "allow", "default") == 1
    assert "disk full" in caplog.text


def test_allows_that_are_not_sampled_show(registry: CollectorRegistry) -> None:
    with opened(registry, decision_log_sample=0.0) as enforcer:
        enforcer.publish("acme", ALLOWING)
        enforcer.decide(READ)
        assert figure(registry, "policy_decision_log_records_total", outcome="sampled_out") == 1


def test_figures_that_cannot_be_kept_harm_no_request(
    enforcer: PolicyEnforcer,
    registry: CollectorRegistry,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def broken(*labels: str) -> object:
        raise OSError("no space left below PROMETHEUS_MULTIPROC_DIR")

    monkeypatch.setattr(metrics_of(registry).decisions, "labels", broken)
    for _ in range(3):
        assert enforcer.decide(READ).allowed
        enforcer.decision_log.flush()
    assert enforcer.status().decision_log.failing == ()
    assert caplog.text.count("metrics failed; requests are decided all the same") == 1


def test_enforcers_of_one_registry_share_its_figures(registry: CollectorRegistry) -> None:
    with opened(registry) as one, opened(registry) as other:
        for enforcer in (one, other):
            enforcer.publish("acme", ALLOWING)
            enforcer.decide(READ)
            enforcer.decision_log.flush()
        assert decisions(registry, "allow", "default") == 2
        assert figure(registry, "policy_documents", state="in_force") == 2
    with pytest.raises(SettingsError, match="metrics_tenants"):
        opened(registry, metrics_tenants=True)


def test_a_scrape_may_ask_for_openmetrics(enforcer: PolicyEnforcer, registry: CollectorRegistry) -> None:
    media_type, text = exposed(registry, "application/openmetrics-text; version=1.0.0")
    assert media_type.startswith("application/openmetrics-text")
    assert text.endswith(b"# EOF\n")


def test_a_registry_has_to_be_one() -> None:
    with pytest.raises(SettingsError, match="metrics_registry"):
        PolicyEnforcer.from_url("memory://", metrics=True, metrics_registry="default")


def test_records_that_hold_nonsense_are_passed_over(
    enforcer: PolicyEnforcer, registry: CollectorRegistry
) -> None:
    enforcer.decision_log.event("masked", "1", {"count": "many", "entities": ["x"]})
    enforcer.decision_log.flush()
    assert figure(registry, "policy_masked_responses_total", outcome="masked") == 1
    assert figure(registry, "policy_masked_values_total") == 0


def test_an_enforcer_that_was_never_asked_ends_without_a_thread(registry: CollectorRegistry) -> None:
    before = threading.active_count()
    opened(registry, "redis://127.0.0.1:1/0").close()
    assert threading.active_count() == before


def test_the_last_enforcer_of_a_registry_ends_its_thread(registry: CollectorRegistry) -> None:
    with opened(registry) as enforcer:
        enforcer.publish("acme", ALLOWING)
        enforcer.decide(READ)
        enforcer.decision_log.flush()
        assert metrics_of(registry).refresher.running
    assert not metrics_of(registry).refresher.running
