"""What one attribute's table remembers, and what it must not."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from policy_middleware.evaluation import tables
from policy_middleware.evaluation.tables import MEMO_TEXT, SMALL_NUMBERS, AttributeTable, TableBuilder
from policy_middleware.model.conditions import Leaf, Operator, Reference


def table_of(*leaves: Leaf) -> AttributeTable:
    builder = TableBuilder()
    for row, leaf in enumerate(leaves):
        assert builder.add(1 << row, leaf, False)
    return builder.build((1 << len(leaves)) - 1)


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
