"""What an evaluation answers: outcomes, obligations, decisions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import NamedTuple

from policy_middleware.model.effect import Effect
from policy_middleware.model.policy import ApprovalSpec, LimitSpec, MaskSpec


class Matched(StrEnum):
    """What decided."""

    RULE = "rule"
    DEFAULT = "default"
    MISSING_POLICY = "missing_policy"
    STORE_UNAVAILABLE = "store_unavailable"
    APPROVAL = "approval"
    REFUSAL = "refusal"


@dataclass(frozen=True, slots=True)
class ApprovalRequirement:
    """One rule's demand for approval; two that meet both have to be satisfied."""

    document: str
    rule_id: str
    rule_digest: str
    reason: str
    approval: ApprovalSpec


@dataclass(frozen=True, slots=True)
class Obligations:
    """What the enforcement point must do before, or instead of, letting the response out."""

    mask: MaskSpec | None = None
    approvals: tuple[ApprovalRequirement, ...] = ()
    limits: tuple[LimitSpec, ...] = ()
    """Limits of the allow rules that let the request through; one place in each has to be reserved."""


NO_OBLIGATIONS = Obligations()
NO_FACTS: Mapping[str, int | None] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class ObservedRule:
    """A rule in observe mode that would have counted, had it been enforced."""

    document: str
    rule_id: str
    effect: Effect
    reason: str
    indeterminate: bool = False


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the documents say of a context; shared between all requests that meet the same answer.

    `document` and `rule_id` name the strictest contributor, the earliest of equals; `rule_id` is None when
    no rule decided. `indeterminate` says that a restricting rule counted because it could not be evaluated.
    """

    effect: Effect
    reason: str
    rule_id: str | None
    document: str | None
    matched: Matched
    indeterminate: bool = False
    obligations: Obligations = NO_OBLIGATIONS
    observed: tuple[ObservedRule, ...] = ()


class PolicyDecision(NamedTuple):
    """An outcome given to one request; a tuple, because one is made per request and tuples are made fastest.

    `revisions` maps the name of every document that was asked to its revision (SHA-256 hex). `facts` are the
    numbers about the past that the rules asked for, by attribute; None: one could not be had.
    """

    decision_id: str
    outcome: Outcome
    revisions: Mapping[str, str]
    facts: Mapping[str, int | None] = NO_FACTS

    @property
    def effect(self) -> Effect:
        """What is to happen."""
        return self.outcome.effect

    @property
    def action(self) -> Effect:
        """The decision record's name for `effect`."""
        return self.outcome.effect

    @property
    def allowed(self) -> bool:
        """True when the handler may run (its response possibly masked)."""
        return self.outcome.effect.strictness <= Effect.MASK.strictness

    @property
    def reason(self) -> str:
        """The deciding rule's public reason."""
        return self.outcome.reason

    @property
    def rule_id(self) -> str | None:
        """The deciding rule, or None when the default (or no document at all) decided."""
        return self.outcome.rule_id

    @property
    def document(self) -> str | None:
        """The document that holds the deciding rule or default."""
        return self.outcome.document

    @property
    def matched(self) -> Matched:
        """What kind of thing decided."""
        return self.outcome.matched

    @property
    def indeterminate(self) -> bool:
        """True when a restricting rule counted because it could not be evaluated."""
        return self.outcome.indeterminate

    @property
    def obligations(self) -> Obligations:
        """The mask to apply and the approvals to obtain."""
        return self.outcome.obligations

    @property
    def observed(self) -> tuple[ObservedRule, ...]:
        """Rules in observe mode that would have counted."""
        return self.outcome.observed


class TimedDecision(PolicyDecision):
    """A decision that knows how long its evaluation took, in nanoseconds."""

    evaluation_ns: int
