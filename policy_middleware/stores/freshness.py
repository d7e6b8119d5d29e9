"""Until when what is held in memory may be used: a lease that every sign of life renews."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

NEVER: Final = -math.inf
STORE_AWAY: Final = "store unavailable"
"""What `Unready` calls a store that cannot be reached."""


@dataclass(frozen=True, slots=True)
class Unready:
    """What keeps requests from being decided: a word or two for anybody, and details for the operator."""

    kind: str
    detail: str


class Freshness:
    """How long what is held may be used, counted from the last moment at which it was known to be current.

    All moments are seconds of the monotonic clock and are passed in. While changes are being heard the lease
    outlasts the silence after which the store's watch gives up; from then on `max_stale` counts. If the
    thread that renews it dies, it runs out like any other: nothing is served for ever.
    """

    def __init__(self, max_stale: float, dead_after: float | None) -> None:
        self._max_stale = max_stale
        self._dead_after = dead_after
        self.reset()

    def reset(self) -> None:
        """Know nothing, as at the start and in a forked child."""
        self.listening = False
        self.lost_because: str | None = None
        self.heard_at = NEVER
        self.known_at = NEVER
        self.usable_until = NEVER

    def heard(self, now: float) -> None:
        """No change up to `now` is unheard; a store whose watch cannot be lost says so once and for good."""
        self.listening = True
        self.lost_because = None
        self.heard_at = math.inf if self._dead_after is None else now

    def lost(self, reason: str) -> None:
        """Changes are no longer heard."""
        self.listening = False
        self.lost_because = reason

    def renew(self, oldest_doubt: float | None) -> None:
        """Reckon the lease anew; something may be outdated since `oldest_doubt` (None: nothing is)."""
        self.known_at = self.heard_at if oldest_doubt is None else min(self.heard_at, oldest_doubt)
        grace = max(self._max_stale, self._dead_after or 0.0) if self.listening else self._max_stale
        self.usable_until = self.known_at + grace

    @property
    def listener(self) -> str:
        """The state of the listener in words: `synced`, `starting` or `lost: <reason>`."""
        if self.listening:
            return "synced"
        return "starting" if self.lost_because is None else f"lost: {self.lost_because}"
