"""Counters in the memory of one process: for tests, demonstrations and single-process services."""

from __future__ import annotations

import logging
import os
import threading
import time
import weakref
from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from policy_middleware.evaluation.counting import Entry, Premise, Question

log: Final = logging.getLogger("policy_middleware")

_Key = tuple[str, str]
SWEEP_EVERY: Final = 1000
"""Writes after which counters that nothing was written to for their whole window are forgotten."""


@dataclass(slots=True)
class _Counter:
    times: list[int] = field(default_factory=list)
    """Microseconds since the epoch, oldest first; `ids` goes with them."""
    ids: list[str] = field(default_factory=list)
    expires: int = 0


class MemoryCounters:
    """Counters that live and die with the process; safe to use from any thread.

    Unless it was `told` before, the first write says in the log what that means: a store that is shared, as
    files are, makes believe that its counts and limits are.
    """

    def __init__(self, *, clock: Callable[[], float] = time.time, told: bool = True) -> None:
        self._told = told
        self._clock = clock
        self._lock = threading.Lock()
        self._counters: dict[_Key, _Counter] = {}
        self._writes = 0
        _living.add(self)

    def read(self, tenant: str, questions: Sequence[Question]) -> list[int]:
        """Return how many entries each question finds; see `Counters.read`."""
        with self._lock:
            now = self._now()
            return [self._count(tenant, question, now) for question in questions]

    def write(
        self, tenant: str, entry_id: str, entries: Sequence[Entry], premises: Sequence[Premise] = ()
    ) -> list[int] | None:
        """Add one entry to every counter, provided that all premises still hold; see `Counters.write`."""
        if not entries:
            raise ValueError("there is no counter to write to")
        if not self._told:
            self._told = True
            log.warning(
                "counts and limits are kept in this process's memory: with several workers each lets as much "
                "through, and a restart forgets them; a Redis store shares them"
            )
        with self._lock:
            now = self._now()
            if all(self._has(tenant, entry, entry_id) for entry in entries):
                return None
            found = [self._count(tenant, premise.question, now) for premise in premises]
            if any(
                not premise.low <= number <= premise.high
                for premise, number in zip(premises, found, strict=True)
            ):
                return found
            for entry in entries:
                self._add(tenant, entry, entry_id, now)
            self._sweep(now)
            return None

    def withdraw(self, tenant: str, entry_id: str, entries: Sequence[Entry]) -> None:
        """Take an entry back; see `Counters.withdraw`."""
        with self._lock:
            for entry in entries:
                if self._has(tenant, entry, entry_id):
                    counter = self._counters[tenant, entry.counter]
                    place = counter.ids.index(entry_id)
                    del counter.ids[place], counter.times[place]

    def clear(self, tenant: str, counters: Sequence[str]) -> None:
        """Forget every entry of some counters; see `Counters.clear`."""
        with self._lock:
            for counter in counters:
                self._counters.pop((tenant, counter), None)

    def _now(self) -> int:
        return round(self._clock() * 1e6)

    def _has(self, tenant: str, entry: Entry, entry_id: str) -> bool:
        counter = self._counters.get((tenant, entry.counter))
        return counter is not None and entry_id in counter.ids

    def _count(self, tenant: str, question: Question, now: int) -> int:
        counter = self._counters.get((tenant, question.counter))
        if counter is None or counter.expires <= now:
            return 0
        return len(counter.times) - bisect_right(counter.times, now - _microseconds(question.within))

    def _add(self, tenant: str, entry: Entry, entry_id: str, now: int) -> None:
        counter = self._counters.setdefault((tenant, entry.counter), _Counter())
        if entry_id not in counter.ids:
            place = bisect_right(counter.times, now)  # not always the end: clocks are set back
            counter.times.insert(place, now)
            counter.ids.insert(place, entry_id)
        window = _microseconds(entry.within)
        outdated = max(bisect_right(counter.times, now - window), len(counter.times) - entry.cap)
        if outdated > 0:
            del counter.times[:outdated], counter.ids[:outdated]
        counter.expires = now + window

    def _sweep(self, now: int) -> None:
        self._writes += 1
        if self._writes % SWEEP_EVERY == 0:
            self._counters = {
                key: counter for key, counter in self._counters.items() if counter.expires > now
            }


def _microseconds(seconds: float) -> int:
    return round(seconds * 1e6)


_living: Final[weakref.WeakSet[MemoryCounters]] = weakref.WeakSet()
_held: Final[list[threading.Lock]] = []


def _before_fork() -> None:
    """Take every lock, so that a child gets counters that no other thread is in the middle of changing."""
    for counters in list(_living):
        counters._lock.acquire()
        _held.append(counters._lock)


def _after_fork() -> None:
    while _held:
        _held.pop().release()


if hasattr(os, "register_at_fork"):  # nothing forks on Windows
    os.register_at_fork(before=_before_fork, after_in_parent=_after_fork, after_in_child=_after_fork)
