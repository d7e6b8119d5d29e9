"""What takes an enforcer's figures, and which there are."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from policy_middleware.approvals import ApprovalEvent, ApprovalQueue
from policy_middleware.decision_log import Sink
from policy_middleware.telemetry.status import EnforcerStatus


class Observed(Protocol):
    """The part of an enforcer that is looked at."""

    @property
    def approvals(self) -> ApprovalQueue: ...

    def status(self) -> EnforcerStatus: ...


class Exporter(Sink, Protocol):
    """Is told of every record by the decision log's writer, and of approvals; closed with the log."""

    def hear(self, event: ApprovalEvent) -> None:
        """Take note of what happened to an approval; called in a thread of its own."""

    def observe(self, enforcer: Callable[[], Observed | None]) -> None:
        """Look at this enforcer from now on; it is held weakly."""


class TelemetrySettings(Protocol):
    """The settings that telemetry is made of; `policy_middleware.settings` describes them."""

    @property
    def metrics(self) -> bool: ...
    @property
    def metrics_registry(self) -> object: ...
    @property
    def metrics_tenants(self) -> bool: ...
    @property
    def opentelemetry(self) -> bool: ...


def open_exporters(settings: TelemetrySettings) -> Sequence[Exporter]:
    """Return what is to be told of figures; raises MissingExtra, and SettingsError for what cannot work."""
    exporters: list[Exporter] = []
    if settings.metrics:
        from policy_middleware.telemetry.prometheus import open_prometheus

        exporters.append(open_prometheus(settings.metrics_registry, tenants=settings.metrics_tenants))
    if settings.opentelemetry:
        from policy_middleware.telemetry.opentelemetry import open_opentelemetry

        exporters.append(open_opentelemetry(tenants=settings.metrics_tenants))
    return exporters
