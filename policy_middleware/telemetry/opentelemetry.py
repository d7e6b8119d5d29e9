"""Decisions, spans and figures for OpenTelemetry, by its API; the application configures where they go.

The event is modelled on `feature_flag.evaluation` of the semantic conventions, as nothing there is about
policies: a key, a variant, a reason, a version and the set they belong to.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Final

from policy_middleware.approvals import ApprovalEvent
from policy_middleware.decision_log import DecisionLog, Record
from policy_middleware.decision_log.observing import observers
from policy_middleware.model.context import RequestContext
from policy_middleware.model.decision import PolicyDecision
from policy_middleware.model.errors import MissingExtra
from policy_middleware.telemetry.exporter import Observed
from policy_middleware.telemetry.quiet import Quiet
from policy_middleware.telemetry.readings import Decided, Masked, readings
from policy_middleware.telemetry.spans import TENANT_ATTRIBUTE
from policy_middleware.telemetry.status import EnforcerStatus

try:
    from opentelemetry import metrics, trace
    from opentelemetry.metrics import CallbackOptions, Observation
except ImportError:
    raise MissingExtra("otel", "opentelemetry") from None

if TYPE_CHECKING:
    from opentelemetry.util.types import AttributeValue

SCOPE: Final = "policy_middleware"
EVENT: Final = "policy.evaluation"
_EVALUATION_SECONDS: Final = (1e-6, 2.5e-6, 5e-6, 1e-5, 2.5e-5, 5e-5, 1e-4, 2.5e-4, 1e-3, 1e-2)


class OpenTelemetrySpans:
    """Makes spans by the application's tracer provider."""

    def __init__(self) -> None:
        self._quiet = Quiet("tracing")

    def __call__(self, name: str, attributes: Mapping[str, str]) -> AbstractContextManager[object]:
        """Return what makes a span of a block."""
        # Asked for here, because applications set their provider when they start.
        return trace.get_tracer(SCOPE).start_as_current_span(name, attributes=attributes)

    def follow(self, log: DecisionLog) -> None:
        """Add each decision that this log is given to the span that is current then."""
        followed = weakref.ref(log)
        quiet = self._quiet

        def observe(
            log: DecisionLog,
            decision: PolicyDecision,
            context: RequestContext | None,
            *,
            enforced: bool,
            refusal: str | None,
            approval_id: str | None,
        ) -> None:
            if log is not followed():
                return
            span = trace.get_current_span()
            if span.is_recording():
                with quiet():
                    attributes = decision_attributes(decision, context, enforced, refusal, approval_id)
                    span.set_attributes({name: attributes[name] for name in _ON_SPAN if name in attributes})
                    span.add_event(EVENT, attributes)

        observers.append(observe)
        weakref.finalize(log, _forget, observe)


_ON_SPAN: Final = ("policy.decision.id", "policy.effect")


def _forget(observe: object) -> None:
    observers[:] = [other for other in observers if other is not observe]


def decision_attributes(
    decision: PolicyDecision,
    context: RequestContext | None,
    enforced: bool = True,
    refusal: str | None = None,
    approval_id: str | None = None,
) -> dict[str, AttributeValue]:
    """Return what a span says of a decision; nobody's identity is in it."""
    attributes: dict[str, AttributeValue | None] = {
        "policy.decision.id": decision.decision_id,
        "policy.effect": str(decision.effect),
        "policy.id": decision.rule_id,
        "policy.document": decision.document,
        "policy.result.reason": str(decision.matched),
        "policy.refusal": refusal,
        "policy.version": decision.revisions.get(decision.document or ""),
        "policy.enforced": enforced,
        "policy.indeterminate": bool(decision.indeterminate),
        "policy.approval.id": approval_id,
    }
    if context is not None:
        action = context.attributes.get("action")
        attributes[TENANT_ATTRIBUTE] = context.tenant or None
        attributes["policy.action"] = action if isinstance(action, str) else None
    return {name: value for name, value in attributes.items() if value is not None}


