"""Search for the shapes of several recognisers in one text, whole or while it grows.

A position is *decided* when no match that begins at it can change any more. In a growing text everything
before the hold is decided: the hold is where the longest end of the text begins that is still the prefix of
some match (`expression.py`), and that stands where the match could be a value: not behind a character that
rules it out, nor without the word that has to announce it. Matches are found left to right, each shape by
itself, so what one recogniser finds never hides what another would. Everything is a function of decided text
only; hence the matches of a growing text are those of the whole, however it was cut.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache, partial
from operator import itemgetter
from typing import TYPE_CHECKING, Final, NamedTuple

from policy_middleware.masking.announcements import Announcements
from policy_middleware.masking.expression import begins_word, byte_class, characters, expression
from policy_middleware.masking.linear_search import PresenceSet, Searcher, Span
from policy_middleware.masking.normalized import Alphabet
from policy_middleware.masking.recognizers.recognizer import CONTEXT_CHARACTERS, Recognizer, Shape

if TYPE_CHECKING:
    from policy_middleware.masking.json_view import JsonView

LONGEST_MATCH: Final = 1024
"""Characters of one match; what goes on beyond is masked as another value."""

_BEGIN_APART: Final = r"(?:\b|_)"
_END_APART: Final = r"(?:\b|_)"
_UNDERSCORE: Final = ord("_")
_EVERY_BYTE: Final = frozenset(range(256))
# A parenthesis or a plus begins the next group: telephone numbers have them in front.
_GROUP: Final = re.compile(rb"[0-9A-Za-z\x80-\xfd\xff]*[^0-9A-Za-z\x80-\xfd\xff(+]*").match


class Found(NamedTuple):
    """A match in the view, and the position of its recogniser among those that were asked."""

    start: int
    end: int
    recognizer: int
    score: float


class Scanner:
    """The compiled shapes of some recognisers; shared by texts and threads."""

    __slots__ = (
        "_announcements",
        "_beginnings",
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
        placeholders = _placeholders(recognizer.entity for recognizer in self.recognizers)
        self.shapes = [_CompiledShape(number, shape, self.alphabet, placeholders) for number, shape in shapes]
        self._presence = PresenceSet([shape.presence for shape in self.shapes])
        self._beginnings = _Beginnings(self.shapes)
        self._announcements = Announcements(self.shapes)

    def present(self, data: bytes) -> Sequence[int]:
        """Return the positions of the shapes that may occur in `data`."""
        return self._presence.present(data)

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
            progress = _Progress()
            self.shapes[position].scan(data, progress, len(data), True, found)
        found.sort(key=_START)
        return found

    def scan_json(self, view: JsonView, present: Sequence[int] | None = None) -> list[Found]:
        """Return what `scan` does for a JSON text, and besides what its keys announce."""
        data = view.view.data
        present = self.present(data) if present is None else present
        found = self.scan(data, present)
        found += self._announcements.found(view, self.scan, present)
        return found


class Cursor:
    """How far each shape has been searched in a text that grows."""

    __slots__ = ("_hold", "_progress", "_scanner")

    def __init__(self, scanner: Scanner) -> None:
        self._scanner = scanner
        self._hold = 0
        self._progress = [_Progress() for _ in scanner.shapes]

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


_found: Final[Callable[[tuple[int, int, int, float]], Found]] = partial(tuple.__new__, Found)
"""Quicker than calling the class with its fields."""
_START: Final = itemgetter(0)


@lru_cache(maxsize=256)
def scanner_of(recognizers: tuple[Recognizer, ...]) -> Scanner:
    """Return the scanner of `recognizers`, compiled once."""
    return Scanner(recognizers)


_MEMORY_OF_BEGINNINGS: Final = 128 << 20
"""Bytes. What matches of all shapes begin with is one large pattern; with half of it a token can take twenty
times as long, because RE2 forgets states that it needs again at once."""


class _Beginnings:
    """Finds where the longest end of a text begins that may still become a match of some shape.

    A match in a place where it is no value anyway is not waited for. A search that goes on in the middle of
    it finds nothing that a search of the whole, which goes on behind its first group, would not find: what
    could begin in between either stands behind a character that rules it out as well, or cannot begin there.
    """

    __slots__ = ("_all", "_announced", "_longest", "_unannounced")

    def __init__(self, shapes: Sequence[_CompiledShape]) -> None:
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


def _at_the_end(shapes: Sequence[_CompiledShape]) -> Searcher:
    begun = [shape.prefixes for shape in shapes] or [_ANYWHERE]
    return Searcher(b"(?:" + b"|".join(begun) + b")\\z", memory=_MEMORY_OF_BEGINNINGS)


class _Progress:
    """Where a shape is searched next, and whether that is inside the tail of a match cut at its longest."""

    __slots__ = ("in_tail", "resume")

    def __init__(self) -> None:
        self.resume = 0
        self.in_tail = False


class _CompiledShape:
    __slots__ = (
        "_begins_apart",
        "_ends_apart",
        "_inner",
        "_judge",
        "_placeholders",
        "_recognizer",
        "_score",
        "_search",
        "_tail",
        "announced_by",
        "begins_word",
        "context",
        "longest",
        "names",
        "prefixes",
        "presence",
        "program_size",
    )

    def __init__(
        self, recognizer: int, shape: Shape, alphabet: Alphabet, placeholders: re.Pattern[bytes]
    ) -> None:
        head = expression(_whole_pattern(shape), alphabet.byte)
        if not 0 < head.shortest <= head.longest <= LONGEST_MATCH:
            raise ValueError(_width_told(head.shortest))
        source = b"(?:" + head.source + b")"
        self._tail: Searcher | None = None
        if shape.tail is not None:
            tail = expression(f"{shape.tail}*", alphabet.byte).source
            self._tail = Searcher(tail)
        behind: bytes | None = None
        if shape.not_after:
            behind = byte_class(_EVERY_BYTE - frozenset(shape.not_after))
            if shape.apart:
                source = b"(?:" + expression(f"(?:{shape.pattern}){_END_APART}", alphabet.byte).source + b")"
                behind = b"(?:" + behind + rb"\b|_)"
        finder = Searcher(source, behind=behind)
        self._search = finder.search
        self.program_size = finder.program_size
        self.longest = head.longest
        self.prefixes = _prefixes(shape, alphabet)
        self.presence = (
            head.source if shape.presence is None else expression(shape.presence, alphabet.byte).source
        )
        self._recognizer = recognizer
        self._judge = shape.judge
        self.context = shape.context
        self._placeholders = placeholders
        self.names = shape.names or tuple(word.decode() for word in shape.context)
        self.announced_by = shape.context[0].decode() if shape.context else ""
        self._inner = shape.inner
        self._begins_apart = shape.apart and not shape.not_after
        self._ends_apart = shape.apart
        self.begins_word = shape.apart or begins_word(shape.pattern, alphabet.byte)
        self._score = shape.score

    def scan(self, data: bytes, progress: _Progress, hold: int, final: bool, found: list[Found]) -> int:
        """Find the matches that begin before `hold`; return `hold`, or less where a match is still open."""
        if self._tail is not None:
            return self._scan_with_tail(data, progress, hold, final, found)
        if self._inner:
            self._scan_within(data, progress, hold, found)
            return hold
        resume, search = progress.resume, self._search
        while (span := search(data, resume)) is not None and span[0] < hold:
            start, end = span
            real = self._judged(data, start, end)
            if real is None:
                resume = _group_behind(data, start, end)
            else:
                start, resume = real
                found.append(_found((start, resume, self._recognizer, self._score)))
        progress.resume = max(resume, hold)
        return hold

    def _scan_within(self, data: bytes, progress: _Progress, hold: int, found: list[Found]) -> None:
        """Do what `scan` does for a shape whose matches may begin inside another one, at a later group."""
        resume, search = progress.resume, self._search
        # Rows of groups, each of which begins a match: one long match covers the same.
        first = last = -1
        while (span := search(data, resume)) is not None and span[0] < hold:
            start, end = span
            real = self._judged(data, start, end)
            if real is not None:
                begin, end = real
                if begin < last <= first + LONGEST_MATCH:
                    last = max(last, end)
                    found[-1] = _found((first, last, self._recognizer, self._score))
                else:
                    first, last = begin, end
                    found.append(_found((first, last, self._recognizer, self._score)))
            resume = start + 1  # such shapes begin where a group of characters does
        progress.resume = max(resume, hold)

    def _scan_with_tail(
        self, data: bytes, progress: _Progress, hold: int, final: bool, found: list[Found]
    ) -> int:
        """Do what `scan` does for a shape whose matches go on as long as some characters do."""
        if progress.in_tail and not self._follow_tail(data, progress, final, found):
            return progress.resume
        assert self._tail is not None
        resume, open_at = progress.resume, hold
        while resume < hold:
            span = self._search(data, resume)
            if span is None or span[0] >= hold:
                resume = hold
                break
            start, end = span
            extended = self._tail.match(data, end, min(len(data), start + LONGEST_MATCH))
            behind = end if extended is None else extended[1]
            if behind == len(data) and behind - start < LONGEST_MATCH and not final:
                resume = open_at = start
                break
            real = self._judged(data, start, behind)
            if real is None:
                # What is like this head goes on like this tail; trying each beginning would be quadratic.
                resume = end
                continue
            found.append(_found((*real, self._recognizer, self._score)))
            resume = real[1]
            if behind - start == LONGEST_MATCH:
                progress.resume, progress.in_tail = behind, True
                if not self._follow_tail(data, progress, final, found):
                    return progress.resume
                resume = progress.resume
        progress.resume = max(progress.resume, resume)
        return open_at

    def _judged(self, data: bytes, start: int, end: int) -> Span | None:
        """Return what is real of a likeness, None when it only looks alike."""
        if self._ends_apart:
            end -= data[end - 1] == _UNDERSCORE
            if self._begins_apart:
                start += data[start] == _UNDERSCORE
        if self.context and not self._announced(data, start):
            return None
        if self._judge is None:
            return start, end
        real = self._judge(data[start:end])
        return None if real is None else (start + real[0], start + real[1])

    def _announced(self, data: bytes, start: int) -> bool:
        before = data[max(0, start - CONTEXT_CHARACTERS) : start]
        before = before[before.rfind(b"\0") + 1 :]
        if not self._says_so(before):
            return False
        return self._says_so(self._placeholders.sub(b" ", before))

    def _says_so(self, before: bytes) -> bool:
        before = before.lower()
        return any(word in before for word in self.context)

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


def _whole_pattern(shape: Shape) -> str:
    return f"{_BEGIN_APART}(?:{shape.pattern}){_END_APART}" if shape.apart else shape.pattern


_ANYWHERE: Final = rb"(?:\A|(?s:.))"


def _prefixes(shape: Shape, alphabet: Alphabet) -> bytes:
    """Return the pattern of what values begin with, and of the character before them."""
    behind = _ANYWHERE
    if shape.not_after:
        behind = rb"(?:\A|" + byte_class(_EVERY_BYTE - frozenset(shape.not_after)) + b")"
    value = f"(?:{shape.pattern}){_END_APART}" if shape.apart else shape.pattern
    if shape.apart:
        # An underscore before the value is part of the match, and what stands before that rules nothing out.
        behind = b"(?:" + behind + rb"\b|" + _ANYWHERE + b"_)"
    return behind + expression(value, alphabet.byte).prefixes


def _placeholders(entities: Iterable[str]) -> re.Pattern[bytes]:
    """Return what operators write, names of entities in it, which must not announce the number behind it.

    Otherwise masking again would find more. One right before a value is rather a tag of XML, which announces.
    """
    names = "|".join(map(re.escape, entities)).encode("ascii")
    return re.compile(rb"(?:^[A-Z0-9_]*|<(?:%b))>(?!\Z)|(?:^[A-Z0-9_]*|%b)_[a-z2-7]{24}" % (names, names))


def _group_behind(data: bytes, start: int, end: int) -> int:
    """Return where the next group of characters begins in a likeness."""
    group = _GROUP(data, start, end)
    return start + 1 if group is None else max(group.end(), start + 1)


def _width_told(shortest: int) -> str:
    if not shortest:
        return "the pattern matches the empty text"
    return (
        f"a match may have {LONGEST_MATCH} characters at most, because a stream holds back that many; write"
        " an upper bound such as {1,64} in place of + and *"
    )


def regions(found: Iterable[Found], limit: int) -> tuple[list[Sequence[Found]], list[Found]]:
    """Unite matches that overlap, as far as they end at or before `limit`; return the rest beside.

    Each region is the list of its matches, clipped so that their union is what is replaced. A region longer
    than LONGEST_MATCH is cut there, so that an endless chain of overlaps cannot hold a stream back.
    """
    queue = sorted(found, key=_START)
    united: list[Sequence[Found]] = []
    at = 0
    while at < len(queue):
        start, end, _, _ = one = queue[at]
        behind = at + 1
        if (behind == len(queue) or queue[behind][0] >= end) and end - start <= LONGEST_MATCH:
            if end > limit:
                break
            united.append((one,))
            at = behind
            continue
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
