"""What one chunk of a stream may cost: many tiny events are cheap to send, and each has to be looked at."""

from __future__ import annotations

import time
from typing import Final

from policy_middleware.model.errors import MaskError

SECONDS: Final = 1.0
"""CPU seconds for each begun megabyte of a chunk. Streams of honest events take a fraction of it."""
_EVENTS: Final = 64
"""Looking at the clock costs as much as a small event does."""


class CpuBudget:
    """Counts the events of one chunk, of `size` bytes, and the time that this thread spends on them."""

    __slots__ = ("_allowed", "_count", "_until")

    def __init__(self, size: int) -> None:
        self._allowed = SECONDS * max(1, -(-size // (1 << 20)))
        self._until = 0.0
        self._count = 0

    def spend(self) -> None:
        """Count an event; raises MaskError when the chunk costs too much."""
        if self._count % _EVENTS == 0:
            now = time.thread_time()
            if not self._count:
                self._until = now + self._allowed
            elif now > self._until:
                raise MaskError("masking the many small parts of one chunk takes too long")
        self._count += 1
