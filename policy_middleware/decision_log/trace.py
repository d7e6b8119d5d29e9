"""The trace that a request belongs to (W3C Trace Context), for records to name it."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Final, Protocol

from policy_middleware.model.errors import MissingExtra

TraceContext = tuple[str, str]
"""Trace id (32 hex digits) and span id (16)."""

_TRACEPARENT: Final = re.compile(
    "(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-[0-9a-f]{2}(?:-.*)?", re.ASCII
)


class HasHeaders(Protocol):
    """The part of a request that is looked at."""

    def header(self, name: str) -> Sequence[str]: ...


def trace_reader(source: str) -> Callable[[HasHeaders], TraceContext | None] | None:
    """Return how to learn the trace of a request: `off`, from `traceparent`, or from `opentelemetry`.

    Raises MissingExtra.
    """
    if source == "off":
        return None
    return from_traceparent if source == "traceparent" else _open_telemetry()


def from_traceparent(request: HasHeaders) -> TraceContext | None:
    """Read the caller's `traceparent`; one that is malformed or given twice counts as none, as W3C says."""
    values = request.header("traceparent")
    found = _TRACEPARENT.fullmatch(values[0].strip()) if len(values) == 1 else None
    return None if found is None else (found[1], found[2])


def _open_telemetry() -> Callable[[HasHeaders], TraceContext | None]:
    try:
        from opentelemetry.trace import format_span_id, format_trace_id, get_current_span
    except ImportError:
        raise MissingExtra("otel", "decision_log_trace='opentelemetry'") from None

    def current(request: HasHeaders) -> TraceContext | None:
        context = get_current_span().get_span_context()
        if not context.is_valid:
            return None
        return format_trace_id(context.trace_id), format_span_id(context.span_id)

    return current
