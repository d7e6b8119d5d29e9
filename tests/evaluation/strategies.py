"""Random documents and contexts over a small vocabulary, so that rules and requests often meet."""

from __future__ import annotations

from hypothesis import strategies as st

from policy_middleware.model.conditions import (
    DECIDABLE_OPERATORS,
    REFERENCE_OPERATORS,
    AllOf,
    AnyOf,
    Condition,
    Count,
    Leaf,
    Not,
    Operator,
    Reference,
    Scalar,
)
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
from policy_middleware.model.vocabulary import GLOBAL, HOUR, INCIDENT, TIME, WEEKDAY

ATTRIBUTES = ("action", "subject.roles", "subject.id", "resource.tags", "resource.rows", "environment.ip")
CLOCKS = (TIME, HOUR, WEEKDAY)
UNCERTAIN = "context.score"
"""Read only by comparisons that a missing attribute leaves unknown."""

TEXTS = (
    "",
    "a",
    "ab",
    "abc",
    "b",
    "\U0010ffff",
    "1",
    "10.0.0.1",
    "::ffff:10.0.0.1",
    "10.200.0.1",
    "2001:db8::1",
)
NUMBERS = (-1, 0, 1, 1.0, 2, 2.5, 9, 1e300, 2**70)
NOW = 1_800_000_000.0
TIMES = tuple(NOW + hours * 3600 for hours in (-30, -1, 0, 1, 30))
PREFIXES = ("", "a", "ab", "10.", "\U0010ffff", "a\U0010ffff")
PATTERNS = ("a", "^ab?$", r"\d+", "[", "(?=a)")
NETWORKS = ("10.0.0.0/8", "10.0.0.1", "::/0", "0.0.0.0/0", "2001:db8::/32", "::ffff:10.0.0.0/104", "nonsense")

scalars: st.SearchStrategy[Scalar] = st.one_of(
    st.sampled_from(TEXTS), st.sampled_from(NUMBERS), st.booleans()
)
odd_scalars: st.SearchStrategy[Scalar] = st.one_of(
    scalars, st.sampled_from(["\ud800a", float("nan"), float("inf"), "x" * 600])
)
values: st.SearchStrategy[AttributeValue] = st.one_of(
    odd_scalars, st.lists(odd_scalars, max_size=3).map(tuple), st.lists(st.sampled_from(TEXTS)).map(tuple)
)
moments = st.sampled_from([*TIMES, *(time + 0.5 for time in TIMES)])

_lists = st.lists(scalars, max_size=3).map(tuple)
_OPERANDS: dict[Operator, st.SearchStrategy[object]] = {
    Operator.IN: _lists,
    Operator.NOT_IN: _lists,
    Operator.CONTAINS_ALL: _lists,
    Operator.EXISTS: st.booleans(),
    Operator.RANGE: st.one_of(
        st.tuples(st.sampled_from(NUMBERS), st.sampled_from(NUMBERS)),
        st.tuples(st.sampled_from(TEXTS), st.sampled_from(TEXTS)),
        st.tuples(scalars, scalars),
    ),
    Operator.PREFIX: st.sampled_from(PREFIXES),
    Operator.MATCHES: st.sampled_from(PATTERNS),
    Operator.CIDR: st.sampled_from(NETWORKS),
}


@st.composite
def leaves(
    draw: st.DrawFn,
    attributes: tuple[str, ...] = ATTRIBUTES,
    operators: tuple[Operator, ...] = tuple(Operator),
) -> Leaf:
    """One comparison, now and then of a clock attribute or with another attribute."""
    operator = draw(st.sampled_from(operators))
    if operator in REFERENCE_OPERATORS and draw(st.integers(0, 5)) == 0:
        return Leaf(draw(st.sampled_from(attributes)), operator, Reference(draw(st.sampled_from(attributes))))
    attribute = draw(st.sampled_from(attributes))
    if attribute == TIME and operator not in _OPERANDS:
        return Leaf(attribute, operator, draw(st.sampled_from(TIMES)))
    return Leaf(attribute, operator, draw(_OPERANDS.get(operator, scalars)))  # type: ignore[arg-type]


