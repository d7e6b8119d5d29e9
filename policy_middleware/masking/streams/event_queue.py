"""Events whose data is plain text: each may be a text of its own, or a piece of one that all of them make.

Nobody can tell from outside, so both readings are masked. What might go on in the next event waits for it,
and everything behind it waits too, so that events leave in order. Where values follow upon values without
end, in one of the readings, events leave redacted instead of waiting for ever.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Final

from policy_middleware.masking.bodies.rules import BodyRules, TextStream
from policy_middleware.model.errors import MaskError

Write = Callable[[str], str]

REDACTED: Final = "[REDACTED]"
"""Stands for texts whose two readings mask different values, and for those that would wait for ever."""

MOST_WAITING: Final = 2048
"""Characters that wait for a place at which no value goes on, before they are redacted; a value has half of
them at most."""
_LONGEST_STRETCH: Final = 32 * MOST_WAITING


@dataclass(frozen=True, slots=True)
class _Waiting:
    """An event that waits: its text, where that ends in the text of all events, and how to write it."""

    text: str
    end: int
    write: Write


class EventQueue:
    """Lets events go, in order, as soon as no later one can change what has to be masked in them."""

    def __init__(self, rules: BodyRules, *, limit: int) -> None:
        self._rules = rules
        self._limit = limit
        self._joined: TextStream | None = None
        self._length = 0
        self._size = 0
        self._waiting: list[_Waiting | str] = []
        self._next_try = 0
        """Characters that have to wait before a place to part is looked for again."""
        self._gone = ""
        """The end of the texts that were redacted: a value in it may go on."""
        self._stretch = 0
        """Characters that are still redacted unseen."""
        self._last_stretch = 0

    def put(self, event: str) -> list[str]:
        """Take an event that is masked already; return what may leave."""
        if not self._waiting:
            return [event]
        self._hold(event, len(event))
        return []

    def put_text(self, text: str, write: Write) -> list[str]:
        """Take an event with a plain text that `write` makes an event of; return what may leave.

        Raises MaskError when too much would wait, and for a mask that only names fields.
        """
        if self._stretch > 0:
            return [self._redact(text, write)]
        if self._joined is None:
            self._joined = self._rules.text_stream()
            self._joined.feed(self._gone)
            self._length = len(self._gone)
        self._joined.feed(text)
        self._length += len(text)
        self._hold(_Waiting(text, self._length, write), len(text))
        decided = self._length - self._joined.held
        if self._gone:
            if decided < len(self._gone):
                return []
            if not self._parts(self._gone, self._text(self._waiting)):
                return self._let_go_redacted()
            self._gone, self._last_stretch = "", 0
        held = (
            number
            for number, event in enumerate(self._waiting)
            if isinstance(event, _Waiting) and event.end > decided
        )
        return self._parted(next(held, len(self._waiting)))

    def close(self) -> list[str]:
        """Return everything that waits, when no more texts will come."""
        if self._gone and not self._parts(self._gone, self._text(self._waiting)):
            return self._let_go_redacted()
        self._begin_anew()
        return self._let_go(len(self._waiting))

    def _parted(self, ready: int) -> list[str]:
        """Let go what lies before the last place, among `ready` events, that no value goes across."""
        if not ready or self._size < self._next_try:
            return []
        for number in _backwards(ready):
            before, after = self._text(self._waiting[:number]), self._text(self._waiting[number:])
            if not before or not after or self._parts(before, after):
                self._next_try = 0
                return self._let_go(number)
        if self._size > MOST_WAITING:
            return self._let_go_redacted()
        # Trying again with each event would be quadratic.
        self._next_try = self._size + self._size // 4
        return []

    def _parts(self, before: str, after: str) -> bool:
        """True when no value lies on both sides."""
        whole = before + after
        if not self._rules.detects(whole):
            return True
        (masked, *parts), _ = self._rules.looked_at([whole, before, after])
        return masked == "".join(parts)

    @staticmethod
    def _text(events: Sequence[_Waiting | str]) -> str:
        return "".join(event.text for event in events if isinstance(event, _Waiting))

    def _let_go_redacted(self) -> list[str]:
        """Redact all that waits, and a stretch of what follows, a longer one when the last was too short."""
        events, self._waiting = self._waiting, []
        self._begin_anew()
        self._stretch = self._last_stretch = min(_LONGEST_STRETCH, max(MOST_WAITING, 2 * self._last_stretch))
        return [
            event if isinstance(event, str) else self._redact(event.text, event.write) for event in events
        ]

    def _redact(self, text: str, write: Write) -> str:
        self._gone = (self._gone + text)[-MOST_WAITING:]
        self._stretch -= max(1, len(text))
        if text:
            self._rules.tally.count += 1
        return write(REDACTED if text else text)

    def _begin_anew(self) -> None:
        self._joined = None
        self._length = self._next_try = self._stretch = 0
        self._size = sum(_size(event) for event in self._waiting)

    def _hold(self, event: _Waiting | str, size: int) -> None:
        self._waiting.append(event)
        self._size += size + 1
        if self._size > self._limit:
            raise MaskError(
                f"more than the {self._limit} bytes of events that may be held would have to wait"
            )

    def _let_go(self, count: int) -> list[str]:
        events, self._waiting = self._waiting[:count], self._waiting[count:]
        self._size -= sum(map(_size, events))
        shown = iter(self._masked([event.text for event in events if isinstance(event, _Waiting)]))
        return [event if isinstance(event, str) else event.write(next(shown)) for event in events]

    def _masked(self, texts: list[str]) -> list[str]:
        """Return what each event may show of texts that nothing later belongs to."""
        if not texts:
            return []
        if len(texts) == 1:
            return [self._rules.text(texts[0])]
        each, found_in_each = self._rules.looked_at(texts)
        (whole,), found_in_whole = self._rules.looked_at(["".join(texts)])
        self._rules.tally.found(found_in_whole or found_in_each)
        if "".join(each) == whole:
            return each
        if found_in_each and not self._covers_each(texts):
            whole = REDACTED
        return [whole, *[""] * (len(texts) - 1)]

    def _covers_each(self, texts: Sequence[str]) -> bool:
        """True when every value of a text alone lies within a value of the text that all of them make."""
        values = self._rules.spans("".join(texts))
        beginnings = accumulate(map(len, texts), initial=0)
        return all(
            any(first <= before + start and before + end <= behind for first, behind in values)
            for before, text in zip(beginnings, texts, strict=False)
            for start, end in self._rules.spans(text)
        )


def _size(event: _Waiting | str) -> int:
    return 1 + len(event if isinstance(event, str) else event.text)


def _backwards(count: int) -> Iterator[int]:
    """Yield `count`, the number before it, and ever larger steps back to 1."""
    step, number = 1, count
    while number > 0:
        yield number
        number -= step
        step *= 2
