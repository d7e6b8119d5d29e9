"""Derived facts: how many decisions there were is an attribute like any other, once somebody has counted.

A count is spelled out as a comparison of such an attribute with the threshold. Until it has been counted the
attribute is missing, and the comparison is one that a missing attribute leaves unknown.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from policy_middleware.model.conditions import AllOf, AnyOf, Condition, Count, Leaf, Not, Operator
from policy_middleware.model.times import format_duration


@dataclass(frozen=True, slots=True)
class Tally:
    """What is written down to be counted later, apart for each combination of the `per` attributes.

    Decisions of an effect that its `owner` (`document/rule`) did not make, decisions of the rule `name`
    (`document/rule`), application events called `name`, or what the limit of the rule `name` let through.
    """

    kind: Literal["effect", "rule", "event", "limit"]
    name: str
    per: tuple[str, ...]
    owner: str = ""


@dataclass(frozen=True, slots=True)
class Fact:
    """How many entries of a tally are at most `within` seconds old.

    Its attribute is the name people read in traces and records; no attribute of a request can be called so.
    """

    tally: Tally
    within: float

    @property
    def attribute(self) -> str:
        """The name under which conditions, traces and records know the number."""
        tally = self.tally
        except_own = f" except {tally.owner}" if tally.owner else ""
        kept = f"per {', '.join(tally.per)} within {format_duration(self.within)}"
        return f"count of {tally.kind} {tally.name} {kept}{except_own}"


def tally_of(count: Count) -> Tally:
    """Return what a count counts."""
    if count.effect is not None:
        return Tally("effect", count.effect, count.per, count.owner)
    if count.rule is not None:
        document = count.owner.partition("/")[0]
        return Tally("rule", f"{document}/{count.rule}", count.per)
    if count.event is not None:
        return Tally("event", count.event, count.per)
    return Tally("limit", count.owner, count.per)


def fact_of(count: Count) -> Fact:
    """Return the number that a count compares."""
    return Fact(tally_of(count), count.within)


def comparison(count: Count) -> Leaf:
    """Return the comparison that a count is."""
    attribute = fact_of(count).attribute
    if count.comparison is Operator.EQ:  # an equality with what is missing would be false, not unknown
        return Leaf(attribute, Operator.RANGE, (count.threshold, count.threshold))
    return Leaf(attribute, count.comparison, count.threshold)


def counts_in(condition: Condition) -> Iterator[Count]:
    """Yield every count of a condition."""
    match condition:
        case Count():
            yield condition
        case Not(part):
            yield from counts_in(part)
        case AllOf(parts) | AnyOf(parts):
            for part in parts:
                yield from counts_in(part)


def spelled_out(condition: Condition) -> Condition:
    """Return a condition with the comparisons that its counts are."""
    match condition:
        case Count():
            return comparison(condition)
        case Not(part):
            return Not(spelled_out(part))
        case AllOf(parts) | AnyOf(parts):
            return type(condition)(tuple(map(spelled_out, parts)))
    return condition
