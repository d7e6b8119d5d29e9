"""A bounded cache whose hit is one dict lookup and one store: second chance instead of strict LRU.

F. J. Corbató, "A Paging Experiment with the Multics System" (1968): what was used since the hand last passed
is passed over once. Strict LRU would need a lock on every hit.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from typing import Protocol, TypeVar


class Evictable(Protocol):
    """What the cache asks of its entries."""

    used: bool
    """Set by whoever hits the entry."""

    @property
    def precious(self) -> bool:
        """True for what could not be had again; evicted only when nothing else is left."""
        ...


E = TypeVar("E", bound=Evictable)


class SecondChanceCache(dict[str, E]):
    """At most `capacity` entries; look up with the plain dict methods, add with `put`, under one lock."""

    def __init__(self, capacity: int) -> None:
        super().__init__()
        self._capacity = capacity
        self._queue: OrderedDict[str, None] = OrderedDict()

    def put(self, key: str, entry: E) -> list[str]:
        """Add or replace an entry; return the keys of those that had to leave for it."""
        evicted = []
        if key not in self:
            while len(self) >= self._capacity:
                evicted.append(self._victim())
                self.discard(evicted[-1])
            self._queue[key] = None
        self[key] = entry
        return evicted

    def discard(self, key: str) -> None:
        """Remove an entry if it is there."""
        self.pop(key, None)
        self._queue.pop(key, None)

    def _victim(self) -> str:
        for key in self._once_around():
            entry = self[key]
            if not entry.used and not entry.precious:
                return key
            entry.used = False
            self._queue.move_to_end(key)
        # Everything was in use or precious; now nothing is marked as used any more.
        return next((key for key in self._queue if not self[key].precious), next(iter(self._queue)))

    def _once_around(self) -> Iterator[str]:
        for _ in range(len(self._queue)):
            yield next(iter(self._queue))
