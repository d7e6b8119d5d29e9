"""Keys of JSON that tell what their values are: `{"ssn": "536904399"}`.

Shapes that could be anything need a word before them in a text. A key is such a word for its value.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import accumulate
from typing import TYPE_CHECKING, Final, Protocol

from policy_middleware.masking.linear_search import Searcher
from policy_middleware.masking.normalized import JOINT

if TYPE_CHECKING:
    from policy_middleware.masking.found import Found
    from policy_middleware.masking.json_view import JsonView

_WORD: Final = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])")
"""A word of a name such as `homePhone`, `home_phone` or `HOME-PHONE`."""
_COLON: Final = re.compile(r'"[ \t\r\n]*+:[ \t\r\n]*+"?')
"""What stands between a key and its value, unless that is a container or comes after a constant."""
_JOINT: Final = bytes([JOINT])
_VALUE_AFTER: Final = rb"[^\x00]*\x00+[^\x00]*"

Scan = Callable[[bytes, Sequence[int]], "list[Found]"]
"""Searches a text for the shapes at some positions."""


class AnnouncedShape(Protocol):
    """What a shape says of the words that announce its values."""

    @property
    def names(self) -> tuple[str, ...]:
        """What a word of a key begins with that announces the shape; nothing when no key does."""

    @property
    def announced_by(self) -> str:
        """A word that announces the shape in a text."""

    @property
    def presence(self) -> bytes:
        """A pattern without which there is no value."""


class Announcements:
    """What the keys of JSON tell the shapes of one scanner."""

    __slots__ = ("_positions", "_search", "_shapes")

    def __init__(self, shapes: Sequence[AnnouncedShape]) -> None:
        """Compile the names that shapes have, and how one stands beside what may be its value."""
        self._shapes = [shape for shape in shapes if shape.names]
        self._positions = frozenset(number for number, shape in enumerate(shapes) if shape.names)
        pairs = [
            _written_names(shape) + _VALUE_AFTER + b"(?:" + shape.presence + b")" for shape in self._shapes
        ]
        self._search = Searcher(b"|".join(pairs)).search if pairs else None

    def found(self, view: JsonView, scan: Scan, present: Iterable[int]) -> list[Found]:
        """Return the matches that `scan` finds in values when their keys stand before them.

        `present` are the positions of the shapes that may occur.
        """
        concerned = self._positions.intersection(present)
        told = list(self._told(view.view.data, view)) if concerned else []
        if not told:
            return []
        texts = [words + view.view.data[start:end] for words, start, end in told]
        beginnings = [0, *accumulate([len(text) + 1 for text in texts])]
        found: list[Found] = []
        for one in scan(_JOINT.join(texts), sorted(concerned)):
            number = bisect_right(beginnings, one.start) - 1
            words, start, _ = told[number]
            moved = start - beginnings[number] - len(words)
            if one.end + moved > start:
                found.append(one._replace(start=max(start, one.start + moved), end=one.end + moved))
        return found

    def _told(self, data: bytes, view: JsonView) -> Iterator[tuple[bytes, int, int]]:
        """Yield what keys announce, and where the values are that may be what they say."""
        search = self._search
        announcements: dict[bytes, bytes] = {}
        at = 0
        while search is not None and (span := search(data, at)) is not None:
            key_start, key_end = _token_at(data, span[0])
            start, end = _token_at(data, span[1] - 1)
            at = key_end
            if not _is_value_of(view, key_end, start):
                continue
            key = data[key_start:key_end]
            words = announcements.get(key)
            if words is None:
                words = announcements[key] = self.announcement(key.decode("latin-1")).encode("ascii")
            if words:
                yield words + b"\n", start, end

    def announcement(self, name: str) -> str:
        """Return words that announce to shapes what is expected under a name; "" when it tells nothing."""
        words = [word.lower() for word in _WORD.findall(name)]
        return " ".join(
            shape.announced_by
            for shape in self._shapes
            if any(word.startswith(shape.names) for word in words)
        )


def _is_value_of(view: JsonView, key_end: int, start: int) -> bool:
    """Return whether the text that begins at `start` is the value of the key that ends at `key_end`."""
    # Characters without width, which the view has not, may end the key and begin its value.
    behind = view.apart.find("\0", view.end(key_end))
    before = view.apart.rfind("\0", behind, view.start(start)) + 1
    return _COLON.fullmatch(view.source, behind, before) is not None


def _token_at(data: bytes, offset: int) -> tuple[int, int]:
    """Return the text, among those that joints keep apart, that `offset` is in."""
    end = data.find(_JOINT, offset)
    return data.rfind(_JOINT, 0, offset) + 1, len(data) if end < 0 else end


def _written_names(shape: AnnouncedShape) -> bytes:
    return b"(?i:" + "|".join(map(re.escape, shape.names)).encode("ascii") + b")"
