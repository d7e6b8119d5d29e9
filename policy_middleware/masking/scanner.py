"""Search for the shapes of several recognisers in one text, whole or while it grows.

A position is *decided* when no match that begins at it can change any more. In a growing text everything
before the hold is decided: the hold is where the longest end of the text begins that is still the prefix of
some match (`expression.py`), and that stands where the match could be a value: not behind a character that
rules it out, nor without the word that has to announce it. Matches are found left to right, each shape by
itself, so what one recogniser finds never hides what another would. Everything is a function of decided text
only; hence the matches of a growing text are those of the whole, however it was cut.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING

from policy_middleware.masking.announcements import Announcements
from policy_middleware.masking.beginnings import Beginnings
from policy_middleware.masking.compiled_shape import CompiledShape, Progress, placeholders_of
from policy_middleware.masking.expression import characters
from policy_middleware.masking.found import BEGINNING, Found
from policy_middleware.masking.linear_search import PresenceSet
from policy_middleware.masking.normalized import Alphabet
from policy_middleware.masking.recognizers.recognizer import CONTEXT_CHARACTERS, Recognizer

if TYPE_CHECKING:
    from policy_middleware.masking.json_view import JsonView


class Scanner:
    """The compiled shapes of some recognisers; shared by texts and threads."""

    __slots__ = (
        "_announcements",
        "_beginnings",
        "_presence",
        "_words",
        "alphabet",
        "recognizers",
        "shapes",
    )

    def __init__(self, recognizers: Sequence[Recognizer]) -> None:
        """Compile `recognizers`; raises SettingsError without RE2, ValueError for what cannot be compiled."""
        self.recognizers = tuple(recognizers)
        shapes = [
            (number, shape)
            for number, recognizer in enumerate(self.recognizers)
            for shape in recognizer.shapes
        ]
        own: set[str] = set()
        for _, shape in shapes:
            if not shape.pattern.isascii():
                own |= characters(shape.pattern)
        self.alphabet = Alphabet(own)
        placeholders = placeholders_of(recognizer.entity for recognizer in self.recognizers)
        self.shapes = [CompiledShape(number, shape, self.alphabet, placeholders) for number, shape in shapes]
        words = list(dict.fromkeys(shape.words for shape in self.shapes if shape.words is not None))
        self._presence = PresenceSet([shape.presence for shape in self.shapes] + words)
        self._words = [
            None if shape.words is None else len(self.shapes) + words.index(shape.words)
            for shape in self.shapes
        ]
        self._beginnings = Beginnings(self.shapes)
        self._announcements = Announcements(self.shapes)

    def present(self, data: bytes) -> Sequence[int]:
        """Return the positions of the shapes that may occur in `data`."""
        likely = self._presence.present(data)
        count, words = len(self.shapes), self._words
        return [one for one in likely if one < count and (words[one] is None or words[one] in likely)]

    def hold(self, data: bytes, known: int = 0) -> int:
        """Return the offset before which every match has its end, given that `data` goes on.

        `known` is what was returned for the beginning of `data`: what was no beginning of a match then is
        none now.
        """
        return self._beginnings.first(data, known)

    def scan(self, data: bytes, present: Sequence[int] | None = None) -> list[Found]:
        """Return every match in `data`, a whole text, in order of their beginnings.

        `present` are the shapes that may occur, for who has asked already.
        """
        found: list[Found] = []
        for position in self.present(data) if present is None else present:
            progress = Progress()
            self.shapes[position].scan(data, progress, len(data), True, found)
        found.sort(key=BEGINNING)
        return found

    def scan_json(self, view: JsonView, present: Sequence[int] | None = None) -> list[Found]:
        """Return what `scan` does for a JSON text, and besides what its keys announce."""
        data = view.view.data
        present = self.present(data) if present is None else present
        found = self.scan(data, present)
        found += self._announcements.found(view, self.scan, present)
        return found

    def announcement(self, name: str) -> str:
        """Return words that announce what is expected under a name; "" when it tells nothing."""
        return self._announcements.announcement(name)


class Cursor:
    """How far each shape has been searched in a text that grows."""

    __slots__ = ("_hold", "_progress", "_scanner")

    def __init__(self, scanner: Scanner) -> None:
        self._scanner = scanner
        self._hold = 0
        self._progress = [Progress() for _ in scanner.shapes]

    def advance(self, data: bytes, *, final: bool, found: list[Found]) -> int:
        """Add the matches that are decided now to `found`; return the offset before which all is decided."""
        scanner = self._scanner
        hold = decided = self._hold = len(data) if final else scanner.hold(data, self._hold)
        present = scanner.present(data)
        for position, progress in enumerate(self._progress):
            if position in present or progress.in_tail:
                held = scanner.shapes[position].scan(data, progress, hold, final, found)
                decided = min(decided, held)
            elif progress.resume < hold:
                progress.resume = hold
        return decided

    def needed(self, decided: int) -> int:
        """Return the offset from which on the text is still needed, context included."""
        least = min((progress.resume for progress in self._progress), default=decided)
        return max(0, min(decided, least) - CONTEXT_CHARACTERS)

    def forget(self, count: int) -> None:
        """Follow a text whose first `count` bytes were cut off."""
        self._hold -= count
        for progress in self._progress:
            progress.resume -= count


@lru_cache(maxsize=256)
def scanner_of(recognizers: tuple[Recognizer, ...]) -> Scanner:
    """Return the scanner of `recognizers`, compiled once."""
    return Scanner(recognizers)
