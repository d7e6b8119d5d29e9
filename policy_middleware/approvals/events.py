"""What happens to approvals, told to whoever listens: after it happened, and never at a request's expense."""

from __future__ import annotations

import logging
import threading
import weakref
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from policy_middleware.approvals.task import ApprovalTask, Verification
from policy_middleware.process_life import close_at_exit, reset_in_children

CAPACITY: Final = 10_000
"""Events that may wait for slow listeners; what comes beyond is counted and reported."""
CLOSE_TIMEOUT: Final = 5.0
"""Seconds that `close` waits for listeners."""

log: Final = logging.getLogger("policy_middleware")


class ApprovalEventKind(StrEnum):
    """The transitions of an approval."""

    REQUESTED = "requested"
    VOTED = "voted"
    """Somebody agreed; `approved` follows when that was enough."""
    APPROVED = "approved"
    DENIED = "denied"
    EXPIRED = "expired"
    CANCELLED = "cancelled"
    SUPERSEDED = "superseded"
    CONSUMED = "consumed"
    ESCALATED = "escalated"
    """The second group of approvers may vote from now on."""


@dataclass(frozen=True, slots=True)
class ApprovalEvent:
    """One transition: `task` as it is afterwards, `at` in seconds since the epoch by the queue's clock.

    `actor` is who made it happen (None: the passing of time), `verified` how that is known of an approver and
    `operator` the operating-system user who vouched for an asserted one.
    """

    kind: ApprovalEventKind
    tenant: str
    task: ApprovalTask
    at: float
    actor: str | None = None
    comment: str | None = None
    verified: Verification | None = None
    operator: str | None = None


ApprovalListener = Callable[[ApprovalEvent], object]


class ApprovalEvents:
    """Hands events to listeners, in order, in a thread of its own that starts with the first event.

    A listener that raises is logged; the others hear of the event nevertheless. After `close` listeners are
    called where the event is made.
    """

    def __init__(self, listeners: Iterable[ApprovalListener] = ()) -> None:
        self._listeners: tuple[ApprovalListener, ...] = tuple(listeners)
        self._closed = False
        self._reset()
        _living.add(self)

    def _reset(self) -> None:
        """Start without a thread: at first, and in a forked child, which leaves to its parent what waits."""
        self._condition = threading.Condition()
        self._waiting: deque[ApprovalEvent] = deque()
        self._busy = False
        self._lost = 0
        self._thread: threading.Thread | None = None

    def add(self, listener: ApprovalListener) -> Callable[[], None]:
        """Tell `listener` of every event from now on; returns what to call to stop that."""
        with self._condition:
            self._listeners = (*self._listeners, listener)

        def remove() -> None:
            with self._condition:
                self._listeners = tuple(other for other in self._listeners if other is not listener)

        return remove

    def emit(self, event: ApprovalEvent) -> None:
        """Queue an event; costs next to nothing where nobody listens."""
        if not self._listeners:
            return
        with self._condition:
            if not self._closed and (self._thread is not None or self._start()):
                if len(self._waiting) < CAPACITY:
                    self._waiting.append(event)
                else:
                    self._lost += 1
                self._condition.notify_all()
                return
        self._tell(event)

    def flush(self, timeout: float = CLOSE_TIMEOUT) -> bool:
        """Wait until every event so far was told; False when `timeout` seconds did not suffice."""
        with self._condition:
            return self._condition.wait_for(lambda: not self._waiting and not self._busy, timeout)

    def close(self, timeout: float = CLOSE_TIMEOUT) -> None:
        """Tell what waits and stop the thread; waits at most `timeout` seconds."""
        with self._condition:
            self._closed = True
            thread = self._thread
            self._condition.notify_all()
        if thread is not None and thread is not threading.current_thread():
            thread.join(timeout)
            if thread.is_alive():
                log.error(
                    "approvals were closed while a listener was still busy: %d events or more are untold",
                    len(self._waiting),
                )

    def _start(self) -> bool:
        thread = threading.Thread(target=self._run, name="policy-approval-events", daemon=True)
        try:
            thread.start()
        except RuntimeError:  # the interpreter is ending
            return False
        self._thread = thread
        return True

    def _run(self) -> None:
        while True:
            with self._condition:
                self._busy = False
                self._condition.notify_all()
                self._condition.wait_for(lambda: self._waiting or self._closed)
                if not self._waiting:
                    self._thread = None
                    return
                event = self._waiting.popleft()
                self._busy = True
                lost, self._lost = self._lost, 0
            if lost:
                log.error("listeners are too slow: %d approval events were not told to them", lost)
            self._tell(event)

    def _tell(self, event: ApprovalEvent) -> None:
        for listener in self._listeners:
            try:
                listener(event)
            except Exception:  # foreign code, which must not keep the others from hearing
                log.exception(
                    "a listener failed to hear that approval %s was %s", event.task.id, event.kind.value
                )


_living: Final[weakref.WeakSet[ApprovalEvents]] = weakref.WeakSet()
reset_in_children(_living, ApprovalEvents._reset)
close_at_exit(_living, ApprovalEvents.close)
