"""Where two answers meet the stricter wins: between rules, between documents, and with what is unknown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import reduce
from operator import or_

from policy_middleware.model.decision import (
    NO_OBLIGATIONS,
    ApprovalRequirement,
    Matched,
    Obligations,
    ObservedRule,
    Outcome,
)
from policy_middleware.model.effect import Effect
from policy_middleware.model.policy import ApprovalSpec, MaskSpec, PolicyDocument, Rule

Satisfied = frozenset[tuple[str, str, str]]
"""Approvals that have been given: (document, rule id, rule digest)."""

_DEFAULT_REASONS = {
    Effect.ALLOW: "No rule restricts this request.",
    Effect.DENY: "No rule allows this request.",
}
_MISSING_REASONS = {
    Effect.ALLOW: "No policy is in force for this tenant; such tenants are not restricted.",
    Effect.DENY: "No policy is in force for this tenant.",
}


@dataclass(frozen=True, slots=True, eq=False)
class DocumentResult:
    """What one document says of one context; a guardrail that is not concerned has no outcome.

    Results are compared by identity: a compiled document hands out the same object for the same answer.
    """

    outcome: Outcome | None
    observed: tuple[ObservedRule, ...] = ()


def rule_outcome(document: str, rule: Rule, *, indeterminate: bool) -> Outcome:
    """Return what a rule that counts contributes."""
    obligations = NO_OBLIGATIONS
    if rule.effect is Effect.MASK:
        obligations = Obligations(mask=rule.mask or MaskSpec())
    elif rule.effect is Effect.REQUIRE_APPROVAL:
        requirement = ApprovalRequirement(
            document, rule.id, rule.digest, rule.reason, rule.approval or ApprovalSpec()
        )
        obligations = Obligations(mask=rule.mask, approvals=(requirement,))
    elif rule.limit is not None:
        obligations = Obligations(limits=(rule.limit,))
    return Outcome(rule.effect, rule.reason, rule.id, document, Matched.RULE, indeterminate, obligations)


def default_outcome(document: PolicyDocument) -> Outcome | None:
    """Return what a document contributes when none of its rules definitely holds."""
    if document.default is None:
        return None
    return Outcome(document.default, _DEFAULT_REASONS[document.default], None, document.name, Matched.DEFAULT)


def missing_outcome(default: Effect) -> Outcome:
    """Return the outcome for a tenant without a document."""
    return Outcome(default, _MISSING_REASONS[default], None, None, Matched.MISSING_POLICY)


def observed_rule(document: str, rule: Rule, *, indeterminate: bool) -> ObservedRule:
    """Return the record of a rule that would have counted, had it been enforced."""
    return ObservedRule(document, rule.id, rule.effect, rule.reason, indeterminate)


def join(outcomes: Sequence[Outcome]) -> Outcome | None:
    """Return the strictest outcome, the earliest of equals, with the obligations of all that still matter.

    Masks unite under `mask` and `require_approval` (so that they are known once the approval is given),
    approvals accumulate under `require_approval`, limits where the request runs; a denied one has none.
    """
    if len(outcomes) < 2:
        return outcomes[0] if outcomes else None
    strictest = max(outcomes, key=lambda outcome: outcome.effect.strictness)
    obligations = NO_OBLIGATIONS
    if strictest.effect in (Effect.MASK, Effect.REQUIRE_APPROVAL):
        masks = [outcome.obligations.mask for outcome in outcomes if outcome.obligations.mask is not None]
        obligations = Obligations(
            mask=reduce(or_, masks) if masks else None,
            approvals=tuple(one for outcome in outcomes for one in outcome.obligations.approvals),
        )
    limits = tuple(one for outcome in outcomes for one in outcome.obligations.limits)
    if limits and strictest.effect in (Effect.ALLOW, Effect.MASK):
        obligations = replace(obligations, limits=limits)
    return replace(
        strictest,
        indeterminate=any(outcome.indeterminate for outcome in outcomes),
        obligations=obligations,
    )


def approved(outcome: Outcome, satisfied: Satisfied) -> Outcome:
    """Return a rule's contribution as it counts once the approvals in `satisfied` have been given."""
    (requirement, *_) = outcome.obligations.approvals or (None,)
    if requirement is None:
        return outcome
    if (requirement.document, requirement.rule_id, requirement.rule_digest) not in satisfied:
        return outcome
    obligations = replace(outcome.obligations, approvals=())
    effect = Effect.ALLOW if obligations.mask is None else Effect.MASK
    return replace(outcome, effect=effect, matched=Matched.APPROVAL, obligations=obligations)
