"""The queue between requests and sinks, and the one thread that empties it."""

from __future__ import annotations

import atexit
import logging
import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from queue import Empty, SimpleQueue
from typing import Final
from weakref import WeakSet

from policy_middleware.decision_log.observing import observers
from policy_middleware.decision_log.record import (
    Record,
    decision_record,
    event_record,
    gap_record,
    overridden_record,
    unreadable_record,
)
from policy_middleware.decision_log.sinks import Sink
from policy_middleware.model.context import RequestContext
from policy_middleware.model.decision import PolicyDecision
from policy_middleware.stores import overriding

DEFAULT_CAPACITY: Final = 10_000
CLOSE_TIMEOUT: Final = 5.0
"""Seconds that `close` waits for the sinks."""
_LINGER: Final = 0.02
"""Seconds the writer lets records gather, so that few requests pay for waking it."""
_BATCH: Final = 500

log: Final = logging.getLogger("policy_middleware")

_Entry = tuple[Callable[..., Record], str | None, tuple[object, ...]]
"""What builds the record, the decision it is about, and the arguments: all the work is left to the writer."""
_Queued = _Entry | threading.Event | None
"""A record to be; the request to be told that everything before it is written; the order to stop."""


@dataclass(frozen=True, slots=True)
class DecisionLogStatus:
    """Numbers of records: waiting, written by every sink, lost to a full queue, failed by some sink."""

    waiting: int
    written: int
    lost: int
    failed: int


