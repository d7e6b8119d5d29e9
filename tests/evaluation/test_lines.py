"""A line answers for every place what the comparison answers for every value."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from policy_middleware.evaluation.lines import Line, span_of
from policy_middleware.evaluation.operators import OPERATORS, address_position
from policy_middleware.model.conditions import Leaf, Operator
from tests.evaluation.strategies import NETWORKS, NUMBERS, PREFIXES, TEXTS, leaves

_SPANNED = (
    Operator.GT,
    Operator.GTE,
    Operator.LT,
    Operator.LTE,
    Operator.RANGE,
    Operator.PREFIX,
    Operator.CIDR,
)


@given(st.lists(st.tuples(leaves(operators=_SPANNED), st.booleans()), max_size=8))
def test_line_answers_what_the_comparison_answers(drawn: list[tuple[Leaf, bool]]) -> None:
    by_line: dict[str, list[tuple[Leaf, bool]]] = {"number": [], "text": [], "address": []}
    for leaf, negated in drawn:
        spanned = span_of(leaf)
        if spanned is not None:
            by_line[spanned[0]].append((leaf, negated))
    places = {"number": NUMBERS, "text": (*TEXTS, *PREFIXES), "address": TEXTS}
    for name, members in by_line.items():
        spans = [(1 << index, span_of(leaf)[1], negated) for index, (leaf, negated) in enumerate(members)]  # type: ignore[index]
        line = Line(spans)
        for value in places[name]:
            place = address_position(value) if name == "address" else value
            if place is None:
                continue
            outside = line.outside[line.region(place)]
            for index, (leaf, negated) in enumerate(members):
                holds = OPERATORS[leaf.operator]((value,), leaf.operand) is not negated
                assert bool(outside >> index & 1) is not holds


def test_comparisons_without_a_line_have_no_interval() -> None:
    assert span_of(Leaf("action", Operator.GTE, True)) is None
    assert span_of(Leaf("action", Operator.RANGE, (1, "a"))) is None
    assert span_of(Leaf("action", Operator.CIDR, NETWORKS[-1])) is None
    assert span_of(Leaf("action", Operator.GTE, float("nan"))) is None


def test_line_without_intervals_has_one_region() -> None:
    assert Line([]).outside == [0]
    assert Line([]).region(5) == 0
