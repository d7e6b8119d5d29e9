"""Bring a condition into the form tables can hold: a few rows, each a conjunction of terms.

Distribution and De Morgan's laws hold in Kleene's logic too, so a rule's verdict is exactly the disjunction
of its rows' verdicts. A part that would need too many rows stays whole, as one term evaluated on its own.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from policy_middleware.model.conditions import AllOf, AnyOf, Condition, Leaf, Not, Operator

MAX_ROWS: Final = 8
"""Rows one rule may take; the product of several `any` of several parts grows exponentially."""


class Term(NamedTuple):
    """One conjunct of a row: a condition, or its negation."""

    condition: Condition
    negated: bool = False


Row = tuple[Term, ...]


def rows_of(condition: Condition) -> list[Row]:
    """Return rows whose disjunction is the condition; none when it can never hold."""
    return _rows(Term(condition))


def _rows(term: Term) -> list[Row]:
    condition, negated = term
    match condition:
        case Leaf(attribute, Operator.CONTAINS_ALL, tuple(operands)) if operands:
            parts: tuple[Condition, ...] = tuple(Leaf(attribute, Operator.EQ, each) for each in operands)
            return _rows(Term(AllOf(parts), negated))
        case AllOf(parts):
            return _alternatives(term, parts) if negated else _product(parts, negated)
        case AnyOf(parts):
            return _product(parts, negated) if negated else _alternatives(term, parts)
        case Not(part):
            return _rows(Term(part, not negated))
    return [(term,)]


def _product(parts: tuple[Condition, ...], negated: bool) -> list[Row]:
    rows: list[Row] = [()]
    for part in parts:
        term = Term(part, negated)
        alternatives = _rows(term)
        if len(rows) * len(alternatives) > MAX_ROWS:
            alternatives = [(term,)]
        rows = [row + alternative for row in rows for alternative in alternatives]
    return rows


def _alternatives(term: Term, parts: tuple[Condition, ...]) -> list[Row]:
    rows: list[Row] = []
    for part in parts:
        rows += _rows(Term(part, term.negated))
        if len(rows) > MAX_ROWS:
            return [(term,)]
    return rows
