"""Rows say what the condition says, whatever is missing."""

from __future__ import annotations

from hypothesis import given

from policy_middleware.evaluation.reference import conjunction, holds, negation
from policy_middleware.evaluation.rows import MAX_ROWS, Row, rows_of
from policy_middleware.model.conditions import AllOf, AnyOf, Condition, Not
from policy_middleware.model.context import RequestContext
from tests.evaluation.builders import is_
from tests.evaluation.strategies import anything, contexts


def row_holds(row: Row, asked: RequestContext) -> bool | None:
    return conjunction(
        negation(holds(condition, asked)) if negated else holds(condition, asked)
        for condition, negated in row
    )


@given(anything, contexts())
def test_disjunction_of_the_rows_is_the_condition(condition: Condition, asked: RequestContext) -> None:
    rows = rows_of(condition)
    any_row = negation(conjunction(negation(row_holds(row, asked)) for row in rows))
    assert any_row is holds(condition, asked)
    assert len(rows) <= MAX_ROWS


def test_any_becomes_one_row_for_each_alternative() -> None:
    a, b, c = is_("action", "a"), is_("action", "b"), is_("subject.id", "c")
    assert rows_of(AllOf((AnyOf((a, b)), c))) == [((a, False), (c, False)), ((b, False), (c, False))]


def test_not_is_moved_to_the_comparisons() -> None:
    a, b = is_("action", "a"), is_("subject.id", "b")
    assert rows_of(Not(AnyOf((a, b)))) == [((a, True), (b, True))]


def test_condition_that_would_need_too_many_rows_stays_whole() -> None:
    pairs = tuple(
        AnyOf((is_("action", f"a{number}"), is_("subject.id", f"s{number}"))) for number in range(4)
    )
    assert rows_of(AllOf(pairs))[0][-1] == (pairs[3], False)
    many = AnyOf(tuple(is_("action", f"a{number}") for number in range(MAX_ROWS + 1)))
    assert rows_of(many) == [((many, False),)]


def test_empty_any_has_no_rows_and_empty_all_one_without_terms() -> None:
    assert rows_of(AnyOf(())) == []
    assert rows_of(AllOf(())) == [()]
