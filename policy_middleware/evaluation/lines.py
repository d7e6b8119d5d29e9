"""Intervals on an ordered line, answered for any place by one binary search."""

from __future__ import annotations

import sys
from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final

from policy_middleware.evaluation.operators import network_span
from policy_middleware.model.conditions import Leaf, Operator

_BEFORE: Final = 0
_AFTER: Final = 1

Place = str | int | float
"""A number, a text or an address position; one line holds places of one kind."""


Cut = tuple[Place, int]
"""A cut of the line: (place, 0) lies before the place, (place, 1) after it."""

Span = tuple[Cut | None, Cut | None]
"""An interval between two cuts; None is open-ended."""


class Line:
    """Which members of a bit-vector are outside their interval, for every region of the line.

    The n places named by intervals part the line into 2n + 1 regions: gap, place, gap, ..., place, gap.
    """

    __slots__ = ("members", "outside", "places")

    def __init__(self, spans: Sequence[tuple[int, Span, bool]], places: Iterable[Place] = ()) -> None:
        """Build from (bit, interval, negated); `places` are further places that need their own region."""
        named = {cut[0] for _, span, _ in spans for cut in span if cut is not None}
        self.places: list[Place] = sorted(named.union(places))
        rank = {place: index for index, place in enumerate(self.places)}
        self.members = 0
        start_outside = 0
        changes: dict[int, int] = {}
        for bit, (low, high), negated in spans:
            self.members |= bit
            first = 0 if low is None else 2 * rank[low[0]] + 1 + low[1]
            behind = None if high is None else 2 * rank[high[0]] + 1 + high[1]
            if behind is not None and first >= behind:  # low above high: nothing is inside
                start_outside |= 0 if negated else bit
                continue
            if (first > 0) is not negated:
                start_outside |= bit
            if first > 0:
                changes[first] = changes.get(first, 0) ^ bit
            if behind is not None:
                changes[behind] = changes.get(behind, 0) ^ bit
        self.outside = [start_outside]
        for region in range(1, 2 * len(self.places) + 1):
            change = changes.get(region)
            previous = self.outside[-1]
            self.outside.append(previous if change is None else previous ^ change)

    def region(self, place: Place) -> int:
        """Return the number of the region that holds a place."""
        places = self.places
        index = bisect_left(places, place)
        return 2 * index + (index < len(places) and places[index] == place)


def span_of(leaf: Leaf) -> tuple[str, Span] | None:
    """Return the line (`number`, `text` or `address`) and interval of a comparison, None if it has none."""
    operator, operand = leaf.operator, leaf.operand
    half_line = _HALF_LINES.get(operator)
    if half_line is not None:
        line = _line_of(operand)
        return None if line is None else (line, half_line(operand))  # type: ignore[arg-type]  # checked by _line_of
    if operator is Operator.RANGE:
        low, high = operand  # type: ignore[misc,str-unpack]  # a pair, by the operator
        line = _line_of(low)
        if line is None or line is not _line_of(high):
            return None
        return line, ((low, _BEFORE), (high, _AFTER))
    if operator is Operator.PREFIX and isinstance(operand, str):
        return "text", ((operand, _BEFORE), _behind_prefix(operand))
    if operator is Operator.CIDR and isinstance(operand, str) and (ends := network_span(operand)) is not None:
        return "address", ((ends[0], _BEFORE), (ends[1], _AFTER))
    return None


def _line_of(operand: object) -> str | None:
    kind = operand.__class__
    if kind is str:
        return "text"
    return "number" if (kind is int or kind is float) and operand == operand else None


def _behind_prefix(prefix: str) -> Cut | None:
    head = prefix.rstrip(chr(sys.maxunicode))
    return (head[:-1] + chr(ord(head[-1]) + 1), _BEFORE) if head else None


_HALF_LINES: Final[Mapping[Operator, Callable[[Place], Span]]] = {
    Operator.GTE: lambda operand: ((operand, _BEFORE), None),
    Operator.GT: lambda operand: ((operand, _AFTER), None),
    Operator.LTE: lambda operand: (None, (operand, _AFTER)),
    Operator.LT: lambda operand: (None, (operand, _BEFORE)),
}
