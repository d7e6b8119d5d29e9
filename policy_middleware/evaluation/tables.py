"""One table per attribute: from its value to the rows that are still possible, and those it leaves unknown.

The method is the bit-vector scheme of Lakshman and Stiliadis (SIGCOMM 1998), made three-valued: bit i of a
mask speaks of row i, and a decision is the AND of what the tables say of the values at hand.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from policy_middleware.evaluation.lines import Line, Span, span_of
from policy_middleware.evaluation.operators import (
    OPERATORS,
    Values,
    address_position,
    pattern,
    unanimous,
)
from policy_middleware.model.conditions import Leaf, Operator, Reference, Scalar
from policy_middleware.model.context import AttributeValue

Masks = tuple[int, int]
"""(rows not yet ruled out, rows a comparison of this attribute leaves unknown)."""

MEMO_ENTRIES: Final = 1024
"""Values remembered per table beyond those its rules name; then it starts afresh. Bounds memory."""
MEMO_TEXT: Final = 512
"""Longest value, in characters, that is remembered; clients choose values."""

_EQUALITY = frozenset({Operator.EQ, Operator.NE, Operator.IN, Operator.NOT_IN})
_COMPLEMENTS = frozenset({Operator.NE, Operator.NOT_IN})


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
        self._add_without_values(bit, leaf, negated)
        return True

    def _add_without_values(self, bit: int, leaf: Leaf, negated: bool) -> None:
        compare = OPERATORS[leaf.operator]
        missing, empty = compare(None, leaf.operand), compare((), leaf.operand)
        if missing is None:
            self.missing_unknown |= bit
        elif missing is negated:
            self.missing_false |= bit
        if empty is None:
            self.empty_unknown |= bit
        elif empty is negated:
            self.empty_false |= bit

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
        "_numbers",
        "_only_equality",
        "_patterns",
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
        self._numbers = Line(parts.spans["number"], named)
        self._lines = tuple(
            (line, _PLACES[name])
            for name, line in (
                ("number", self._numbers),
                ("text", Line(parts.spans["text"])),
                ("address", Line(parts.spans["address"])),
            )
            if line.members
        )
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
        if value is None or value == ():
            return self._without_values[value]  # another thread is emptying the memo
        kind = value.__class__
        if kind is str:
            if self._only_equality and value not in self._hits:
                if self._unnamed_text is None:
                    self._unnamed_text = self._masks((value,))  # type: ignore[arg-type]
                return self._unnamed_text
            return self._remember(value, (value,), len(value))  # type: ignore[arg-type]
        if (kind is int or kind is float) and value == value:
            return self._by_type(self._numbers.region(value), value)  # type: ignore[arg-type]
        if kind is bool:
            return self._by_type((value,), value)  # type: ignore[arg-type]
        values: Values = value if isinstance(value, tuple) else (value,)
        if kind is tuple and all(item.__class__ is str for item in values):
            return self._remember(value, values, sum(map(len, values)))  # type: ignore[arg-type]
        return self._masks(values)

    def _by_type(self, key: object, value: Scalar) -> Masks:
        masks = self._typed.get(key)
        if masks is None:
            masks = self._typed[key] = self._masks((value,))
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