def conditions(leaf: st.SearchStrategy[Leaf]) -> st.SearchStrategy[Condition]:
    """Conditions nested a few levels deep; many are plain conjunctions, as people write them."""
    nested = st.recursive(
        leaf,
        lambda inner: st.one_of(
            st.lists(inner, max_size=3).map(lambda parts: AllOf(tuple(parts))),
            st.lists(inner, max_size=3).map(lambda parts: AnyOf(tuple(parts))),
            inner.map(Not),
        ),
        max_leaves=12,
    )
    conjunctions = st.lists(leaf, max_size=3).map(lambda parts: AllOf(tuple(parts)))
    return st.one_of(conjunctions, nested)


COUNT = Count(("subject.id",), 3600.0, Operator.GTE, 3, effect="deny")
anything = conditions(leaves((*ATTRIBUTES, *CLOCKS))) | st.just(COUNT)
masks = st.lists(
    st.builds(
        FieldMask,
        st.sampled_from(["a", "b", "**.c"]),
        st.builds(Operation, st.sampled_from(MaskOperator)),
    ),
    max_size=2,
).map(lambda fields: MaskSpec(tuple(fields)))


@st.composite
def rules(draw: st.DrawFn, number: int, when: st.SearchStrategy[Condition], restricting: bool) -> Rule:
    """One rule, now and then disabled, observed or with a window of validity."""
    effect = draw(st.sampled_from([each for each in Effect if each.restricts or not restricting]))
    return Rule(
        id=f"r{number}",
        when=draw(when),
        effect=effect,
        reason=f"Reason {number}.",
        digest=f"digest-{number}",
        enabled=draw(st.integers(0, 9)) > 0,
        observe=draw(st.integers(0, 4)) == 0,
        valid_from=draw(st.none() | st.none() | moments),
        valid_until=draw(st.none() | st.none() | moments),
        mask=draw(masks) if effect is Effect.MASK else None,
        approval=ApprovalSpec(required=number + 1) if effect is Effect.REQUIRE_APPROVAL else None,
    )


@st.composite
def documents(
    draw: st.DrawFn, when: st.SearchStrategy[Condition] = anything, name: str = "acme"
) -> PolicyDocument:
    """A tenant's document, or a guardrail when the name says so."""
    guardrail = name in (INCIDENT, GLOBAL)
    count = draw(st.integers(0, 8))
    return PolicyDocument(
        name=name,
        rules=tuple(draw(rules(number, when, guardrail)) for number in range(count)),
        default=None if guardrail else draw(st.sampled_from([Effect.ALLOW, Effect.DENY])),
        combine=draw(st.sampled_from(Combine)),
    )


@st.composite
def contexts(draw: st.DrawFn, attributes: tuple[str, ...] = ATTRIBUTES) -> RequestContext:
    """A context in which any attribute may be missing, empty, of several values or of an odd type."""
    given = {name: draw(values) for name in attributes if draw(st.integers(0, 3)) > 0}
    return RequestContext("acme", given, draw(moments))


@st.composite
def sets_of_documents(
    draw: st.DrawFn, when: st.SearchStrategy[Condition] = anything
) -> tuple[PolicyDocument, ...]:
    """What may be in force for a tenant: any of the guardrails, then the tenant's document."""
    names = [name for name in (INCIDENT, GLOBAL) if draw(st.booleans())]
    return tuple(draw(documents(when, name)) for name in (*names, "acme"))


LEFT_UNKNOWN_BY_ABSENCE = tuple(operator for operator in Operator if operator not in DECIDABLE_OPERATORS)

uncertain_conditions = conditions(
    st.one_of(leaves((*ATTRIBUTES, *CLOCKS)), leaves((UNCERTAIN,), LEFT_UNKNOWN_BY_ABSENCE))
)
"""Conditions in which `UNCERTAIN` is read only by comparisons that its absence leaves unknown."""
