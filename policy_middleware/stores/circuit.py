"""A circuit breaker: while a server is known to be away, nobody waits for it."""

from __future__ import annotations

import threading
import time
from typing import Final

import redis

OPEN_SECONDS: Final = 0.5
TIMEOUTS_IN_A_ROW: Final = 2


class CircuitOpen(redis.RedisError):
    """The server failed a moment ago and is left alone for now.

    Not a `redis.ConnectionError` on purpose: redis-py would try those again.
    """


class CircuitBreaker:
    """Opens when a server cannot be reached, lets one caller try again after `open_seconds`."""

    def __init__(self, open_seconds: float = OPEN_SECONDS) -> None:
        self._open_seconds = open_seconds
        self._lock = threading.Lock()
        self._open = False
        self._open_until = 0.0
        self._timeouts = 0
        self._cause = ""

    def enter(self) -> None:
        """Raise CircuitOpen while the server is left alone; one caller at a time may try if it is back."""
        if not self._open:
            return
        with self._lock:
            now = time.monotonic()
            if now < self._open_until:
                raise CircuitOpen(self._cause)
            self._open_until = now + self._open_seconds

    def succeeded(self) -> None:
        """Close: the server answered."""
        self._timeouts = 0
        self._open = False

    def timed_out(self, error: Exception) -> None:
        """Count an answer that did not come; open and raise CircuitOpen when it is the second in a row."""
        self._timeouts += 1
        if self._timeouts >= TIMEOUTS_IN_A_ROW:
            self.failed(error)

    def failed(self, error: Exception) -> None:
        """Open, and raise CircuitOpen with the cause."""
        with self._lock:
            self._cause = str(error) or type(error).__name__
            self._open_until = time.monotonic() + self._open_seconds
            self._open = True
        raise CircuitOpen(self._cause) from error
