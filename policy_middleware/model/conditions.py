"""What a `when` is once it has been parsed: a small tree, free of JSON and of aliases."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum

Scalar = str | bool | int | float
"""A value an attribute may hold and an operand may compare with."""


class Operator(StrEnum):
    """The comparisons a leaf can make (design: three-valued, set-valued, strictly typed)."""

    EQ = "eq"
    NE = "ne"
    IN = "in"
    NOT_IN = "not_in"
    CONTAINS_ALL = "contains_all"
    EXISTS = "exists"
    GT = "gt"
    GTE = "gte"
    LT = "lt"
    LTE = "lte"
    RANGE = "range"
    PREFIX = "prefix"
    MATCHES = "matches"
    CIDR = "cidr"


REFERENCE_OPERATORS = frozenset(
    {
        Operator.EQ,
        Operator.NE,
        Operator.IN,
        Operator.NOT_IN,
        Operator.GT,
        Operator.GTE,
        Operator.LT,
        Operator.LTE,
    }
)
"""Operators whose operand may be another attribute (`{"ref": "subject.id"}`)."""

DECIDABLE_OPERATORS = frozenset({Operator.EQ, Operator.IN, Operator.CONTAINS_ALL, Operator.EXISTS})
"""Operators that are never indeterminate over a literal operand: a missing attribute is simply false."""


@dataclass(frozen=True, slots=True)
class Reference:
    """An operand that is the value of another attribute, by its canonical dotted path."""

    attribute: str


@dataclass(frozen=True, slots=True)
class Leaf:
    """One comparison of one attribute.

    `operand` by operator: a scalar (`eq ne gt gte lt lte`, and text for `prefix matches cidr`), a tuple of
    scalars (`in not_in contains_all`; low and high for `range`), a bool (`exists`) or a `Reference`.
    Operands over `environment.time` are seconds since the epoch (float).
    """

    attribute: str
    operator: Operator
    operand: Scalar | tuple[Scalar, ...] | Reference


@dataclass(frozen=True, slots=True)
class AllOf:
    """Holds when every part holds (Kleene conjunction); the empty one always holds."""

    parts: tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class AnyOf:
    """Holds when some part holds (Kleene disjunction)."""

    parts: tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class Not:
    """Holds when its part does not; indeterminate stays indeterminate."""

    part: Condition


@dataclass(frozen=True, slots=True)
class Count:
    """How many earlier decisions (or application events) there were; `within` is in seconds.

    At most one of `effect`, `rule` and `event` is set; with none of them, what the owner's own limit has let
    through is counted. `comparison` is one of `gt gte lt lte eq`. `owner` (`document/rule id`) is the rule
    that asks; its own decisions do not count.
    """

    per: tuple[str, ...]
    within: float
    comparison: Operator
    threshold: int
    effect: str | None = None
    rule: str | None = None
    event: str | None = None
    owner: str = ""


Condition = Leaf | AllOf | AnyOf | Not | Count

ALWAYS = AllOf(())
"""The condition of `{}`."""


def owned(condition: Condition, owner: str) -> Condition:
    """Return a condition whose counts know the rule that asks (`document/rule id`)."""
    match condition:
        case Count():
            return replace(condition, owner=owner)
        case Not(part):
            return Not(owned(part, owner))
        case AllOf(parts) | AnyOf(parts):
            return type(condition)(tuple(owned(part, owner) for part in parts))
    return condition
