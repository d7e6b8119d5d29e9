"""Figures for Prometheus, by prometheus-client.

Counters and histograms are fed by the decision log's writer, gauges are set every few seconds: both are plain
metrics of the library, so its multiprocess mode (PROMETHEUS_MULTIPROC_DIR) adds up workers as usual. Metrics
belong to a registry; all enforcers of a process that use one registry share them.
"""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Callable, Sequence
from functools import partial
from typing import Final

from policy_middleware.approvals import ApprovalEvent, ApprovalEventKind
from policy_middleware.decision_log import Record
from policy_middleware.model.errors import MissingExtra, SettingsError, StoreUnavailable
from policy_middleware.telemetry.exporter import Observed
from policy_middleware.telemetry.quiet import Quiet
from policy_middleware.telemetry.readings import Decided, Masked, readings
from policy_middleware.telemetry.refreshing import Refresher
from policy_middleware.telemetry.status import EnforcerStatus

try:
    from prometheus_client import REGISTRY, CollectorRegistry, Counter, Histogram, exposition
    from prometheus_client.multiprocess import MultiProcessCollector

    from policy_middleware.telemetry.gauges import Gauges
except ImportError:
    raise MissingExtra("prometheus", "metrics") from None

MULTIPROCESS_VARIABLE: Final = "PROMETHEUS_MULTIPROC_DIR"
MOST_TENANTS: Final = 1000
"""Tenants whose approvals are counted by one process."""
_EVALUATION_SECONDS: Final = (1e-6, 2.5e-6, 5e-6, 1e-5, 2.5e-5, 5e-5, 1e-4, 2.5e-4, 1e-3, 1e-2)
_WAIT_SECONDS: Final = (10.0, 60.0, 300.0, 900.0, 3600.0, 4 * 3600.0, 24 * 3600.0, 7 * 24 * 3600.0)
_ENDS: Final = frozenset(
    {
        ApprovalEventKind.APPROVED,
        ApprovalEventKind.DENIED,
        ApprovalEventKind.EXPIRED,
        ApprovalEventKind.CANCELLED,
    }
)


class Metrics:
    """The metrics of one registry, and the enforcers that they are about."""

    def __init__(self, registry: CollectorRegistry, tenants: bool) -> None:
        self.registry: Final = registry
        self.tenants: Final = tenants
        self._tenant = ("tenant",) if tenants else ()
        counter = partial(Counter, registry=registry)
        self.decisions = counter(
            "policy_decisions_total",
            "Decisions; `refusal` names what was refused before a policy was asked.",
            ("effect", "matched", "refusal", "enforced", *self._tenant),
        )
        self.evaluation = Histogram(
            "policy_evaluation_duration_seconds",
            "Time to evaluate a request against its policies (with decision_log_metrics).",
            buckets=_EVALUATION_SECONDS,
            registry=registry,
        )
        self.masked = counter("policy_masked_responses_total", "Responses to be masked.", ("outcome",))
        self.masked_values = counter("policy_masked_values_total", "Values that were masked.")
        self.masked_entities = counter(
            "policy_masked_entities_total", "Personal data that was found in text and masked.", ("entity",)
        )
        self.transitions = counter(
            "policy_approval_transitions_total",
            "Steps of approvals that this service made.",
            ("transition", *self._tenant),
        )
        self.approval_wait = Histogram(
            "policy_approval_wait_seconds",
            "Time from a request for approval to its end.",
            ("outcome",),
            buckets=_WAIT_SECONDS,
            registry=registry,
        )
        self.revisions = counter(
            "policy_revisions_total", "Revisions that took effect, or were refused.", ("outcome",)
        )
        self.log_records = counter("policy_decision_log_records_total", "Records by outcome.", ("outcome",))
        self._gauges: Gauges | None = None
        self._lock = threading.Lock()
        self._exporters: weakref.WeakSet[PrometheusExporter] = weakref.WeakSet()
        self.quiet: Final = Quiet("metrics")
        self.refresher: Final = Refresher(self.refresh)

    def join(self, exporter: PrometheusExporter) -> None:
        """Tell of one more enforcer."""
        self._exporters.add(exporter)

    def leave(self, exporter: PrometheusExporter) -> None:
        """Tell of an enforcer no more; the last one stops the thread."""
        self._exporters.discard(exporter)
        if not self._exporters:
            self.refresher.stop()

    def refresh(self) -> None:
        """Set everything that is looked at, rather than counted as it happens. May block."""
        with self._lock, self.quiet():
            found = [
                (exporter, status)
                for exporter in list(self._exporters)
                if (status := exporter.status()) is not None
            ]
            if not found:
                return
            for exporter, status in found:
                exporter.add_up(status)
            open_approvals: dict[str, int] = {}
            for exporter, _ in found:
                for tenant, number in exporter.open_approvals().items():
                    open_approvals[tenant] = open_approvals.get(tenant, 0) + number
            if self._gauges is None:
                self._gauges = Gauges(self.registry, self.tenants)
            self._gauges.set([status for _, status in found], open_approvals)

    def of(self, tenant: str) -> tuple[str, ...]:
        """Return the value of the tenant label, where there is one."""
        return (tenant,) if self.tenants else ()


