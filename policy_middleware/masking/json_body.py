"""JSON rewritten in place: only the characters of masked values change.

Parsing and dumping would lose what JSON libraries do not keep: the spelling of numbers (and their digits
past 64 bits), duplicate keys, escapes, whitespace. So the text is read once, token by token, and edited by
position. The reader is strict (RFC 8259): a text that two parsers could read in two ways has no places that
could be masked with certainty.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, NoReturn

from policy_middleware.masking.keeping import Keeping
from policy_middleware.masking.operators import Treatment
from policy_middleware.masking.selection import Branches, Place
from policy_middleware.model.errors import MaskError

MAX_DEPTH: Final = 100
"""Levels of nesting that paths are followed into; elsewhere the limit is that of the interpreter."""

# Possessive quantifiers: no input makes these patterns backtrack.
_SPACE: Final = r"[ \t\n\r]*+"
_PLAIN: Final = r'[^"\\\x00-\x1f]*+'
_STRING: Final = rf'"{_PLAIN}(?:\\(?:["\\/bfnrt]|u[0-9a-fA-F]{{4}}){_PLAIN})*+"'
_NUMBER: Final = r"-?(?:0|[1-9][0-9]*+)(?:\.[0-9]++)?+(?:[eE][+-]?[0-9]++)?+"
_SCALAR: Final = rf"{_STRING}|{_NUMBER}|true|false|null"


@dataclass(frozen=True, slots=True)
class _Shape:
    """How a kind of container is read.

    `item` captures (1) the key, which an array has not, (2) a scalar and (3) the delimiter after it; the last
    two are missing before a container (or before what is no JSON).
    """

    item: re.Pattern[str]
    delimiter: re.Pattern[str]
    empty: re.Pattern[str]


_OBJECT: Final = _Shape(
    item=re.compile(rf"{_SPACE}({_STRING}){_SPACE}:{_SPACE}(?:({_SCALAR}){_SPACE}([,}}]))?"),
    delimiter=re.compile(rf"{_SPACE}[,}}]"),
    empty=re.compile(rf"{_SPACE}\}}"),
)
_ARRAY: Final = _Shape(
    item=re.compile(rf"{_SPACE}((?!))?(?:({_SCALAR}){_SPACE}([,\]]))?"),
    delimiter=re.compile(rf"{_SPACE}[,\]]"),
    empty=re.compile(rf"{_SPACE}\]"),
)
_SPACES: Final = re.compile(_SPACE)

_Edit = tuple[int, int, str]
_Item = tuple[int, int, int, bool]
"""The position of the comma (or bracket) before an item, its start (at its key), its end; is it dropped?"""


def check_strict(text: str) -> None:
    """Raise MaskError unless `text` is exactly one JSON value."""
    end = _skip(text, _after(_SPACES, text, 0))
    if _after(_SPACES, text, end) != len(text):
        _malformed(end)


Masked = Counter[frozenset[int]]
"""How many values were masked, by the numbers of the paths that ask for it."""


def rewrite(text: str, root: Place | None, keeping: Keeping | None = None) -> tuple[str, Masked]:
    """Return `text` with everything masked that `root` and its descendants ask for, and what was.

    With `keeping`, what is kept is put out of sight (to be restored later). A dropped item takes one comma
    with it; its neighbours keep their whitespace. Raises MaskError when `text`
    is not exactly one JSON value or is nested too deeply; messages name positions, never content.
    """
    rewriter = _Rewriter(text, keeping)
    end = rewriter.value(_after(_SPACES, text, 0), root, 0)
    if _after(_SPACES, text, end) != len(text):
        _malformed(end)
    return rewriter.result(), rewriter.masked


class _Rewriter:
    """Walks one text and collects edits: (start, end, replacement), never overlapping."""

    __slots__ = ("_edits", "_keeping", "_text", "masked")

    def __init__(self, text: str, keeping: Keeping | None) -> None:
        self._text = text
        self._keeping = keeping
        self._edits: list[_Edit] = []
        self.masked: Masked = Counter()

    def result(self) -> str:
        """Return the text with every edit applied."""
        parts: list[str] = []
        kept_from = 0
        for start, end, replacement in sorted(self._edits):
            parts += (self._text[kept_from:start], replacement)
            kept_from = end
        parts.append(self._text[kept_from:])
        return "".join(parts)

    def value(self, start: int, place: Place | None, depth: int) -> int:
        """Read the value at `start`, mask what `place` asks for, and return the position after it."""
        text = self._text
        if place is None:
            return _skip(text, start)
        treatment = place.treatment
        if text[start : start + 1] in ("{", "[") and not (treatment and treatment.replaces_whole):
            return self._container(start, place, depth + 1)
        end = _skip(text, start)
        if treatment is not None:
            self._mask(start, end, place, treatment)
        return end

    def _container(self, start: int, place: Place, depth: int) -> int:
        text = self._text
        is_object = text[start] == "{"
        branches = place.members if is_object else place.elements
        if not branches:
            return _skip(text, start)
        if depth > MAX_DEPTH:
            raise MaskError(f"the body is nested deeper than {MAX_DEPTH} levels")
        shape = _OBJECT if is_object else _ARRAY
        empty = shape.empty.match(text, start + 1)
        if empty is not None:
            return empty.end()
        named, other = branches.named, branches.other
        spared = None if branches.drops else _spared_items(branches, is_object)
        items: list[_Item] = []
        at, index = start + 1, 0
        while True:
            if spared is not None:
                at = _after(spared, text, at)
            comma = at - 1
            item = shape.item.match(text, at)
            if item is None:
                _malformed(at)
            key, literal, delimiter = item.groups()
            child = named.get(index if key is None else _decoded(key), other)
            value_start, value_end = item.span(2)
            at = item.end()
            if literal is None:
                value_start, value_end = at, self.value(at, child, depth)
                at = _after(shape.delimiter, text, value_end)
                delimiter = text[at - 1]
            elif child is not None and child.treatment is not None:
                self._mask(value_start, value_end, child, child.treatment)
            if branches.drops:
                item_start = value_start if key is None else item.start(1)
                items.append((comma, item_start, value_end, child is not None and child.drops))
            if delimiter != ",":
                self._edits += _removals(items)
                return at
            index += 1

    def _mask(self, start: int, end: int, place: Place, treatment: Treatment) -> None:
        if treatment.keeps:
            if self._keeping is not None:
                self._edits.append((start, end, self._keeping.stand_in(self._text[start:end])))
            return
        self.masked[place.asked] += 1
        if not treatment.drops:  # what is dropped is removed by its container, comma and all
            self._edits.append((start, end, treatment.literal(self._text[start:end])))


def _removals(items: Sequence[_Item]) -> Iterator[_Edit]:
    """Yield what to cut for the dropped ones among all items of a container, each with one comma."""
    kept = False
    cut_from: int | None = None
    """Where the dropped items begin that come before any which stays."""
    for comma, start, end, dropped in items:
        if not dropped:
            if cut_from is not None:
                yield cut_from, start, ""
                cut_from = None
            kept = True
        elif kept:
            yield comma, end, ""
        elif cut_from is None:
            cut_from = start
    if cut_from is not None:
        yield cut_from, items[-1][2], ""


def _spared_items(branches: Branches, is_object: bool) -> re.Pattern[str] | None:
    """Return the pattern of a run of items that stay as they are, or None when each has to be looked at.

    One match for many members is three times as fast as one for each.
    """
    if not branches.spares_scalars:
        return None
    if is_object:
        return _spared_members(branches.names)
    return None if branches.names else _SPARED_ELEMENTS


@lru_cache(maxsize=4096)
def _spared_members(names: frozenset[str]) -> re.Pattern[str]:
    ends = [rf'"{_PLAIN}\\']  # a key with an escape may spell any name
    if names:
        ends.append(rf'"(?:{"|".join(re.escape(name) for name in sorted(names))})"')
    return re.compile(rf"(?:{_SPACE}(?!{'|'.join(ends)}){_STRING}{_SPACE}:{_SPACE}(?:{_SCALAR}){_SPACE},)*+")


_SPARED_ELEMENTS: Final = re.compile(rf"(?:{_SPACE}(?:{_SCALAR}){_SPACE},)*+")


def _decoded(key: str) -> str:
    name: str = key[1:-1] if "\\" not in key else json.loads(key)
    return name


def _after(pattern: re.Pattern[str], text: str, start: int) -> int:
    found = pattern.match(text, start)
    if found is None:
        _malformed(start)
    return found.end()


def _skip(text: str, start: int) -> int:
    """Return the position after the value at `start`, at the speed of the C scanner."""
    try:
        return _SCANNER.raw_decode(text, start)[1]
    except RecursionError:
        problem = "the body is nested deeper than it can be read"
    except ValueError:
        problem = f"the body is not valid JSON in the value at character {start}"
    # Raised out here because a JSONDecodeError in the context would carry the whole body along.
    raise MaskError(problem)


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _malformed(position: int) -> NoReturn:
    raise MaskError(f"the body is not valid JSON at character {position}")


# Only positions are wanted: `len` is the cheapest function of one text, and spares int() its limit of digits.
_SCANNER: Final = json.JSONDecoder(
    parse_int=len, parse_float=len, parse_constant=_refuse_constant, object_pairs_hook=len
)
