"""Every operator over missing, empty, single, mixed and odd-typed values."""

from __future__ import annotations

import pytest

from policy_middleware.evaluation.operators import (
    OPERATORS,
    REFERENCES,
    Values,
    address_position,
    network_span,
)
from policy_middleware.model.conditions import DECIDABLE_OPERATORS, REFERENCE_OPERATORS, Operator

SAMPLE_OPERANDS = {Operator.IN: ("a",), Operator.NOT_IN: ("a",), Operator.CONTAINS_ALL: ("a",)} | {
    Operator.EXISTS: True,
    Operator.RANGE: (1, 2),
    Operator.CIDR: "10.0.0.0/8",
}
ORDERED = (Operator.GT, Operator.GTE, Operator.LT, Operator.LTE, Operator.RANGE)
PATTERNS = (Operator.PREFIX, Operator.MATCHES, Operator.CIDR)


def test_tables_know_every_operator() -> None:
    assert set(OPERATORS) == set(Operator)
    assert set(REFERENCES) == REFERENCE_OPERATORS


@pytest.mark.parametrize("operator", Operator)
def test_missing_attribute_is_false_for_decidable_operators_and_unknown_for_the_others(
    operator: Operator,
) -> None:
    expected = False if operator in DECIDABLE_OPERATORS else None
    assert OPERATORS[operator](None, SAMPLE_OPERANDS.get(operator, "a")) is expected


@pytest.mark.parametrize(
    ("operator", "expected"),
    [
        (Operator.EQ, False),
        (Operator.IN, False),
        (Operator.CONTAINS_ALL, False),
        (Operator.NE, True),
        (Operator.NOT_IN, True),
        (Operator.EXISTS, True),
        *((operator, None) for operator in (*ORDERED, *PATTERNS)),
    ],
)
def test_present_but_empty_attribute(operator: Operator, expected: bool | None) -> None:
    assert OPERATORS[operator]((), SAMPLE_OPERANDS.get(operator, "a")) is expected


@pytest.mark.parametrize(
    ("operator", "values", "operand", "expected"),
    [
        (Operator.EQ, ("a", "b"), "b", True),
        (Operator.EQ, ("a", "b"), "c", False),
        (Operator.EQ, (1,), True, False),
        (Operator.EQ, (True,), 1, False),
        (Operator.EQ, ("1",), 1, False),
        (Operator.EQ, (1,), 1.0, True),
        (Operator.NE, ("a", "b"), "b", False),
        (Operator.NE, (1,), True, True),
        (Operator.IN, ("a", "b"), ("b", "c"), True),
        (Operator.IN, (0,), (False, ""), False),
        (Operator.NOT_IN, ("a",), ("b", "c"), True),
        (Operator.NOT_IN, ("a", "b"), ("b",), False),
        (Operator.CONTAINS_ALL, ("a", "b", "c"), ("a", "c"), True),
        (Operator.CONTAINS_ALL, ("a",), ("a", "c"), False),
        (Operator.CONTAINS_ALL, ("a",), (), True),
        (Operator.EXISTS, ("a",), False, False),
        (Operator.EXISTS, None, False, True),
        (Operator.GT, (2,), 2, False),
        (Operator.GTE, (2,), 2.0, True),
        (Operator.LT, ("a",), "b", True),
        (Operator.LTE, (3, 4), 2, False),
        (Operator.GTE, (1, 3), 2, None),
        (Operator.GTE, (3, "x"), 2, None),
        (Operator.GTE, ("3",), 2, None),
        (Operator.GTE, (True,), 0, None),
        (Operator.GTE, (float("nan"),), 0, None),
        (Operator.GTE, (float("inf"),), 10**400, True),
        (Operator.RANGE, (1, 5), (1, 5), True),
        (Operator.RANGE, (0,), (1, 5), False),
        (Operator.RANGE, (3,), (5, 1), False),
        (Operator.RANGE, ("b",), ("a", "c"), True),
        (Operator.RANGE, (3,), ("a", "c"), None),
        (Operator.PREFIX, ("document.read", "document.list"), "document.", True),
        (Operator.PREFIX, ("report.read",), "document.", False),
        (Operator.PREFIX, (5,), "5", None),
        (Operator.MATCHES, ("report-17",), r"\d+", True),
        (Operator.MATCHES, ("report",), r"\d+", False),
        (Operator.MATCHES, (17,), r"\d+", None),
        (Operator.MATCHES, ("\ud800",), "x", None),
        (Operator.MATCHES, ("x",), "(?=x)", None),
        (Operator.CIDR, ("10.1.2.3",), "10.0.0.0/8", True),
        (Operator.CIDR, ("11.1.2.3",), "10.0.0.0/8", False),
        (Operator.CIDR, ("::ffff:10.1.2.3",), "10.0.0.0/8", True),
        (Operator.CIDR, ("10.1.2.3",), "::ffff:10.0.0.0/104", True),
        (Operator.CIDR, ("10.1.2.3",), "::/0", False),
        (Operator.CIDR, ("2001:db8::1",), "0.0.0.0/0", False),
        (Operator.CIDR, ("not an address",), "10.0.0.0/8", None),
        (Operator.CIDR, (167772161,), "10.0.0.0/8", None),
        (Operator.CIDR, ("10.1.2.3",), "no network", None),
    ],
)
def test_comparison_with_a_literal(
    operator: Operator, values: Values | None, operand: object, expected: bool | None
) -> None:
    assert OPERATORS[operator](values, operand) is expected


@pytest.mark.parametrize(
    ("operator", "left", "right", "expected"),
    [
        (Operator.EQ, ("a", "b"), ("b", "c"), True),
        (Operator.EQ, ("a",), ("b",), False),
        (Operator.EQ, ("a",), None, False),
        (Operator.EQ, None, ("a",), False),
        (Operator.EQ, None, None, False),
        (Operator.IN, ("a",), ("b", "a"), True),
        (Operator.NE, ("a",), ("b",), True),
        (Operator.NE, ("a", "b"), ("b",), False),
        (Operator.NE, ("a",), None, None),
        (Operator.NE, None, ("a",), None),
        (Operator.NE, ("a",), (), True),
        (Operator.NOT_IN, (), ("a",), True),
        (Operator.GTE, (3, 4), (1, 3), True),
        (Operator.GTE, (0,), (1, 3), False),
        (Operator.GTE, (2,), (1, 3), None),
        (Operator.GTE, (2,), (), None),
        (Operator.GTE, (2,), None, None),
        (Operator.LT, (2,), ("3",), None),
    ],
)
def test_comparison_with_another_attribute(
    operator: Operator, left: Values | None, right: Values | None, expected: bool | None
) -> None:
    assert REFERENCES[operator](left, right) is expected


def test_all_of_ipv4_stands_before_all_of_ipv6() -> None:
    first, last = address_position("::"), address_position("255.255.255.255")
    assert first is not None
    assert last is not None
    assert last < first


def test_network_may_be_written_as_an_address_or_with_host_bits() -> None:
    assert network_span("10.0.0.1") == (167772161, 167772161)
    assert network_span("10.9.9.9/8") == network_span("10.0.0.0/8")
