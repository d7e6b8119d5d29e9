"""Bring a condition into the form tables can hold: a few rows, each a conjunction of terms.

Distribution and De Morgan's laws hold in Kleene's logic too, so a rule's verdict is exactly the disjunction
of its rows' verdicts. A part that would need too many rows stays whole, as one term evaluated on its own.
"""

from __future__ import annotations

from typing import Final

from policy_middleware.model.conditions import AllOf, AnyOf, Condition, Leaf, Not, Operator

MAX_ROWS: Final = 8
"""Rows one rule may take; the product of several `any` of several parts grows exponentially."""

Term = tuple[Condition, bool]
"""One conjunct of a row: a condition, and whether it is negated."""

Row = tuple[Term, ...]


def rows_of(condition: Condition, negated: bool = False) -> list[Row]:
    """Return rows whose disjunction is the condition (or its negation); none when it can never hold."""
    kind = condition.__class__
    if kind is Leaf:
        return _leaf_rows(condition, negated)  # type: ignore[arg-type]
    if isinstance(condition, (AllOf, AnyOf)):
        if (kind is AllOf) is not negated:
            return _product(condition.parts, negated)
        return _alternatives(condition, negated)
    if isinstance(condition, Not):
        return rows_of(condition.part, not negated)
    return [((condition, negated),)]


def _leaf_rows(leaf: Leaf, negated: bool) -> list[Row]:
    if leaf.operator is Operator.CONTAINS_ALL and isinstance(leaf.operand, tuple) and leaf.operand:
        return rows_of(
            AllOf(tuple(Leaf(leaf.attribute, Operator.EQ, each) for each in leaf.operand)), negated
        )
    return [((leaf, negated),)]


def _product(parts: tuple[Condition, ...], negated: bool) -> list[Row]:
    rows: list[Row] = [()]
    for part in parts:
        alternatives = rows_of(part, negated)
        if len(alternatives) == 1:
            (only,) = alternatives
            rows = [row + only for row in rows]
        elif len(rows) * len(alternatives) > MAX_ROWS:
            rows = [(*row, (part, negated)) for row in rows]
        else:
            rows = [row + alternative for row in rows for alternative in alternatives]
    return rows


def _alternatives(condition: AllOf | AnyOf, negated: bool) -> list[Row]:
    rows: list[Row] = []
    for part in condition.parts:
        rows += rows_of(part, negated)
        if len(rows) > MAX_ROWS:
            return [((condition, negated),)]
    return rows