class OpenTelemetryExporter:
    """Adds what one enforcer does to instruments of the application's meter provider."""

    def __init__(self, tenants: bool) -> None:
        meter = metrics.get_meter(SCOPE)
        self._tenants = tenants
        self._quiet = Quiet("metrics")
        self._enforcer: Callable[[], Observed | None] = _nobody
        self._decisions = meter.create_counter("policy.decisions", "{decision}", "Decisions.")
        self._evaluation = meter.create_histogram(
            "policy.evaluation.duration",
            "s",
            "Time to evaluate a request against its policies (with decision_log_metrics).",
            explicit_bucket_boundaries_advisory=_EVALUATION_SECONDS,
        )
        self._masked = meter.create_counter(
            "policy.masked.responses", "{response}", "Responses to be masked."
        )
        self._values = meter.create_counter("policy.masked.values", "{value}", "Values that were masked.")
        self._entities = meter.create_counter("policy.masked.entities", "{entity}", "Personal data masked.")
        self._transitions = meter.create_counter(
            "policy.approval.transitions", "{transition}", "Steps of approvals that this service made."
        )

        def gauge(name: str, unit: str, text: str, value: Callable[[EnforcerStatus], float | None]) -> None:
            def look(options: CallbackOptions) -> Iterable[Observation]:
                return self._observations(value)

            meter.create_observable_gauge(name, [look], unit, text)

        def counter(name: str, text: str, values: Callable[[EnforcerStatus], Mapping[str, int]]) -> None:
            def look(options: CallbackOptions) -> Iterator[Observation]:
                status = self._status()
                for outcome, number in {} if status is None else values(status).items():
                    yield Observation(number, {"outcome": outcome})

            meter.create_observable_counter(
                name, [look], "{" + name.rsplit(".", 1)[1].rstrip("s") + "}", text
            )

        gauge("policy.ready", "1", "1 while requests can be decided.", lambda one: one.ready)
        gauge(
            "policy.store.listening",
            "1",
            "1 while changes of policies are heard.",
            lambda one: one.listener == "synced",
        )
        gauge(
            "policy.store.age",
            "s",
            "Time since everything held was known to be current.",
            lambda one: one.age,
        )
        gauge("policy.documents", "{document}", "Policy documents in force.", lambda one: one.in_force)
        gauge("policy.documents.rejected", "{document}", "Documents refused.", lambda one: one.refused)
        gauge(
            "policy.decision_log.waiting",
            "{record}",
            "Records that wait to be written.",
            lambda one: one.decision_log.waiting,
        )
        counter(
            "policy.revisions",
            "Revisions that took effect, or were refused.",
            lambda one: {"in_force": one.loaded, "rejected": one.rejected},
        )
        counter("policy.decision_log.records", "Records by outcome.", _records)

    def __repr__(self) -> str:
        return "OpenTelemetryExporter()"

    def observe(self, enforcer: Callable[[], Observed | None]) -> None:
        """Look at this enforcer from now on."""
        self._enforcer = enforcer

    def write(self, records: Sequence[Record]) -> None:
        """Count what the records tell."""
        with self._quiet():
            for reading in readings(iter(records)):
                if isinstance(reading, Decided):
                    self._decided(reading)
                elif isinstance(reading, Masked):
                    self._masked.add(1, {"outcome": "masked"})
                    self._values.add(reading.values)
                    for entity, number in reading.entities.items():
                        self._entities.add(number, {"entity": entity})
                else:
                    self._masked.add(1, {"outcome": "failed"})

    def hear(self, event: ApprovalEvent) -> None:
        """Count a step of an approval."""
        with self._quiet():
            self._transitions.add(1, {"transition": event.kind.value, **self._of(event.tenant)})

    def close(self) -> None:
        """Look at the enforcer no more."""
        self._enforcer = _nobody

    def _decided(self, reading: Decided) -> None:
        attributes: dict[str, AttributeValue] = {
            "policy.effect": reading.effect,
            "policy.result.reason": reading.matched,
            "policy.refusal": reading.refusal,
            "policy.enforced": reading.enforced,
            **self._of(reading.tenant),
        }
        self._decisions.add(1, attributes)
        if reading.seconds is not None:
            self._evaluation.record(reading.seconds)

    def _of(self, tenant: str) -> dict[str, str]:
        return {TENANT_ATTRIBUTE: tenant} if self._tenants else {}

    def _status(self) -> EnforcerStatus | None:
        enforcer = self._enforcer()
        return None if enforcer is None else enforcer.status()

    def _observations(self, value: Callable[[EnforcerStatus], float | None]) -> list[Observation]:
        status = self._status()
        number = None if status is None else value(status)
        return [] if number is None else [Observation(float(number))]


def _nobody() -> None:
    """Stand in for an enforcer that is not known yet, or closed."""


def _records(status: EnforcerStatus) -> dict[str, int]:
    log = status.decision_log
    return {
        "written": log.written,
        "failed": log.failed,
        "lost": log.lost,
        "sampled_out": log.sampled_out,
    }


def open_opentelemetry(*, tenants: bool) -> OpenTelemetryExporter:
    """Return what adds an enforcer's figures to the application's meter provider."""
    return OpenTelemetryExporter(tenants)
