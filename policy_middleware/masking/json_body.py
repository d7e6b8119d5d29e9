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
from itertools import accumulate
from typing import Final, NoReturn

from policy_middleware.masking.json_reading import AFTER_ELEMENT, AFTER_MEMBER, SPACE, Reading
from policy_middleware.masking.keeping import Keeping
from policy_middleware.masking.operators import Treatment
from policy_middleware.masking.selection import Branches, Place
from policy_middleware.model.errors import MaskError

MAX_DEPTH: Final = 100
"""Levels of nesting that paths are followed into; elsewhere the limit is that of the interpreter."""

_SPACES: Final = re.compile(SPACE)
_OPENED: Final = re.compile(rf"\[(?:{SPACE}\[)*+")
_CLOSED: Final = re.compile(rf"(?:{SPACE}\])*+")
_TOKEN: Final = re.compile(
    rf'("[^"\\]*+(?:\\.[^"\\]*+)*+"(?:{SPACE}:)?+|-?[0-9][0-9.eE+-]*+|true|false|null)', re.DOTALL
)
"""A scalar, or a key with its colon, in what is known to be JSON."""
_LEVELS: Final = {"[": 1, "{": 1, "]": -1, "}": -1}

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
        if treatment is None or not treatment.replaces_whole:
            if text.startswith("{", start):
                return self._container(start, place, place.members, depth + 1)
            if text.startswith("[", start):
                return self._container(start, place, place.elements, depth + 1)
        end = _skip(text, start)
        if treatment is not None:
            self._mask(start, end, place, treatment)
        return end

    def _container(self, start: int, place: Place, branches: Branches, depth: int) -> int:
        if not branches:
            return _skip(self._text, start)
        if depth > MAX_DEPTH:
            _nested()
        reading = branches.reading
        is_object = branches is place.members
        if reading is None:
            reading = branches.reading = (Reading.of_members if is_object else Reading.of_elements)(place)
        if reading.leaves is not None:
            return self._leaves(start, reading.leaves, depth)
        if is_object:
            return self._object(start, branches, reading, depth)
        return self._array(start, branches, reading, depth)

    def _object(self, start: int, branches: Branches, reading: Reading, depth: int) -> int:
        text = self._text
        named, other, drops = branches.named, branches.other, branches.drops
        # An object in this one that is stepped over must not be nested too deeply either.
        read = (reading.pattern if depth < MAX_DEPTH else reading.plain).match
        items: list[_Item] = []
        at = start + 1
        while True:
            item = read(text, at)
            if item is None:
                _malformed(at)
            closed, key, literal, delimiter = item.groups()
            comma, at = at - 1, item.end()
            if closed is not None:
                break
            child = named.get(_decoded(key), other)
            if literal is None:
                value_start = at
                value_end = self.value(at, child, depth)
                at = _after(AFTER_MEMBER, text, value_end)
                delimiter = text[at - 1]
            else:
                value_start, value_end = item.span(3)
                if child is not None and child.treatment is not None:
                    self._mask(value_start, value_end, child, child.treatment)
            if drops:
                items.append((comma, item.start(2), value_end, child is not None and child.drops))
            if delimiter != ",":
                break
        if items:
            self._edits += _removals(items)
        return at

    def _array(self, start: int, branches: Branches, reading: Reading, depth: int) -> int:
        text = self._text
        named, other, drops = branches.named, branches.other, branches.drops
        read = (reading.pattern if depth < MAX_DEPTH else reading.plain).match
        items: list[_Item] = []
        at, index, opened = start + 1, 0, 1
        while True:
            item = read(text, at)
            if item is None:
                _malformed(at)
            closed, _, literal, delimiter = item.groups()
            comma, at = at - 1, item.end()
            if closed is None:
                child = named.get(index, other)
                if literal is not None:
                    value_start, value_end = item.span(3)
                    if child is not None and child.treatment is not None:
                        self._mask(value_start, value_end, child, child.treatment)
                elif reading.nests and text.startswith("[", at):
                    inner = _after(_OPENED, text, at)
                    opened += text.count("[", at, inner)
                    at = inner
                    if depth + opened - 1 > MAX_DEPTH:
                        _nested()
                    read = (reading.pattern if depth + opened - 1 < MAX_DEPTH else reading.plain).match
                    continue
                else:
                    value_start = at
                    value_end = self.value(at, child, depth + opened - 1)
                    at = _after(AFTER_ELEMENT, text, value_end)
                    delimiter = text[at - 1]
                if drops:
                    items.append((comma, value_start, value_end, child is not None and child.drops))
                if delimiter == ",":
                    index += 1
                    continue
            at, opened = _closed(text, at, opened - 1)
            if not opened:
                break
            read = reading.pattern.match
        if items:
            self._edits += _removals(items)
        return at

    def _leaves(self, start: int, place: Place, depth: int) -> int:
        """Mask every scalar in the container at `start` as `place` asks, equal ones once."""
        treatment = place.treatment
        assert treatment is not None
        end = _skip(self._text, start)
        container = self._text[start:end]
        # Brackets in texts only make it look deeper than it is.
        may_nest = container.count("[") + container.count("{")
        parts = _TOKEN.split(container)
        if depth - 1 + may_nest > MAX_DEPTH and depth - 1 + _depth(parts[::2]) > MAX_DEPTH:
            _nested()
        tokens = parts[1::2]
        if tokens:
            written = {
                token: token if token[-1] == ":" else treatment.literal(token)
                for token in dict.fromkeys(tokens)
            }
            parts[1::2] = map(written.__getitem__, tokens)
            self.masked[place.asked] += len([1 for token in tokens if token[-1] != ":"])
            self._edits.append((start, end, "".join(parts)))
        return end

    def _mask(self, start: int, end: int, place: Place, treatment: Treatment) -> None:
        if treatment.keeps:
            if self._keeping is not None:
                self._edits.append((start, end, self._keeping.stand_in(self._text[start:end])))
            return
        self.masked[place.asked] += 1
        if not treatment.drops:  # what is dropped is removed by its container, comma and all
            self._edits.append((start, end, treatment.literal(self._text[start:end])))


def _closed(text: str, at: int, opened: int) -> tuple[int, int]:
    """Read what follows one of nested arrays; return where the next element starts, and how many are open."""
    while opened:
        end = _after(_CLOSED, text, at)
        closed = text.count("]", at, end)
        if closed < opened:
            opened -= closed
            at = _after(AFTER_ELEMENT, text, end)
            return at, opened
        at = _after(AFTER_ELEMENT, text, at)
        opened -= 1
    return at, opened


def _depth(structure: Sequence[str]) -> int:
    """Return how deep containers are nested, by the text between their scalars."""
    return max(accumulate(filter(None, map(_LEVELS.get, "".join(structure)))))


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


def _nested() -> NoReturn:
    raise MaskError(f"the body is nested deeper than {MAX_DEPTH} levels")


def _malformed(position: int) -> NoReturn:
    raise MaskError(f"the body is not valid JSON at character {position}")


# Only positions are wanted: `len` is the cheapest function of one text, and spares int() its limit of digits.
_SCANNER: Final = json.JSONDecoder(
    parse_int=len, parse_float=len, parse_constant=_refuse_constant, object_pairs_hook=len
)
