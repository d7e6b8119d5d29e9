"""Search for the shapes of several recognisers in one text, whole or while it grows.

A position is *decided* when no match that begins at it can change any more. In a growing text everything
before the hold is decided: the hold is where the longest end of the text begins that is still the prefix of
some match (`expression.py`). Matches are found left to right, each shape by itself, so what one recogniser
finds never hides what another would. Everything is a function of decided text only; hence the matches of a
growing text are those of the whole, however it was cut.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Final, NamedTuple

from policy_middleware.masking.expression import characters, expression
from policy_middleware.masking.linear_search import PresenceSet, Searcher
from policy_middleware.masking.normalized import Alphabet
from policy_middleware.masking.recognizers.recognizer import CONTEXT_CHARACTERS, Recognizer, Shape

LONGEST_MATCH: Final = 1024
"""Characters of one match; what goes on beyond is masked as another value."""

_BEGIN_APART: Final = r"(?:\b|_)"
_END_APART: Final = r"(?:\b|_)"
_UNDERSCORE: Final = ord("_")
_WORD: Final = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])")
"""A word of a name such as `homePhone`, `home_phone` or `HOME-PHONE`."""
# A parenthesis or a plus begins the next group: telephone numbers have them in front.
_GROUP: Final = re.compile(rb"[0-9A-Za-z\x80-\xfd\xff]*[^0-9A-Za-z\x80-\xfd\xff(+]*")


class Found(NamedTuple):
    """A match in the view, and the position of its recogniser among those that were asked."""

    start: int
    end: int
    recognizer: int
    score: float


class Scanner:
    """The compiled shapes of some recognisers; shared by texts and threads."""

    __slots__ = (
        "_longest",
        "_named",
        "_names",
        "_prefixes",
        "_presence",
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
        self.shapes = [_CompiledShape(number, shape, self.alphabet) for number, shape in shapes]
        self._presence = PresenceSet([shape.presence for shape in self.shapes])
        self._prefixes = Searcher(b"(?:" + b"|".join(shape.prefixes for shape in self.shapes) + b")\\z")
        names = sorted({name for shape in self.shapes for name in shape.names})
        self._names = re.compile("|".join(map(re.escape, names)), re.IGNORECASE) if names else None
        named = [shape.presence for shape in self.shapes if shape.names]
        self._named = Searcher(b"|".join(b"(?:" + one + b")" for one in named)) if named else None
        self._longest = max((shape.longest for shape in self.shapes), default=0)

    def awaits_name(self, text: str) -> bool:
        """Return False when no name could announce anything in `text`."""
        return self._named is not None and self._named.search(self.alphabet.view(text).data) is not None

    @property
    def has_names(self) -> bool:
        """True when the name that a text has may tell some shape what it is."""
        return self._names is not None

    def announcement(self, name: str) -> str:
        """Return words that announce to shapes what is expected under a name; "" when it tells nothing."""
        if self._names is None or self._names.search(name) is None:
            return ""
        words = [word.lower() for word in _WORD.findall(name)]
        return " ".join(
            shape.announced_by
            for shape in self.shapes
            if shape.names and any(word.startswith(shape.names) for word in words)
        )

    def present(self, data: bytes) -> Sequence[int]:
        """Return the positions of the shapes that may occur in `data`."""
        return self._presence.present(data)

    def hold(self, data: bytes) -> int:
        """Return the offset before which every match has its end, given that `data` goes on."""
        prefix = self._prefixes.search(data, max(0, len(data) - self._longest))
        return len(data) if prefix is None else prefix[0]

    def scan(self, data: bytes) -> list[Found]:
        """Return every match in `data`, a whole text, in order of their beginnings."""
        found: list[Found] = []
        for position in self.present(data):
            progress = _Progress()
            self.shapes[position].scan(data, progress, len(data), True, found)
        found.sort(key=_start)
        return found


class Cursor:
    """How far each shape has been searched in a text that grows."""

    __slots__ = ("_progress", "_scanner")

    def __init__(self, scanner: Scanner) -> None:
        self._scanner = scanner
        self._progress = [_Progress() for _ in scanner.shapes]

    def advance(self, data: bytes, *, final: bool, found: list[Found]) -> int:
        """Add the matches that are decided now to `found`; return the offset before which all is decided."""
        scanner = self._scanner
        hold = decided = len(data) if final else scanner.hold(data)
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
        for progress in self._progress:
            progress.resume -= count


_found: Final = Found._make
"""Quicker than calling the class with its fields."""


@lru_cache(maxsize=256)
def scanner_of(recognizers: tuple[Recognizer, ...]) -> Scanner:
    """Return the scanner of `recognizers`, compiled once."""
    return Scanner(recognizers)


class _Progress:
    """Where a shape is searched next, and whether that is inside the tail of a match cut at its longest."""

    __slots__ = ("in_tail", "resume")

    def __init__(self) -> None:
        self.resume = 0
        self.in_tail = False


class _CompiledShape:
    __slots__ = (
        "_apart",
        "_context",
        "_finder",
        "_inner",
        "_judge",
        "_not_after",
        "_recognizer",
        "_score",
        "_tail",
        "announced_by",
        "longest",
        "names",
        "prefixes",
        "presence",
        "program_size",
    )

    def __init__(self, recognizer: int, shape: Shape, alphabet: Alphabet) -> None:
        pattern = f"{_BEGIN_APART}(?:{shape.pattern}){_END_APART}" if shape.apart else shape.pattern
        head = expression(pattern, alphabet.byte)
        if not 0 < head.shortest <= head.longest <= LONGEST_MATCH:
            raise ValueError(_width_told(head.shortest))
        source = b"(?:" + head.source + b")"
        self._tail: Searcher | None = None
        if shape.tail is not None:
            tail = expression(f"{shape.tail}*", alphabet.byte).source
            self._tail = Searcher(tail)
        self._finder = Searcher(source)
        self.program_size = self._finder.program_size
        self.longest = head.longest
        self.prefixes = head.prefixes
        self.presence = (
            head.source if shape.presence is None else expression(shape.presence, alphabet.byte).source
        )
        self._recognizer = recognizer
        self._judge = shape.judge
        self._context = shape.context
        self.names = shape.names or tuple(word.decode() for word in shape.context)
        self.announced_by = shape.context[0].decode() if shape.context else ""
        self._inner = shape.inner
        self._not_after = shape.not_after
        self._apart = shape.apart
        self._score = shape.score

    def scan(self, data: bytes, progress: _Progress, hold: int, final: bool, found: list[Found]) -> int:
        """Find the matches that begin before `hold`; return `hold`, or less where a match is still open."""
        if progress.in_tail and not self._follow_tail(data, progress, final, found):
            return progress.resume
        search, tail, inner, group = self._finder.search, self._tail, self._inner, _GROUP.match
        resume, open_at = progress.resume, hold
        while resume < hold:
            span = search(data, resume)
            if span is None or span[0] >= hold:
                resume = hold
                break
            start, end = span
            if tail is None:
                behind = self._judged(data, start, end, found)
                if inner or not behind:
                    behind = max(group(data, start, end).end(), start + 1)  # type: ignore[union-attr]
                resume = behind
                continue
            extended = tail.match(data, end, min(len(data), start + LONGEST_MATCH))
            behind = end if extended is None else extended[1]
            if behind == len(data) and behind - start < LONGEST_MATCH and not final:
                resume = open_at = start
                break
            resume = self._judged(data, start, behind, found)
            if not resume:
                # What is like this head goes on like this tail; trying each beginning would be quadratic.
                resume = end
            elif behind - start == LONGEST_MATCH:
                progress.resume, progress.in_tail = behind, True
                if not self._follow_tail(data, progress, final, found):
                    return progress.resume
                resume = progress.resume
        progress.resume = max(progress.resume, resume)
        return open_at

    def _judged(self, data: bytes, start: int, end: int, found: list[Found]) -> int:
        """Note the match when it is real and return where to search on; 0 when it only looks alike."""
        if self._apart:
            start += data[start] == _UNDERSCORE
            end -= data[end - 1] == _UNDERSCORE
        if start and data[start - 1] in self._not_after:
            return 0
        if self._context and not self._announced(data, start):
            return 0
        if self._judge is None:
            first, behind = start, end
        else:
            real = self._judge(data[start:end])
            if real is None:
                return 0
            first, behind = start + real[0], start + real[1]
        if self._inner and found:
            # Rows of groups, each of which begins a match: one long match covers the same.
            last = found[-1]
            if (
                last[0] <= first < last[1] <= last[0] + LONGEST_MATCH
                and last[2] == self._recognizer
                and last[3] == self._score
            ):
                found[-1] = _found((last[0], max(last[1], behind), last[2], last[3]))
                return behind
        found.append(_found((first, behind, self._recognizer, self._score)))
        return behind

    def _announced(self, data: bytes, start: int) -> bool:
        before = data[max(0, start - CONTEXT_CHARACTERS) : start].lower()
        before = before[before.rfind(b"\0") + 1 :]
        return any(word in before for word in self._context)

    def _follow_tail(self, data: bytes, progress: _Progress, final: bool, found: list[Found]) -> bool:
        """Mask on in the tail of a match that was cut at its longest; return False when it is still open."""
        while self._tail is not None:
            start = progress.resume
            match = self._tail.match(data, start, min(len(data), start + LONGEST_MATCH))
            end = start if match is None else match[1]
            if end == len(data) and end - start < LONGEST_MATCH and not final:
                return False
            if end > start:
                found.append(Found(start, end, self._recognizer, self._score))
            progress.resume = end
            if end - start < LONGEST_MATCH:
                break
        progress.in_tail = False
        return True


def _width_told(shortest: int) -> str:
    if not shortest:
        return "the pattern matches the empty text"
    return (
        f"a match may have {LONGEST_MATCH} characters at most, because a stream holds back that many; write"
        " an upper bound such as {1,64} in place of + and *"
    )


def _start(found: Found) -> int:
    return found.start


def regions(found: Iterable[Found], limit: int) -> tuple[list[list[Found]], list[Found]]:
    """Unite matches that overlap, as far as they end at or before `limit`; return the rest beside.

    Each region is the list of its matches, clipped so that their union is what is replaced. A region longer
    than LONGEST_MATCH is cut there, so that an endless chain of overlaps cannot hold a stream back.
    """
    queue = sorted(found, key=_start)
    united: list[list[Found]] = []
    at = 0
    while at < len(queue):
        start, end = queue[at].start, queue[at].end
        behind = at + 1
        while behind < len(queue) and queue[behind].start < min(end, start + LONGEST_MATCH):
            end = max(end, queue[behind].end)
            behind += 1
        cut = min(end, start + LONGEST_MATCH)
        if cut > limit:
            break
        members = queue[at:behind]
        at = behind
        if end > cut:
            beyond = [
                Found(max(one.start, cut), one.end, one.recognizer, one.score)
                for one in members
                if one.end > cut
            ]
            members = [Found(one.start, min(one.end, cut), one.recognizer, one.score) for one in members]
            queue[at - len(beyond) : at] = beyond
            at -= len(beyond)
        united.append(members)
    return united, queue[at:]
