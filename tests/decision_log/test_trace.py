from __future__ import annotations

import json

import pytest
from opentelemetry import _logs
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import InMemoryLogRecordExporter, SimpleLogRecordProcessor
from opentelemetry.sdk.trace import TracerProvider

from policy_middleware.decision_log import DecisionLog, open_sinks
from policy_middleware.decision_log.trace import trace_reader
from tests.decision_log.decisions import asked, decided
from tests.requests import FakeRequest

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
VALID = f"00-{TRACE}-{SPAN}-01"


def read(*values: str) -> tuple[str, str] | None:
    reader = trace_reader("traceparent")
    assert reader is not None
    return reader(FakeRequest(headers=tuple(("traceparent", value) for value in values)))


@pytest.mark.parametrize("value", [VALID, f" {VALID} ", f"01-{TRACE}-{SPAN}-00-more"])
def test_the_callers_trace_is_read(value: str) -> None:
    assert read(value) == (TRACE, SPAN)


@pytest.mark.parametrize(
    "values",
    [
        (),
        (VALID, VALID),
        ("",),
        (VALID.upper(),),
        (VALID[:-1],),
        (f"ff-{TRACE}-{SPAN}-01",),
        (f"00-{'0' * 32}-{SPAN}-01",),
        (f"00-{TRACE}-{'0' * 16}-01",),
        ("\u0660" * 55,),
    ],
)
def test_a_malformed_or_repeated_header_counts_as_none(values: tuple[str, ...]) -> None:
    assert read(*values) is None


def test_nothing_is_read_unless_it_is_asked_for() -> None:
    assert trace_reader("off") is None


def test_the_current_span_is_read() -> None:
    reader = trace_reader("opentelemetry")
    assert reader is not None
    assert reader(FakeRequest()) is None
    tracer = TracerProvider().get_tracer("test")
    with tracer.start_as_current_span("request") as span:
        found = reader(FakeRequest())
    assert found == (f"{span.get_span_context().trace_id:032x}", f"{span.get_span_context().span_id:016x}")


@pytest.fixture
def exporter(monkeypatch: pytest.MonkeyPatch) -> InMemoryLogRecordExporter:
    exporter = InMemoryLogRecordExporter()
    provider = LoggerProvider(shutdown_on_exit=False)
    provider.add_log_record_processor(SimpleLogRecordProcessor(exporter))
    monkeypatch.setattr(_logs, "get_logger", provider.get_logger)
    return exporter


def test_records_become_log_records_of_their_trace(exporter: InMemoryLogRecordExporter) -> None:
    log = DecisionLog(open_sinks("otel"))
    log.append(decided("d-1"), asked(), trace=(TRACE, SPAN))
    log.event("masked", "d-1", {"count": 2}, "acme")
    log.close()
    decision, event = (one.log_record for one in exporter.get_finished_logs())
    assert (f"{decision.trace_id:032x}", f"{decision.span_id:016x}") == (TRACE, SPAN)
    assert decision.event_name == "policy.decision"
    assert decision.attributes["policy.set.id"] == "acme"
    assert decision.timestamp == 1_780_000_000_250_000_000
    assert json.loads(str(decision.body))["trace_id"] == TRACE
    assert (event.event_name, event.trace_id) == ("policy.masked", 0)
    assert event.attributes["policy.set.id"] == "acme"
