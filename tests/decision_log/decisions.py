"""Decisions and contexts to record."""

from __future__ import annotations

from policy_middleware.model.context import RequestContext
from policy_middleware.model.decision import Matched, ObservedRule, Outcome, PolicyDecision
from policy_middleware.model.effect import Effect

NOW = 1_780_000_000.25


def decided(
    decision_id: str = "d-1",
    effect: Effect = Effect.ALLOW,
    *,
    reason: str = "Staff may read.",
    observed: tuple[ObservedRule, ...] = (),
) -> PolicyDecision:
    outcome = Outcome(effect, reason, "staff-reads", "acme", Matched.RULE, observed=observed)
    return PolicyDecision(decision_id, outcome, {"acme": "a" * 64, "_global": "b" * 64})


def asked(**attributes: object) -> RequestContext:
    flat = {"tenant": "acme", "subject.id": "ann", "action": "document.read", "environment.ip": "10.0.0.9"}
    return RequestContext("acme", {**flat, **attributes}, NOW)  # type: ignore[arg-type]  # odd values on purpose
