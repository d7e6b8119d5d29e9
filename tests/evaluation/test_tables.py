"""What one attribute's table remembers, and what it must not."""

from __future__ import annotations

from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policy_middleware.evaluation import tables
from policy_middleware.evaluation.operators import OPERATORS
from policy_middleware.evaluation.reference import negation
from policy_middleware.evaluation.tables import MEMO_TEXT, SMALL_NUMBERS, AttributeTable, TableBuilder
from policy_middleware.model.conditions import Leaf, Operator, Reference
from policy_middleware.model.context import AttributeValue
from tests.evaluation.strategies import leaves, values


def table_of(*members: Leaf) -> AttributeTable:
    builder = TableBuilder()
    for row, member in enumerate(members):
        assert builder.add(1 << row, member, False)
    return builder.build((1 << len(members)) - 1)


def leaf(operator: Operator, operand: object) -> Leaf:
    return Leaf("resource.path", operator, operand)  # type: ignore[arg-type]


def asked(table: AttributeTable, values: Iterable[str]) -> AttributeTable:
    for value in values:
        table.look_up(value)
    return table


def test_masks_are_the_rows_possible_and_the_rows_unknown() -> None:
    table = table_of(leaf(Operator.EQ, "a"), leaf(Operator.GTE, 5), leaf(Operator.NE, "a"))
    assert table.look_up("a") == (0b011, 0b010)
    assert table.look_up("b") == (0b110, 0b010)
    assert table.look_up(7) == (0b110, 0b000)
    assert table.look_up(None) == (0b110, 0b110)
    assert table.look_up(()) == (0b110, 0b010)
    assert table.look_up(("a", "b")) == (0b011, 0b010)


@given(
    st.lists(st.tuples(leaves(("resource.path",)), st.booleans()), min_size=1, max_size=8),
    st.lists(st.none() | values, min_size=5, max_size=20),
)
def test_every_value_gets_the_masks_of_its_comparisons_whatever_was_asked_before(
    drawn: list[tuple[Leaf, bool]], asked_for: list[AttributeValue | None]
) -> None:
    taken = [each for each in drawn if TableBuilder().add(1, *each)]
    builder = TableBuilder()
    for row, (one, negated) in enumerate(taken):
        assert builder.add(1 << row, one, negated)
    table = builder.build((1 << len(taken)) - 1)
    for value in asked_for:
        possible, unknown = table.memo.get(value) or table.look_up(value)
        given_values = value if value is None or isinstance(value, tuple) else (value,)
        for row, (one, negated) in enumerate(taken):
            verdict = OPERATORS[one.operator](given_values, one.operand)
            verdict = negation(verdict) if negated else verdict
            assert bool(possible >> row & 1) is (verdict is not False)
            if verdict is not False:
                assert bool(unknown >> row & 1) is (verdict is None)


def test_numbers_beside_a_named_one_are_not_taken_for_it() -> None:
    table = table_of(leaf(Operator.EQ, 700))
    assert [table.look_up(number) for number in (600, 700, 800, 700.0)] == [(0, 0), (1, 0), (0, 0), (1, 0)]


def test_nan_is_unknown_also_after_numbers_were_seen() -> None:
    table = table_of(leaf(Operator.GTE, 700))
    assert table.look_up(600) == (0, 0)
    assert table.look_up(800) == (1, 0)
    assert table.look_up(float("nan")) == (1, 1)


def test_builder_declines_what_a_table_cannot_hold() -> None:
    builder = TableBuilder()
    assert not builder.add(1, leaf(Operator.EQ, Reference("subject.id")), False)
    assert not builder.add(1, leaf(Operator.GTE, True), False)
    assert builder.add(1, leaf(Operator.GTE, 1), False)
    assert not builder.add(1, leaf(Operator.LT, 5), False)
    assert builder.add(2, leaf(Operator.LT, 5), False)


@pytest.mark.parametrize("operator", [Operator.EQ, Operator.PREFIX])
def test_memory_for_values_chosen_by_clients_is_bounded(
    operator: Operator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tables, "MEMO_ENTRIES", 10)
    table = asked(table_of(leaf(operator, "a")), map(str, range(1000)))
    assert len(table.memo) <= 11
    assert table.memo[None] == table.look_up(None)


@pytest.mark.parametrize("operator", [Operator.EQ, Operator.PREFIX])
def test_long_values_are_not_remembered(operator: Operator) -> None:
    long = "x" * (MEMO_TEXT + 1)
    assert long not in asked(table_of(leaf(operator, "a")), [long]).memo


def test_equal_masks_are_kept_once() -> None:
    table = table_of(leaf(Operator.PREFIX, "a"))
    assert table.look_up("ab") is table.look_up("ac")


def test_numbers_that_equal_a_boolean_are_not_remembered() -> None:
    table = table_of(leaf(Operator.GTE, 0))
    for number in (0, 1, 2, SMALL_NUMBERS):
        table.look_up(number)
    assert set(table.memo) == {None, (), 2}
    assert table.look_up(True) == (1, 1)
