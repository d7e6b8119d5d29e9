"""The specification: how documents are decided, rule by rule, written to be read and checked by a person.

Production runs the same decision from precomputed tables (`index.py`); the tests prove the two equal.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from policy_middleware.evaluation.combining import (
    DocumentResult,
    Satisfied,
    approved,
    default_outcome,
    join,
    observed_rule,
    rule_outcome,
)
from policy_middleware.evaluation.facts import comparison
from policy_middleware.evaluation.operators import OPERATORS, REFERENCES
from policy_middleware.model.conditions import AllOf, AnyOf, Condition, Count, Leaf, Not, Reference
from policy_middleware.model.context import RequestContext
from policy_middleware.model.decision import ObservedRule, Outcome
from policy_middleware.model.effect import Effect
from policy_middleware.model.policy import Combine, PolicyDocument, Rule


def holds(condition: Condition, context: RequestContext) -> bool | None:
    """Return whether a condition holds; None when that cannot be known (Kleene's three-valued logic)."""
    match condition:
        case Leaf():
            return compare(condition, context)
        case AllOf(parts):
            return conjunction(holds(part, context) for part in parts)
        case AnyOf(parts):
            return negation(conjunction(negation(holds(part, context)) for part in parts))
        case Not(part):
            return negation(holds(part, context))
        case Count():
            return compare(comparison(condition), context)


def compare(leaf: Leaf, context: RequestContext) -> bool | None:
    """Return what one comparison answers."""
    values = context.values(leaf.attribute)
    if isinstance(leaf.operand, Reference):
        return REFERENCES[leaf.operator](values, context.values(leaf.operand.attribute))
    return OPERATORS[leaf.operator](values, leaf.operand)


def conjunction(verdicts: Iterable[bool | None]) -> bool | None:
    """Return False if any verdict is false, else None if any is unknown, else True."""
    answer: bool | None = True
    for verdict in verdicts:
        if verdict is False:
            return False
        if verdict is None:
            answer = None
    return answer


def negation(verdict: bool | None) -> bool | None:
    """Return the opposite; what is unknown stays unknown."""
    return None if verdict is None else not verdict


def concerned(document: PolicyDocument, context: RequestContext) -> Iterator[tuple[Rule, bool | None]]:
    """Yield the rules that count, in order, each with True or, where it cannot be evaluated, None.

    An allow rule that cannot be evaluated does not count; a restricting one does.
    """
    for rule in document.rules:
        if rule.active_at(context.now):
            verdict = holds(rule.condition, context)
            if verdict or (verdict is None and rule.effect.restricts):
                yield rule, verdict


def contributions(
    document: PolicyDocument, context: RequestContext
) -> tuple[list[Outcome], tuple[ObservedRule, ...]]:
    """Return what a document contributes to the answer, and the observed rules that would have.

    The first rule that definitely holds ends a first-match document. Rules before it that cannot be
    evaluated stay as a floor: the answer is never weaker than theirs.
    """
    outcomes: list[Outcome] = []
    observed: list[ObservedRule] = []
    decided = False
    for rule, verdict in concerned(document, context):
        if rule.observe:
            observed.append(observed_rule(document.name, rule, indeterminate=verdict is None))
            continue
        outcomes.append(rule_outcome(document.name, rule, indeterminate=verdict is None))
        if verdict:
            decided = True
            if document.combine is Combine.FIRST_MATCH:
                break
    default = default_outcome(document)
    if default is not None and not decided:
        outcomes.append(default)
    return outcomes, tuple(observed)


def evaluate_document(document: PolicyDocument, context: RequestContext) -> DocumentResult:
    """Return what one document says."""
    outcomes, observed = contributions(document, context)
    return DocumentResult(join(outcomes), observed)


def evaluate_document_approved(
    document: PolicyDocument, context: RequestContext, satisfied: Satisfied
) -> DocumentResult:
    """Return what one document says once approvals are given.

    Each stands for allow; every mask rule that holds, or may hold, applies; everything else is as before.
    """
    outcomes, observed = contributions(document, context)
    masks = [
        rule_outcome(document.name, rule, indeterminate=verdict is None)
        for rule, verdict in concerned(document, context)
        if rule.effect is Effect.MASK and not rule.observe
    ]
    return DocumentResult(join([*(approved(one, satisfied) for one in outcomes), *masks]), observed)


def evaluate_documents(documents: Sequence[PolicyDocument], context: RequestContext) -> Outcome | None:
    """Return what the documents in force say together, guardrails first."""
    results = [evaluate_document(document, context) for document in documents]
    return join([result.outcome for result in results if result.outcome is not None])
