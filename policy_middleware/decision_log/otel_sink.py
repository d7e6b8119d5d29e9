"""Records to OpenTelemetry's logs, by the extra `otel`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from policy_middleware.decision_log.record import DECISION, Record, json_line
from policy_middleware.model.errors import MissingExtra
from policy_middleware.model.times import moment_seconds

if TYPE_CHECKING:
    from opentelemetry.trace import Span

SCOPE: Final = "policy_middleware.decisions"
_ATTRIBUTES: Final = {
    "policy.decision.id": "decision_id",
    "policy.effect": "effect",
    "policy.id": "rule",
    "policy.set.id": "tenant",
    "policy.result.reason": "matched",
}


class OpenTelemetrySink:
    """Emits each record as a log record: the line is its body, the trace its context.

    Where it goes is up to the application's logger provider. Raises MissingExtra.
    """

    def __init__(self) -> None:
        try:
            from opentelemetry import _logs, trace
            from opentelemetry.context import Context
        except ImportError:
            raise MissingExtra("otel", "decision_log='otel'") from None
        self._logs, self._trace, self._context = _logs, trace, Context

    def __repr__(self) -> str:
        return "OpenTelemetrySink()"

    def write(self, records: Sequence[Record]) -> None:
        """Emit the records in order."""
        logs = self._logs
        logger = logs.get_logger(SCOPE)  # here, because applications set their provider when they start
        for record in records:
            span = self._span(record)
            logger.emit(
                logs.LogRecord(
                    timestamp=round(moment_seconds(record["timestamp"]) * 1e6) * 1000,
                    context=self._trace.set_span_in_context(span, self._context()),
                    severity_number=logs.SeverityNumber.INFO,
                    severity_text="INFO",
                    body=json_line(record),
                    attributes={
                        name: str(record[field])
                        for name, field in _ATTRIBUTES.items()
                        if record.get(field) is not None
                    },
                    event_name=f"policy.{record.get('event', DECISION)}",
                )
            )

    def close(self) -> None:
        """Do nothing: the provider is the application's."""

    def _span(self, record: Record) -> Span:
        trace_id, span_id = record.get("trace_id"), record.get("span_id")
        if not isinstance(trace_id, str) or not isinstance(span_id, str):
            return self._trace.INVALID_SPAN
        try:
            context = self._trace.SpanContext(int(trace_id, 16), int(span_id, 16), is_remote=True)
        except ValueError:  # masked by decision_log_mask
            return self._trace.INVALID_SPAN
        return self._trace.NonRecordingSpan(context)
