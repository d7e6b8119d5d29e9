"""What is said of requests refused because no policy can be read: when that begins, and when it ends."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from policy_middleware.model.errors import NoUsablePolicy, StoreUnavailable

log: Final = logging.getLogger("policy_middleware")

MOST_TENANTS: Final = 1000
"""Tenants that are told of; where a document for all of them is not valid, clients can name ever more."""
REMIND_AFTER: Final = 60.0
"""Seconds after which an outage that goes on is mentioned again."""


@dataclass(slots=True)
class _Outage:
    """Requests refused so far for one reason; `began` and `told` are moments of the clock."""

    began: float
    told: float
    refused: int = 1


class Outages:
    """Keeps a store that is away from filling the log with one line per request.

    What concerns the whole store is one outage; a tenant whose only document is not valid has its own.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._going_on: dict[str | None, _Outage] = {}

    @property
    def any(self) -> bool:
        """True while there is an outage whose end was not seen."""
        return bool(self._going_on)

    def refused(self, tenant: str, error: StoreUnavailable) -> None:
        """Count a refused request; log the first, and then once a minute how many there were."""
        now = self._clock()
        whose = tenant if isinstance(error, NoUsablePolicy) else None
        with self._lock:
            outage = self._going_on.get(whose)
            if outage is None and whose is not None and len(self._going_on) >= MOST_TENANTS:
                return
            if outage is None:
                self._going_on[whose] = _Outage(now, now)
            else:
                outage.refused += 1
                if now - outage.told < REMIND_AFTER:
                    return
                outage.told = now
        if outage is None:
            log.error(
                "request refused, no usable policy for tenant %r: %s; further ones are counted", tenant, error
            )
        else:
            log.error(
                "still refusing requests, no usable policy for tenant %r: %s; %d refused in %.0f s",
                tenant,
                error,
                outage.refused,
                now - outage.began,
            )

    def over(self, tenant: str) -> None:
        """Log the end of what kept this tenant's requests from being decided."""
        now = self._clock()
        with self._lock:
            ended = [self._going_on.pop(whose, None) for whose in (None, tenant)]
        for outage in ended:
            if outage is not None:
                log.warning(
                    "requests of tenant %r are decided again; %d were refused in %.0f s",
                    tenant,
                    outage.refused,
                    now - outage.began,
                )
