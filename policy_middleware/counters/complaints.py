"""What is said of counters that cannot be reached: once a minute, and not once per request."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Final, Literal

from policy_middleware.model.errors import StoreUnavailable

log: Final = logging.getLogger("policy_middleware")

AGAIN_AFTER: Final = 60.0
"""Seconds for which the same complaint is not repeated."""
_CONSEQUENCES: Final = {
    "read": "what happened before is unknown, so rules that ask restrict and limits let nothing through",
    "written": "decisions are not counted, and those that rest on counts restrict",
}


class Complaints:
    """Tells operators what no answer does, without filling the log."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._since: dict[str, tuple[float, int]] = {}

    def about(self, what: Literal["read", "written"], error: StoreUnavailable) -> None:
        """Say that counters could not be read or written, and how often since it was last said."""
        now = self._clock()
        said, silent = self._since.get(what, (-AGAIN_AFTER, 0))
        if now - said < AGAIN_AFTER:
            self._since[what] = said, silent + 1
            return
        self._since[what] = now, 0
        before = f" ({silent} more since this was last said)" if silent else ""
        log.error("%s: %s%s", _CONSEQUENCES[what], error, before)
