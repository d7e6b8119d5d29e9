"""Making known in time what the passing of time does to approvals: they lapse, or are escalated.

Nothing depends on it for what may run: whoever looks at a task finds it lapsed. It is for those who are told
of events. A process keeps an eye on the tenants whose approvals it has had to do with.
"""

from __future__ import annotations

import logging
import threading
import time
import weakref
from collections.abc import Callable
from typing import Final

from policy_middleware.approvals.events import ApprovalEvent
from policy_middleware.model.errors import StoreUnavailable
from policy_middleware.process_life import reset_in_children

SHORTEST_PAUSE: Final = 0.05
PAUSE_AFTER_FAILURE: Final = 5.0
"""Seconds until a queue that could not be reached is asked again."""

log: Final = logging.getLogger("policy_middleware")


class ApprovalClock:
    """Calls `advance(tenant)` when something is due; it returns the seconds until the next, or None."""

    def __init__(self, advance: Callable[[str], float | None]) -> None:
        self._advance = advance
        self._closed = False
        self._reset()
        _living.add(self)

    def _reset(self) -> None:
        self._condition = threading.Condition()
        self._due: dict[str, float] = {}
        self._thread: threading.Thread | None = None

    def note(self, event: ApprovalEvent) -> None:
        """Take note of when the task of an event is due."""
        task = event.task
        if not task.is_open:
            return
        moments = [task.deadline]
        if task.next_escalation is not None:
            moments.append(task.next_escalation)
        self.expect(event.tenant, min(moments) - event.at)

    def expect(self, tenant: str, seconds: float) -> None:
        """Look at a tenant's queue in so many seconds, or sooner if that was planned."""
        at = time.monotonic() + max(SHORTEST_PAUSE, seconds)
        with self._condition:
            if self._closed:
                return
            self._due[tenant] = min(at, self._due.get(tenant, at))
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="policy-approval-clock", daemon=True)
                self._thread.start()
            self._condition.notify()

    def close(self) -> None:
        """Stop looking."""
        with self._condition:
            self._closed = True
            thread = self._thread
            self._condition.notify()
        if thread is not None and thread is not threading.current_thread():
            thread.join()

    def _run(self) -> None:
        while True:
            with self._condition:
                while not self._closed and not self._is_due():
                    soonest = min(self._due.values(), default=None)
                    pause = None if soonest is None else max(0.0, soonest - time.monotonic())
                    self._condition.wait(pause)
                if self._closed:
                    return
                tenant = min(self._due, key=self._due.__getitem__)
                del self._due[tenant]
            try:
                again = self._advance(tenant)
            except StoreUnavailable as error:
                log.warning("approvals that may have expired could not be looked at: %s", error)
                again = PAUSE_AFTER_FAILURE
            if again is not None:
                self.expect(tenant, again)

    def _is_due(self) -> bool:
        return any(at <= time.monotonic() for at in self._due.values())


_living: Final[weakref.WeakSet[ApprovalClock]] = weakref.WeakSet()
reset_in_children(_living, ApprovalClock._reset)
