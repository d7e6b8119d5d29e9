"""A shape of a recogniser compiled for RE2, and its matches in a text that may still grow."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from policy_middleware.masking.expression import begins_word, byte_class, expression
from policy_middleware.masking.found import LONGEST_MATCH, Found, make_found
from policy_middleware.masking.linear_search import Searcher, Span
from policy_middleware.masking.normalized import Alphabet
from policy_middleware.masking.recognizers.recognizer import CONTEXT_CHARACTERS, Shape

_BEGIN_APART: Final = r"(?:\b|_)"
_END_APART: Final = r"(?:\b|_)"
_UNDERSCORE: Final = ord("_")
_EVERY_BYTE: Final = frozenset(range(256))
# A parenthesis or a plus begins the next group: telephone numbers have them in front. So does an underscore,
# which stands before what is `apart`.
_GROUP: Final = re.compile(
    rb"[0-9A-Za-z\x80-\xfd\xff]*(?:[^0-9A-Za-z\x80-\xfd\xff(+]*[^0-9A-Za-z\x80-\xfd\xff(+_])?"
).match


class Progress:
    """Where a shape is searched next, and whether that is inside the tail of a match cut at its longest."""

    __slots__ = ("in_tail", "resume")

    def __init__(self) -> None:
        self.resume = 0
        self.in_tail = False


class CompiledShape:
    """One shape, ready to be searched in views; shared by texts and threads."""

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
        """Compile `shape` of the recogniser with the number `recognizer`.

        Raises ValueError for a pattern that cannot be compiled, or whose matches have no upper bound.
        """
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

    @property
    def words(self) -> bytes | None:
        """A pattern without which, somewhere in a text, nothing announces a value; None: nothing has to."""
        if not self.context:
            return None
        words = {*self.context, *(name.encode("ascii") for name in self.names)}
        return b"(?i:" + b"|".join(sorted(map(re.escape, words))) + b")"

    def scan(self, data: bytes, progress: Progress, hold: int, final: bool, found: list[Found]) -> int:
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
                found.append(make_found((start, resume, self._recognizer, self._score)))
        progress.resume = max(resume, hold)
        return hold

    def _scan_within(self, data: bytes, progress: Progress, hold: int, found: list[Found]) -> None:
        """Do what `scan` does for a shape whose matches may begin inside another one, at a later group."""
        resume, search = progress.resume, self._search
        # Rows of groups, each of which begins a match: one long match covers the same.
        first = last = -1
        while (span := search(data, resume)) is not None and span[0] < hold:
            start = span[0]
            real = self._judged(data, start, span[1])
            if real is not None:
                begin, end = real
                if begin < last <= first + LONGEST_MATCH:
                    last = max(last, end)
                else:
                    if last >= 0:
                        found.append(make_found((first, last, self._recognizer, self._score)))
                    first, last = begin, end
            resume = start + 1  # such shapes begin where a group of characters does
        if last >= 0:
            found.append(make_found((first, last, self._recognizer, self._score)))
        progress.resume = max(resume, hold)

    def _scan_with_tail(
        self, data: bytes, progress: Progress, hold: int, final: bool, found: list[Found]
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
            found.append(make_found((*real, self._recognizer, self._score)))
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

    def _follow_tail(self, data: bytes, progress: Progress, final: bool, found: list[Found]) -> bool:
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


ANYWHERE: Final = rb"(?:\A|(?s:.))"


def _prefixes(shape: Shape, alphabet: Alphabet) -> bytes:
    """Return the pattern of what values begin with, and of the character before them."""
    behind = ANYWHERE
    if shape.not_after:
        behind = rb"(?:\A|" + byte_class(_EVERY_BYTE - frozenset(shape.not_after)) + b")"
    value = f"(?:{shape.pattern}){_END_APART}" if shape.apart else shape.pattern
    if shape.apart:
        # An underscore before the value is part of the match, and what stands before that rules nothing out.
        behind = b"(?:" + behind + rb"\b|" + ANYWHERE + b"_)"
    return behind + expression(value, alphabet.byte).prefixes


def placeholders_of(entities: Iterable[str]) -> re.Pattern[bytes]:
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
