"""Events whose data is plain text: each may be a text of its own, or a piece of one that all of them make.

Nobody can tell from outside, so both readings are masked. What might go on in the next event waits for it,
and everything behind it waits too, so that events leave in order.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from policy_middleware.masking.bodies.rules import BodyRules, TextStream
from policy_middleware.model.errors import MaskError

Write = Callable[[str], str]

REDACTED: Final = "[REDACTED]"
"""Stands for texts whose two readings mask different values."""


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
        if self._joined is None:
            self._joined = self._rules.text_stream()
        self._joined.feed(text)
        self._length += len(text)
        self._hold(_Waiting(text, self._length, write), len(text))
        decided = self._length - self._joined.held
        held = (
            number
            for number, event in enumerate(self._waiting)
            if isinstance(event, _Waiting) and event.end > decided
        )
        ready = next(held, len(self._waiting))
        while ready and not self._parts_at(ready):
            ready -= 1
        return self._let_go(ready)

    def _parts_at(self, number: int) -> bool:
        """True when no value lies on both sides of the beginning of a waiting event."""
        before = "".join(event.text for event in self._waiting[:number] if isinstance(event, _Waiting))
        after = "".join(event.text for event in self._waiting[number:] if isinstance(event, _Waiting))
        if not before or not after:
            return True
        (whole, *parts), _ = self._rules.looked_at([before + after, before, after])
        return whole == "".join(parts)

    def close(self) -> list[str]:
        """Return everything that waits, when no more texts will come."""
        self._joined = None
        self._length = 0
        return self._let_go(len(self._waiting))

    def _hold(self, event: _Waiting | str, size: int) -> None:
        self._waiting.append(event)
        self._size += size + 1
        if self._size > self._limit:
            raise MaskError(
                f"more than the {self._limit} bytes of events that may be held would have to wait"
            )

    def _let_go(self, count: int) -> list[str]:
        events, self._waiting = self._waiting[:count], self._waiting[count:]
        self._size -= sum(1 + len(event if isinstance(event, str) else event.text) for event in events)
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
        self._rules.tally.found(found_in_whole if found_in_whole.total() else found_in_each)
        if "".join(each) == whole:
            return each
        if found_in_whole.total() < found_in_each.total():
            whole = REDACTED
        return [whole, *[""] * (len(texts) - 1)]
