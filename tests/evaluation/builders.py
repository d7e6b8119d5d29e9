"""Short ways to write documents and contexts in tests."""

from __future__ import annotations

from policy_middleware.model.conditions import ALWAYS, AllOf, Condition, Leaf, Operator, Reference, Scalar
from policy_middleware.model.context import AttributeValue, RequestContext
from policy_middleware.model.effect import Effect
from policy_middleware.model.policy import (
    ApprovalSpec,
    Combine,
    FieldMask,
    MaskOperator,
    MaskSpec,
    Operation,
    PolicyDocument,
    Rule,
)

NOW = 1_800_000_000.0
REVISION = "0" * 64


def is_(attribute: str, value: Scalar) -> Leaf:
    return Leaf(attribute, Operator.EQ, value)


def at_least(attribute: str, value: Scalar) -> Leaf:
    return Leaf(attribute, Operator.GTE, value)


def every(*parts: Condition) -> AllOf:
    return AllOf(parts)


def same_as(attribute: str, other: str) -> Leaf:
    return Leaf(attribute, Operator.EQ, Reference(other))


def masking(*paths: str) -> MaskSpec:
    return MaskSpec(tuple(FieldMask(path, Operation(MaskOperator.REDACT)) for path in paths))


def rule(
    id_: str,
    effect: Effect,
    when: Condition = ALWAYS,
    *,
    observe: bool = False,
    enabled: bool = True,
    valid_from: float | None = None,
    valid_until: float | None = None,
) -> Rule:
    """A rule; a mask rule masks the field named like it."""
    return Rule(
        id_,
        when,
        effect,
        f"Because of {id_}.",
        f"digest of {id_}",
        observe=observe,
        enabled=enabled,
        valid_from=valid_from,
        valid_until=valid_until,
        mask=masking(id_) if effect is Effect.MASK else None,
        approval=ApprovalSpec() if effect is Effect.REQUIRE_APPROVAL else None,
    )


def document(
    *rules: Rule,
    name: str = "acme",
    default: Effect | None = Effect.ALLOW,
    combine: Combine = Combine.FIRST_MATCH,
) -> PolicyDocument:
    return PolicyDocument(name, rules, default, combine)


def context(now: float = NOW, **attributes: AttributeValue) -> RequestContext:
    """A context; `resource_rows=5` is the attribute `resource.rows`."""
    return RequestContext("acme", {key.replace("_", ".", 1): each for key, each in attributes.items()}, now)
