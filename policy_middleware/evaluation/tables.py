"""One table per attribute: from its value to the rows that are still possible, and those it leaves unknown.

The method is the bit-vector scheme of Lakshman and Stiliadis (SIGCOMM 1998), made three-valued: bit i of a
mask speaks of row i, and a decision is the AND of what the tables say of the values at hand.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Mapping
from typing import Final

from policy_middleware.evaluation.lines import Line, Span, span_of
from policy_middleware.evaluation.operators import (
    Values,
    address_position,
    pattern,
    unanimous,
)
from policy_middleware.model.conditions import DECIDABLE_OPERATORS, Leaf, Operator, Reference, Scalar
from policy_middleware.model.context import AttributeValue

Masks = tuple[int, int]
"""(rows not yet ruled out, rows a comparison of this attribute leaves unknown)."""

MEMO_ENTRIES: Final = 1024
"""Values remembered per table beyond those its rules name; then it starts afresh. Bounds memory."""
MEMO_TEXT: Final = 512
"""Longest value, in characters, that is remembered; clients choose values."""

SMALL_NUMBERS: Final = 512
"""Whole numbers below this (hours, scores, counts) are remembered, but 0 and 1: they equal False and True."""

_EQUALITY = frozenset({Operator.EQ, Operator.NE, Operator.IN, Operator.NOT_IN})
_COMPLEMENTS = frozenset({Operator.NE, Operator.NOT_IN})
_WITHOUT_VALUES: Final[Mapping[Operator, tuple[bool | None, bool | None]]] = {
    operator: (False, False)
    if operator in DECIDABLE_OPERATORS
    else (None, True if operator in _COMPLEMENTS else None)
    for operator in Operator
}
"""What a comparison (but `exists`) answers of a missing attribute and of an empty one."""


def _identity(value: Scalar) -> object:
    """Return a dict key for a value under strict equality, since Python takes True for 1."""
    return (value,) if value.__class__ is bool else value


def _number_place(value: Scalar) -> Scalar | None:
    return (
        value if isinstance(value, (int, float)) and not isinstance(value, bool) and value == value else None
    )


def _text_place(value: Scalar) -> Scalar | None:
    return value if isinstance(value, str) else None


_PLACES: Final[dict[str, Callable[[Scalar], Scalar | None]]] = {
    "number": _number_place,
    "text": _text_place,
    "address": address_position,
}


class TableBuilder:
    """Collects the comparisons of one attribute, at most one per row and family."""

    def __init__(self) -> None:
        self.mentions = 0
        self.missing_false = self.missing_unknown = 0
        self.empty_false = self.empty_unknown = 0
        self.absent_only = 0
        self.hits: dict[object, int] = {}
        self.needs_hit = 0
        self.spans: dict[str, list[tuple[int, Span, bool]]] = {"number": [], "text": [], "address": []}
        self.patterns: dict[tuple[str, bool], int] = {}
        self._taken: dict[str, int] = {}

    def add(self, bit: int, leaf: Leaf, negated: bool) -> bool:
        """Take in one comparison of row `bit`; False when it has to be evaluated on its own."""
        operator, operand = leaf.operator, leaf.operand
        if isinstance(operand, Reference):
            return False
        if operator in _EQUALITY:
            if self._taken.get("equality") == bit:
                return False
            self._taken["equality"] = bit
            for item in operand if isinstance(operand, tuple) else (operand,):
                key = _identity(item)
                self.hits[key] = self.hits.get(key, 0) | bit
            if (operator in _COMPLEMENTS) is negated:
                self.needs_hit |= bit
        elif operator is Operator.EXISTS:
            if operand is negated:
                self.absent_only |= bit
        elif operator is Operator.MATCHES and isinstance(operand, str):
            self.patterns[operand, negated] = self.patterns.get((operand, negated), 0) | bit
        elif operator is Operator.CONTAINS_ALL or (placed := span_of(leaf)) is None:
            return False
        else:
            line, span = placed
            if self._taken.get(line) == bit:
                return False
            self._taken[line] = bit
            self.spans[line].append((bit, span, negated))
        self.mentions += 1
        missing, empty = (not operand, operand) if operator is Operator.EXISTS else _WITHOUT_VALUES[operator]
        if missing is None:
            self.missing_unknown |= bit
        elif missing is negated:
            self.missing_false |= bit
        if empty is None:
            self.empty_unknown |= bit
        elif empty is negated:
            self.empty_false |= bit
        return True

    def build(self, all_rows: int) -> AttributeTable:
        """Return the finished table of a document whose rows are the bits of `all_rows`."""
        return AttributeTable(self, all_rows)


class AttributeTable:
    """What every value of one attribute means for every row.

    `memo` answers what has been seen: missing (None), empty, text and tuples of text; `look_up` answers all.
    """

    __slots__ = (
        "_absent_only",
        "_all_rows",
        "_hits",
        "_lines",
        "_memo_limit",
        "_needs_hit",
        "_only_equality",
        "_patterns",
        "_places",
        "_shared",
        "_typed",
        "_unnamed_text",
        "_without_values",
        "memo",
    )

    def __init__(self, parts: TableBuilder, all_rows: int) -> None:
        self._all_rows = all_rows
        self._absent_only = parts.absent_only
        self._hits = parts.hits
        self._needs_hit = parts.needs_hit
        # Numbers that equality names become places of the line, so that a region decides a number wholly.
        named = [key for key in parts.hits if isinstance(key, (int, float))]
        lines = {name: Line(spans) for name, spans in parts.spans.items() if spans and name != "number"}
        if parts.spans["number"] or named:
            lines["number"] = Line(parts.spans["number"], named)
        self._places: list[int | float] = lines["number"].places if "number" in lines else []  # type: ignore[assignment]  # of numbers only
        self._lines = tuple((line, _PLACES[name]) for name, line in lines.items() if line.members)
        self._patterns = tuple(
            (pattern(text), negated, members) for (text, negated), members in parts.patterns.items()
        )
        self._typed: dict[object, Masks] = {}
        self._shared: dict[Masks, Masks] = {}
        self._only_equality = not parts.spans["text"] and not parts.spans["address"] and not parts.patterns
        self._unnamed_text: Masks | None = None
        self._memo_limit = MEMO_ENTRIES + len(parts.hits)
        self._without_values: dict[AttributeValue | None, Masks] = {
            None: (all_rows ^ parts.missing_false, parts.missing_unknown),
            (): (all_rows ^ parts.empty_false, parts.empty_unknown),
        }
        self.memo = dict(self._without_values)

    def look_up(self, value: AttributeValue | None) -> Masks:
        """Return the masks of any value, computing what the memo does not hold."""
        kind = value.__class__
        if kind is int or kind is float:
            return self._of_number(value)  # type: ignore[arg-type]  # narrowed by class
        if kind is str:
            return self._of_text(value)  # type: ignore[arg-type]  # narrowed by class
        if kind is bool:
            return self._of_type((value,), (value,))  # type: ignore[arg-type]  # narrowed by class
        if value is None or value == ():
            return self._without_values[value]  # another thread is emptying the memo
        values = value if isinstance(value, tuple) else (value,)
        if all(item.__class__ is str for item in values):
            return self._remember(value, values, sum(map(len, values)))  # type: ignore[arg-type]  # all are text
        return self._masks(values)

    def _of_number(self, value: int | float) -> Masks:
        places = self._places
        index = bisect_left(places, value)
        region = 2 * index
        if index < len(places) and places[index] == value:
            region += 1
        masks = self._typed.get(region)
        if masks is None or value != value:  # NaN has no place
            return self._of_type(region if value == value else "NaN", (value,))
        if 1 < value < SMALL_NUMBERS and value.__class__ is int:
            self.memo[value] = masks
        return masks

    def _of_text(self, value: str) -> Masks:
        if not self._only_equality or value in self._hits:
            return self._remember(value, (value,), len(value))
        masks = self._unnamed_text
        if masks is None:
            masks = self._unnamed_text = self._masks((value,))
        if len(self.memo) < MEMO_ENTRIES and len(value) <= MEMO_TEXT:
            self.memo[value] = masks
        return masks

    def _of_type(self, key: object, values: Values) -> Masks:
        masks = self._typed.get(key)
        if masks is None:
            masks = self._typed[key] = self._masks(values)
        return masks

    def _remember(self, key: AttributeValue, values: Values, length: int) -> Masks:
        masks = self._masks(values)
        if length > MEMO_TEXT:
            return masks
        if len(self.memo) >= self._memo_limit:
            self.memo.clear()
            self.memo.update(self._without_values)
            self._shared.clear()
        masks = self._shared.setdefault(masks, masks)
        self.memo[key] = masks
        return masks

    def _masks(self, values: Values) -> Masks:
        """Return the masks of present values, from first principles."""
        hit = 0
        for value in values:
            hit |= self._hits.get(_identity(value), 0)
        false = self._absent_only | (self._needs_hit ^ hit)
        unknown = 0
        for line, place_of in self._lines:
            outside = inside = line.members
            for value in values:
                place = place_of(value)
                if place is None:
                    outside = inside = 0
                    break
                here = line.outside[line.region(place)]
                outside &= here
                inside &= ~here
            false |= outside
            unknown |= line.members ^ outside ^ inside
        for search, negated, members in self._patterns:
            found = unanimous(map(search, values))
            if found is None:
                unknown |= members
            elif found is negated:
                false |= members
        return self._all_rows ^ false, unknown
