"""Decisions, spans and figures for OpenTelemetry."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.metrics import MeterProvider as MeterProviderApi
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from policy_middleware.decision_log.observing import observers
from policy_middleware.enforcer import PolicyEnforcer
from tests.approvals.parking import park

ALLOWING = {"schema": 1, "default": "allow", "rules": []}
READ = {"tenant": "acme", "action": "read", "subject.id": "ann"}


@pytest.fixture
def spans(monkeypatch: pytest.MonkeyPatch) -> Iterator[InMemorySpanExporter]:
    """What is exported by a provider of this test's own."""
    exporter, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr(trace, "get_tracer", provider.get_tracer)
    yield exporter
    provider.shutdown()


@pytest.fixture
def reader(monkeypatch: pytest.MonkeyPatch) -> Iterator[InMemoryMetricReader]:
    """What a provider of this test's own measures."""
    reader = InMemoryMetricReader()
    provider: MeterProviderApi = MeterProvider([reader])
    monkeypatch.setattr("opentelemetry.metrics.get_meter", provider.get_meter)
    yield reader
    reader.shutdown()


@pytest.fixture
def enforcer(spans: InMemorySpanExporter, reader: InMemoryMetricReader) -> Iterator[PolicyEnforcer]:
    with PolicyEnforcer.from_url(
        "memory://", decision_log=lambda record: None, opentelemetry=True
    ) as enforcer:
        enforcer.publish("acme", ALLOWING)
        yield enforcer


def finished(spans: InMemorySpanExporter, name: str) -> list[ReadableSpan]:
    return [span for span in spans.get_finished_spans() if span.name == name]


def measured(reader: InMemoryMetricReader) -> dict[str, list[tuple[dict[str, Any], Any]]]:
    data: Any = reader.get_metrics_data()
    return {
        metric.name: [(dict(point.attributes), point.value) for point in metric.data.data_points]
        for resource in data.resource_metrics
        for scope in resource.scope_metrics
        for metric in scope.metrics
        if metric.data.data_points and hasattr(metric.data.data_points[0], "value")
    }


def test_a_decision_is_an_event_on_the_current_span(
    enforcer: PolicyEnforcer, spans: InMemorySpanExporter
) -> None:
    with trace.get_tracer("app").start_as_current_span("GET /docs"):
        decision = enforcer.decide(READ)
    (span,) = finished(spans, "GET /docs")
    (event,) = span.events
    assert event.name == "policy.evaluation"
    said = dict(event.attributes or {})
    assert said["policy.decision.id"] == decision.decision_id
    assert (said["policy.effect"], said["policy.result.reason"]) == ("allow", "default")
    assert (said["policy.set.id"], said["policy.action"]) == ("acme", "read")
    assert said["policy.version"] == decision.revisions["acme"]
    assert "ann" not in str(said)
    assert (span.attributes or {})["policy.decision.id"] == decision.decision_id


def test_without_a_span_nothing_is_added(enforcer: PolicyEnforcer, spans: InMemorySpanExporter) -> None:
    assert enforcer.decide(READ).allowed
    assert all(not span.events for span in spans.get_finished_spans())


def test_loading_documents_is_a_span_and_deciding_is_none(
    enforcer: PolicyEnforcer, spans: InMemorySpanExporter
) -> None:
    for _ in range(3):
        enforcer.decide(READ)
    (span,) = finished(spans, "policy.load")
    assert dict(span.attributes or {}) == {"policy.set.id": "acme"}
    assert len(spans.get_finished_spans()) == 1


def test_figures_are_measured(enforcer: PolicyEnforcer, reader: InMemoryMetricReader) -> None:
    enforcer.decide(READ)
    enforcer.decide({**READ, "tenant": "nobody"})
    enforcer.decision_log.event("masked", "1", {"count": 3, "entities": {"EMAIL_ADDRESS": 2}})
    enforcer.decision_log.event("mask_failed", "1", {})
    enforcer.decision_log.flush()
    park(enforcer.approvals)
    enforcer._approval_events.flush()
    found = measured(reader)
    decisions = {
        (one["policy.effect"], one["policy.result.reason"]): number
        for one, number in found["policy.decisions"]
    }
    assert decisions == {("allow", "default"): 1, ("deny", "missing_policy"): 1}
    assert all("policy.set.id" not in one for one, _ in found["policy.decisions"])
    assert found["policy.masked.values"] == [({}, 3)]
    assert found["policy.approval.transitions"] == [({"transition": "requested"}, 1)]
    assert found["policy.ready"] == [({}, 1.0)]
    assert ({"outcome": "lost"}, 0) in found["policy.decision_log.records"]
    assert ({"outcome": "in_force"}, 1) in found["policy.revisions"]


def test_nothing_is_observed_where_it_is_not_asked_for() -> None:
    before = len(observers)
    with PolicyEnforcer.from_url("memory://", decision_log=lambda record: None) as enforcer:
        enforcer.publish("acme", ALLOWING)
        enforcer.decide(READ)
        assert len(observers) <= before


def test_what_cannot_be_told_harms_no_request(
    enforcer: PolicyEnforcer,
    spans: InMemorySpanExporter,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def broken(*arguments: object, **more: object) -> object:
        raise RuntimeError("an exporter that raises")

    monkeypatch.setattr("opentelemetry.sdk.trace.Span.add_event", broken)
    with trace.get_tracer("app").start_as_current_span("GET /docs"):
        assert enforcer.decide(READ).allowed
    assert "tracing failed" in caplog.text