class DecisionLog:
    """Takes one record per decision on the request path and writes it in the background.

    A full queue never blocks a request and never loses silently: what does not fit is counted, and a record
    with `event: gap` tells how many were lost. A sink that raises loses the batch it was given, which is
    reported to the logger `policy_middleware` and counted; other sinks are not affected. After `close` (and
    when no thread can be started any more) records are written where they are made. The writer starts at the
    first record, and again in a forked child, which leaves to its parent what the parent has not written.
    """

    def __init__(self, sinks: Sequence[Sink], *, capacity: int = DEFAULT_CAPACITY) -> None:
        self._sinks = tuple(sinks)
        self._capacity = capacity
        self._closed = False
        self._reset()
        _logs.add(self)

    def _reset(self) -> None:
        """Start with an empty queue and no thread: at first, and in a forked child.

        The locks and the queue of a parent may have been in use at the fork; its thread did not come along.
        """
        self._queue: SimpleQueue[_Queued] = SimpleQueue()
        self._hurry = threading.Event()
        self._lock = threading.Lock()
        self._sinks_lock = threading.RLock()
        self._thread: threading.Thread | None = None
        self._running = False
        self._gap: tuple[float, float, int] | None = None
        self._missed: dict[int, int] = {}
        self._written = self._lost = self._failed = 0

    def append(
        self,
        decision: PolicyDecision,
        context: RequestContext | None = None,
        *,
        enforced: bool = True,
        refusal: str | None = None,
        approval_id: str | None = None,
    ) -> None:
        """Record a decision on `context`; costs a queue append.

        `enforced` is False where the answer was only observed, `refusal` the kind of refusal that no policy
        made, and `approval_id` the approval that the request was parked under or brought.
        """
        now = context.now if context is not None else time.time()
        self._put(
            (decision_record, decision.decision_id, (decision, context, now, enforced, refusal, approval_id))
        )
        if observers:
            for observe in observers:
                observe(self, decision, context, enforced=enforced, refusal=refusal, approval_id=approval_id)

    def event(
        self, event: str, decision_id: str | None = None, details: Mapping[str, object] | None = None
    ) -> None:
        """Record what became of a decision: an approval's transition, the outcome of a mask."""
        self._put((event_record, decision_id, (event, decision_id, time.time(), details or {})))

    def flush(self, timeout: float = CLOSE_TIMEOUT) -> bool:
        """Wait until every record made so far is written; False when `timeout` seconds did not suffice."""
        if not self._running:
            return self._queue.empty()
        token = threading.Event()
        self._queue.put(token)
        self._hurry.set()
        return token.wait(timeout)

    def close(self, timeout: float = CLOSE_TIMEOUT) -> None:
        """Write what waits, stop the writer and close the sinks; waits at most `timeout` seconds."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
            thread, self._running = self._thread, False
        if thread is not None:
            self._queue.put(None)
            self._hurry.set()
            thread.join(timeout)
            if thread.is_alive():
                log.error(
                    "the decision log was closed while a sink was still writing: %d records or more are lost",
                    self._queue.qsize(),
                )
                return
        self._write_entries(_taken(self._queue))  # what raced with the order to stop
        for number, sink in enumerate(self._sinks):
            self._call(number, 0, sink.close)

    @property
    def status(self) -> DecisionLogStatus:
        """How the log is doing at the moment."""
        return DecisionLogStatus(self._queue.qsize(), self._written, self._lost, self._failed)

    # -- the request's side ------------------------------------------------------------------------------

    def _put(self, entry: _Entry) -> None:
        if overriding.in_force is not None:
            build, decision_id, arguments = entry
            entry = (overridden_record, decision_id, (build, arguments))
        if self._running and self._queue.qsize() < self._capacity:
            self._queue.put(entry)
        else:
            self._put_slowly(entry)

    def _put_slowly(self, entry: _Entry) -> None:
        with self._lock:
            if not self._closed and (self._running or self._start()):
                if self._queue.qsize() < self._capacity:
                    self._queue.put(entry)
                else:
                    self._note_loss()
                return
        self._write([self._record(entry)])

    def _start(self) -> bool:
        """Start the writer; False when the interpreter allows no thread any more."""
        thread = threading.Thread(
            target=self._run, args=(self._queue, self._hurry), name="policy-decision-log", daemon=True
        )
        try:
            thread.start()
        except RuntimeError:
            return False
        self._thread, self._running = thread, True
        return True

    def _note_loss(self) -> None:
        now = time.time()
        self._lost += 1
        since, _, lost = self._gap or (now, now, 0)
        self._gap = (since, now, lost + 1)

    # -- the writer's side -------------------------------------------------------------------------------

    def _run(self, queue: SimpleQueue[_Queued], hurry: threading.Event) -> None:
        try:
            while True:
                first = queue.get()
                hurry.wait(_LINGER)
                hurry.clear()
                if self._write_entries([first, *_taken(queue)]):
                    return
        finally:
            self._running = False  # whatever ended the thread: the next record starts another

    def _write_entries(self, entries: Iterable[_Queued]) -> bool:
        """Write a stretch of the queue; True when it ends with the order to stop."""
        records: list[Record] = []
        stop = False
        for entry in entries:
            if isinstance(entry, tuple):
                records.append(self._record(entry))
            elif entry is None:
                stop = True
            else:
                self._write(records)
                records = []
                entry.set()
        self._write([*records, *self._gap_noted()])
        return stop

    def _gap_noted(self) -> list[Record]:
        with self._lock:
            gap, self._gap = self._gap, None
        return [gap_record(*gap)] if gap is not None else []

    def _record(self, entry: _Entry) -> Record:
        build, decision_id, arguments = entry
        try:
            return build(*arguments)
        except Exception as error:  # whatever a context holds, there is a record of it
            log.exception("decision %s could not be recorded in full", decision_id)
            return unreadable_record(decision_id, error, time.time())

    def _write(self, records: list[Record]) -> None:
        if not records:
            return
        # Only contended after `close`, by late records; a sink that hangs must not hang a request with it.
        if not self._sinks_lock.acquire(timeout=CLOSE_TIMEOUT):
            log.error("a sink of the decision log hangs: %d late records are lost", len(records))
            self._failed += len(records)
            return
        try:
            delivered = [
                self._call(number, len(records), partial(sink.write, records))
                for number, sink in enumerate(self._sinks)
            ]
            if all(delivered):
                self._written += len(records)
        finally:
            self._sinks_lock.release()

    def _call(self, number: int, count: int, call: Callable[[], object]) -> bool:
        """Call a sink with `count` records; its failure is reported when it begins and when it ends."""
        try:
            call()
        except (Exception, SystemExit):  # a sink is foreign code, and must not end the log of the others
            self._failed += count
            if number not in self._missed:
                log.exception(
                    "a sink of the decision log failed, its records are lost: %r", self._sinks[number]
                )
            self._missed[number] = self._missed.get(number, 0) + count
            return False
        if number in self._missed:
            missed = self._missed.pop(number)
            log.warning(
                "a sink of the decision log works again, it missed %d records: %r",
                missed,
                self._sinks[number],
            )
        return True


def _taken(queue: SimpleQueue[_Queued]) -> Iterator[_Queued]:
    """Yield what is in the queue now, a batch at most."""
    for _ in range(_BATCH):
        try:
            yield queue.get_nowait()
        except Empty:
            return


_logs: Final[WeakSet[DecisionLog]] = WeakSet()


def _reset_all() -> None:
    for decision_log in list(_logs):
        decision_log._reset()


def _close_all() -> None:
    for decision_log in list(_logs):
        decision_log.close()


if hasattr(os, "register_at_fork"):  # nothing forks on Windows
    os.register_at_fork(after_in_child=_reset_all)
atexit.register(_close_all)
