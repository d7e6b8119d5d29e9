"""Spans around what may take time, and each decision as an event on the request's own span."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Final, Protocol

from policy_middleware.decision_log import DecisionLog

TENANT_ATTRIBUTE: Final = "policy.set.id"
_NOTHING: Final = nullcontext()


class Spans(Protocol):
    """Where spans go."""

    def __call__(self, name: str, attributes: Mapping[str, str]) -> AbstractContextManager[object]:
        """Return what makes a span of a block; an exception that leaves the block is noted and goes on."""

    def follow(self, log: DecisionLog) -> None:
        """Add each decision that this log is given to the span that is current then."""


class NoSpans:
    """Makes none."""

    def __call__(self, name: str, attributes: Mapping[str, str]) -> AbstractContextManager[object]:
        """Return a context that does nothing."""
        return _NOTHING

    def follow(self, log: DecisionLog) -> None:
        """Do nothing."""


class SpanSettings(Protocol):
    """The setting that spans depend on."""

    @property
    def opentelemetry(self) -> bool: ...


def open_spans(settings: SpanSettings) -> Spans:
    """Return where spans go; raises MissingExtra."""
    if not settings.opentelemetry:
        return NoSpans()
    from policy_middleware.telemetry.opentelemetry import OpenTelemetrySpans

    return OpenTelemetrySpans()
