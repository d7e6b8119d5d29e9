"""What waits in the queue between requests and the writer."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from queue import Empty, SimpleQueue
from typing import Final, NamedTuple

_BATCH: Final = 500


class Ticket:
    """Waits for the sinks to take what was put into the queue before it, or with it."""

    __slots__ = ("_done", "_written")

    def __init__(self) -> None:
        self._done = threading.Event()
        self._written = False

    def settle(self, written: bool) -> None:
        """Say whether all sinks took it."""
        self._written = written
        self._done.set()

    def wait(self, timeout: float) -> bool | None:
        """Return whether all sinks took it, None when `timeout` seconds did not suffice."""
        return self._written if self._done.wait(timeout) else None


class Entry(NamedTuple):
    """What builds a record, the decision it is about, the arguments, and who waits for it.

    All the work is left to the writer.
    """

    build: Callable[..., dict[str, object]]
    decision_id: str | None
    arguments: tuple[object, ...]
    ticket: Ticket | None = None


make_entry: Final = tuple.__new__
"""Makes an Entry as a named tuple does, without its Python code: `make_entry(Entry, (...))`."""


class _Rest:
    """The type of `REST`."""


REST: Final = _Rest()
"""The order to end the chain."""

Queued = Entry | Ticket | _Rest | None
"""A record to be; somebody who waits for everything before; the order to end the chain, or to stop."""


def taken(queue: SimpleQueue[Queued]) -> Iterator[Queued]:
    """Yield what is in the queue now, a batch at most."""
    for _ in range(_BATCH):
        try:
            yield queue.get_nowait()
        except Empty:
            return