class PrometheusExporter:
    """Adds what one enforcer does to the metrics of a registry."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._enforcer: Callable[[], Observed | None] = _nobody
        self._tenants: dict[str, None] = {}
        self._added: dict[str, int] = {}
        metrics.join(self)

    def __repr__(self) -> str:
        return "PrometheusExporter()"

    def observe(self, enforcer: Callable[[], Observed | None]) -> None:
        """Look at this enforcer from now on."""
        self._enforcer = enforcer

    def write(self, records: Sequence[Record]) -> None:
        """Count what the records tell."""
        metrics = self._metrics
        with metrics.quiet():
            metrics.refresher.start()
            for reading in readings(iter(records)):
                if isinstance(reading, Decided):
                    enforced = "true" if reading.enforced else "false"
                    metrics.decisions.labels(
                        reading.effect,
                        reading.matched,
                        reading.refusal,
                        enforced,
                        *metrics.of(reading.tenant),
                    ).inc()
                    if reading.seconds is not None:
                        metrics.evaluation.observe(reading.seconds)
                elif isinstance(reading, Masked):
                    metrics.masked.labels("masked").inc()
                    metrics.masked_values.inc(reading.values)
                    for entity, number in reading.entities.items():
                        metrics.masked_entities.labels(entity).inc(number)
                else:
                    metrics.masked.labels("failed").inc()

    def hear(self, event: ApprovalEvent) -> None:
        """Count a step of an approval."""
        metrics, kind = self._metrics, event.kind
        with metrics.quiet():
            if len(self._tenants) < MOST_TENANTS:
                self._tenants[event.tenant] = None
            metrics.transitions.labels(kind.value, *metrics.of(event.tenant)).inc()
            if kind in _ENDS:
                metrics.approval_wait.labels(kind.value).observe(max(0.0, event.at - event.task.created_at))

    def close(self) -> None:
        """Look a last time where anything was counted, and no more after that."""
        if self._metrics.refresher.running:
            self._metrics.refresh()
        self._metrics.leave(self)

    def status(self) -> EnforcerStatus | None:
        """Return how the enforcer is doing; None when it is gone."""
        enforcer = self._enforcer()
        return None if enforcer is None else enforcer.status()

    def open_approvals(self) -> dict[str, int]:
        """Return the number of open approvals per tenant that had any; empty while they cannot be read."""
        enforcer = self._enforcer()
        if enforcer is None:
            return {}
        try:
            return {tenant: enforcer.approvals.count_open(tenant) for tenant in list(self._tenants)}
        except StoreUnavailable:
            return {}

    def add_up(self, status: EnforcerStatus) -> None:
        """Add to counters what the enforcer has counted since the last time."""
        log, metrics = status.decision_log, self._metrics
        for counter, outcome, number in (
            (metrics.revisions, "in_force", status.loaded),
            (metrics.revisions, "rejected", status.rejected),
            (metrics.log_records, "written", log.written),
            (metrics.log_records, "failed", log.failed),
            (metrics.log_records, "lost", log.lost),
            (metrics.log_records, "sampled_out", log.sampled_out),
        ):
            key = f"{counter._name} {outcome}"
            before = self._added.get(key, 0)
            self._added[key] = number
            counter.labels(outcome).inc(number - before if number >= before else number)


def _nobody() -> None:
    """Stand in for an enforcer that is not known yet."""


_metrics: Final[dict[CollectorRegistry, Metrics]] = {}


def open_prometheus(registry: object, *, tenants: bool) -> PrometheusExporter:
    """Return what adds an enforcer's figures to a registry (None: the library's own)."""
    return PrometheusExporter(metrics_of(registry, tenants))


def metrics_of(registry: object, tenants: bool | None = None) -> Metrics:
    """Return the metrics of a registry, made on first use; raises SettingsError."""
    chosen = REGISTRY if registry is None else registry
    if not isinstance(chosen, CollectorRegistry):
        raise SettingsError(
            f"metrics_registry: a {type(chosen).__name__} is no prometheus_client.CollectorRegistry"
        )
    metrics = _metrics.get(chosen)
    if metrics is None:
        metrics = _metrics[chosen] = Metrics(chosen, bool(tenants))
    elif tenants is not None and tenants is not metrics.tenants:
        raise SettingsError("metrics_tenants: differs from that of another enforcer with the same registry")
    return metrics


def exposed(registry: object, accept: str) -> tuple[str, bytes]:
    """Return the media type and the text of a scrape, of all workers in multiprocess mode. May block."""
    metrics = metrics_of(registry)
    metrics.refresh()
    scraped = metrics.registry
    if MULTIPROCESS_VARIABLE in os.environ:
        scraped = CollectorRegistry()
        MultiProcessCollector(scraped)  # type: ignore[no-untyped-call]  # the library leaves it untyped
    encode, media_type = exposition.choose_encoder(accept)
    return media_type, encode(scraped)
