"""Why a context was decided as it was: every rule of every document, with the comparisons that settled it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from policy_middleware.evaluation.combining import join
from policy_middleware.evaluation.facts import comparison
from policy_middleware.evaluation.operators import Values
from policy_middleware.evaluation.reference import compare, contributions, holds
from policy_middleware.model.conditions import AllOf, AnyOf, Condition, Count, Leaf, Not, Reference, Scalar
from policy_middleware.model.context import RequestContext
from policy_middleware.model.decision import Outcome
from policy_middleware.model.effect import Effect
from policy_middleware.model.policy import Combine, PolicyDocument, Rule

_WORDS = {True: "true", False: "false", None: "indeterminate"}


class Standing(StrEnum):
    """What became of a rule."""

    DECIDES = "decides"
    """It holds and counts; in a first-match document it ended the search."""
    FLOOR = "floor"
    """It restricts and cannot be evaluated, so the answer is never weaker than its effect."""
    OBSERVED = "observed"
    """It would have counted, but is in observe mode."""
    NO_MATCH = "no_match"
    """It does not hold, or is an allow rule that cannot be evaluated."""
    NOT_REACHED = "not_reached"
    """An earlier rule had already decided."""
    INACTIVE = "inactive"
    """It is switched off or outside its time window."""


@dataclass(frozen=True, slots=True)
class LeafTrace:
    """One comparison that settled a rule: where it stands in the `when`, and what it saw.

    `path` counts the parts of the parsed condition (`when.all[1].any[0]`). `values` is None for a missing
    attribute; `reference_values` is what the attribute named by a `ref` operand holds.
    """

    path: str
    attribute: str
    operator: str
    operand: Scalar | tuple[Scalar, ...] | Reference
    values: Values | None
    result: bool | None
    reference_values: Values | None = None

    def as_dict(self) -> dict[str, object]:
        """Return plain JSON data."""
        data: dict[str, object] = {
            "path": self.path,
            "attribute": self.attribute,
            "operator": self.operator,
            "operand": _plain(self.operand),
            "values": _plain(self.values),
            "result": _WORDS[self.result],
        }
        if isinstance(self.operand, Reference):
            data["reference_values"] = _plain(self.reference_values)
        return data

    def __str__(self) -> str:
        """Return the comparison as people read it: `subject.roles is "viewer"; in ["guest"] is false`."""
        operand = (
            f"{self.operand.attribute} ({_seen(self.reference_values)})"
            if isinstance(self.operand, Reference)
            else _json(self.operand)
        )
        seen = f"{self.attribute} is {_seen(self.values)}"
        return f"{seen}; {self.operator} {operand} is {_WORDS[self.result]}"


@dataclass(frozen=True, slots=True)
class RuleTrace:
    """What one rule made of the context; `leaves` are the comparisons its result rests on.

    A rule that is false rests on its first part that failed (every branch of an `any`), one that is
    indeterminate on what could not be evaluated, one that holds on all that held.
    """

    id: str
    effect: Effect
    reason: str
    observe: bool
    active: bool
    result: bool | None
    standing: Standing
    leaves: tuple[LeafTrace, ...] = ()

    def as_dict(self) -> dict[str, object]:
        """Return plain JSON data."""
        return {
            "id": self.id,
            "effect": self.effect.value,
            "reason": self.reason,
            "mode": "observe" if self.observe else "enforce",
            "active": self.active,
            "result": _WORDS[self.result],
            "standing": self.standing.value,
            "leaves": [leaf.as_dict() for leaf in self.leaves],
        }


@dataclass(frozen=True, slots=True)
class DocumentTrace:
    """What one document made of the context; `outcome` is None for a guardrail that is not concerned."""

    name: str
    revision: str
    combine: Combine
    default: Effect | None
    outcome: Outcome | None
    rules: tuple[RuleTrace, ...]

    def as_dict(self) -> dict[str, object]:
        """Return plain JSON data."""
        return {
            "name": self.name,
            "revision": self.revision,
            "combine": self.combine.value,
            "default": None if self.default is None else self.default.value,
            "outcome": None if self.outcome is None else _outcome_as_dict(self.outcome),
            "rules": [rule.as_dict() for rule in self.rules],
        }


@dataclass(frozen=True, slots=True)
class Explanation:
    """The whole answer and its grounds; `now` is the time it was asked at, seconds since the epoch.

    `outcome.document` and `outcome.rule_id` name the rule that decided.
    """

    outcome: Outcome
    now: float
    documents: tuple[DocumentTrace, ...]

    def as_dict(self) -> dict[str, object]:
        """Return plain JSON data."""
        return {
            "outcome": _outcome_as_dict(self.outcome),
            "now": self.now,
            "documents": [document.as_dict() for document in self.documents],
        }


def trace_document(document: PolicyDocument, revision: str, context: RequestContext) -> DocumentTrace:
    """Return what each rule of a document makes of a context, also of those that no longer mattered."""
    rules: list[RuleTrace] = []
    over = False
    for rule in document.rules:
        result = holds(rule.condition, context)
        standing = _standing(rule, result, context.now, over)
        if standing is Standing.DECIDES and document.combine is Combine.FIRST_MATCH:
            over = True
        rules.append(
            RuleTrace(
                rule.id,
                rule.effect,
                rule.reason,
                rule.observe,
                rule.active_at(context.now),
                result,
                standing,
                tuple(_rule_grounds(rule, result, context)),
            )
        )
    outcomes, _ = contributions(document, context)
    return DocumentTrace(
        document.name, revision, document.combine, document.default, join(outcomes), tuple(rules)
    )


def _standing(rule: Rule, result: bool | None, now: float, over: bool) -> Standing:
    if not rule.active_at(now):
        return Standing.INACTIVE
    if over:
        return Standing.NOT_REACHED
    if result is False or (result is None and not rule.effect.restricts):
        return Standing.NO_MATCH
    if rule.observe:
        return Standing.OBSERVED
    return Standing.FLOOR if result is None else Standing.DECIDES


def _rule_grounds(rule: Rule, result: bool | None, context: RequestContext) -> list[LeafTrace]:
    """Return what a rule's result rests on: its `when`, or the limit that has no room left."""
    grounds = _grounds(rule.when, context, "when")
    if rule.limit is None or holds(rule.when, context) is not True:
        return grounds
    room = _leaf_trace(comparison(rule.limit.room), context, "limit")
    return [*grounds, room] if result else [room]


