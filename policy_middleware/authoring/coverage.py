"""Which rules can touch a route, judged by what is known of it before any request."""

from __future__ import annotations

from collections.abc import Mapping

from policy_middleware.evaluation.reference import compare, conjunction, negation
from policy_middleware.model.conditions import AllOf, AnyOf, Condition, Leaf, Not, Reference
from policy_middleware.model.context import AttributeValue, RequestContext
from policy_middleware.model.policy import PolicyDocument, Rule


def rules_touching(document: PolicyDocument, known: Mapping[str, AttributeValue]) -> list[Rule]:
    """Return the enabled rules that some request with these attributes might meet, whatever else it says."""
    context = RequestContext("known", known, now=0.0)
    return [rule for rule in document.rules if rule.enabled and _may_hold(rule.when, context) is not False]


def _may_hold(condition: Condition, context: RequestContext) -> bool | None:
    """Return what a condition is where that follows from the known attributes, else None."""
    match condition:
        case Leaf(attribute, _, operand):
            referred = operand.attribute if isinstance(operand, Reference) else attribute
            unknown = {attribute, referred} - context.attributes.keys()
            return None if unknown else compare(condition, context)
        case AllOf(parts):
            return conjunction(_may_hold(part, context) for part in parts)
        case AnyOf(parts):
            return negation(conjunction(negation(_may_hold(part, context)) for part in parts))
        case Not(part):
            return negation(_may_hold(part, context))
    return None
