"""Where, at the end of a text that grows, something begins that may still become a match."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from policy_middleware.masking.compiled_shape import ANYWHERE, CompiledShape
from policy_middleware.masking.linear_search import Searcher
from policy_middleware.masking.recognizers.recognizer import CONTEXT_CHARACTERS

_MEMORY_OF_BEGINNINGS: Final = 128 << 20
"""Bytes. What matches of all shapes begin with is one large pattern; with half of it a token can take twenty
times as long, because RE2 forgets states that it needs again at once."""


class Beginnings:
    """Finds where the longest end of a text begins that may still become a match of some shape.

    A match in a place where it is no value anyway is not waited for. A search that goes on in the middle of
    it finds nothing that a search of the whole, which goes on behind its first group, would not find: what
    could begin in between either stands behind a character that rules it out as well, or cannot begin there.
    """

    __slots__ = ("_all", "_announced", "_longest", "_unannounced")

    def __init__(self, shapes: Sequence[CompiledShape]) -> None:
        self._longest = max((shape.longest for shape in shapes), default=0)
        self._all = _at_the_end(shapes)
        announced = [shape for shape in shapes if shape.context and shape.begins_word]
        self._unannounced = _at_the_end([shape for shape in shapes if shape not in announced])
        words = sorted({re.escape(word) for shape in announced for word in shape.context})
        self._announced = Searcher(b"(?i:" + b"|".join(words) + b")") if words else None

    def first(self, data: bytes, known: int) -> int:
        """Return the offset of the first one from `known` on, the end of `data` when there is none."""
        start = max(0, known - 1, len(data) - self._longest - 1)
        announced = self._announced
        if announced is None or announced.search(data, max(0, start - CONTEXT_CHARACTERS)) is None:
            found = self._unannounced.search(data, start)
        else:
            found = self._all.search(data, start)
        if found is None:
            return len(data)
        # What is found has the character before it in front, but at the beginning of the text.
        return found[0] and found[0] + 1


def _at_the_end(shapes: Sequence[CompiledShape]) -> Searcher:
    begun = [shape.prefixes for shape in shapes] or [ANYWHERE]
    return Searcher(b"(?:" + b"|".join(begun) + b")\\z", memory=_MEMORY_OF_BEGINNINGS)