def _grounds(condition: Condition, context: RequestContext, path: str) -> list[LeafTrace]:
    """Return the comparisons that make a condition what it is."""
    match condition:
        case Leaf():
            return [_leaf_trace(condition, context, path)]
        case Count():
            return [_leaf_trace(comparison(condition), context, f"{path}.count")]
        case Not(part):
            return _grounds(part, context, f"{path}.not")
        case AllOf(parts):
            return _connective(parts, context, f"{path}.all", settled_by=False)
        case AnyOf(parts):
            return _connective(parts, context, f"{path}.any", settled_by=True)


def _connective(
    parts: Sequence[Condition], context: RequestContext, path: str, *, settled_by: bool
) -> list[LeafTrace]:
    """Return the grounds of an `all` (one false part settles it) or an `any` (one true part does)."""
    results = [holds(part, context) for part in parts]
    if settled_by in results:
        chosen = [results.index(settled_by)]
    elif None in results:
        chosen = [index for index, result in enumerate(results) if result is None]
    else:
        chosen = list(range(len(parts)))
    return [leaf for index in chosen for leaf in _grounds(parts[index], context, f"{path}[{index}]")]


def _leaf_trace(leaf: Leaf, context: RequestContext, path: str) -> LeafTrace:
    return LeafTrace(
        path,
        leaf.attribute,
        leaf.operator.value,
        leaf.operand,
        context.values(leaf.attribute),
        compare(leaf, context),
        context.values(leaf.operand.attribute) if isinstance(leaf.operand, Reference) else None,
    )


def _outcome_as_dict(outcome: Outcome) -> dict[str, object]:
    return {
        "effect": outcome.effect.value,
        "reason": outcome.reason,
        "document": outcome.document,
        "rule_id": outcome.rule_id,
        "matched": outcome.matched.value,
        "indeterminate": outcome.indeterminate,
        "observed": [
            {"document": rule.document, "rule_id": rule.rule_id, "effect": rule.effect.value}
            for rule in outcome.observed
        ],
    }


def _plain(value: object) -> object:
    if isinstance(value, Reference):
        return {"ref": value.attribute}
    return list(value) if isinstance(value, tuple) else value


def _seen(values: Values | None) -> str:
    if values is None:
        return "missing"
    return ", ".join(map(_json, values)) or "empty"


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)
