"""The one thread that turns what waits in the queue into records, and hands them to the sinks."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from queue import Empty, SimpleQueue
from typing import Final

from policy_middleware.decision_log.chain import Chain, PlacedRecord, Signer
from policy_middleware.decision_log.delivery import Delivery
from policy_middleware.decision_log.entries import Entry, Queued, Ticket, taken
from policy_middleware.decision_log.record import (
    LOG_CLOSED,
    Record,
    event_record,
    gap_record,
    unreadable_record,
)
from policy_middleware.decision_log.redaction import Redaction

LATE_WAIT: Final = 5.0
"""Seconds that a record made after the log was closed waits for a sink that hangs."""
_LINGER: Final = 0.02
"""Seconds the writer lets records gather, so that few requests pay for waking it."""
_CATCH_UP: Final = 0.5
"""Seconds between attempts to write what a sink has been keeping."""

log: Final = logging.getLogger("policy_middleware")


class Writer:
    """Writes what is in a queue, in a thread of its own, as one chain.

    Belongs to one process: a forked child makes another, with locks that nobody can be holding.
    """

    def __init__(
        self, delivery: Delivery, redaction: Redaction | None, key: bytes | None, signer: Signer | None
    ) -> None:
        self.queue: Final[SimpleQueue[Queued]] = SimpleQueue()
        self.hurry: Final = threading.Event()
        """Set by who cannot wait for more records to gather."""
        self.running = False
        self.stalled = False
        """True from when somebody has waited in vain until the sinks take the next batch."""
        self._delivery = delivery
        self._redaction = redaction
        self._key, self._signer = key, signer
        self._chain: Chain | None = None
        self._writing = threading.RLock()
        self._gap: tuple[float, float, int] | None = None
        self._counting = threading.Lock()
        self._thread: threading.Thread | None = None

    def start(self) -> bool:
        """Start the thread; False when the interpreter allows none any more."""
        thread = threading.Thread(target=self._run, name="policy-decision-log", daemon=True)
        try:
            thread.start()
        except RuntimeError:
            return False
        self._thread, self.running = thread, True
        return True

    def stop(self, timeout: float) -> bool:
        """Write what waits, and stop; False when a sink was still busy after `timeout` seconds."""
        self.running = False
        if self._thread is not None:
            self.queue.put(None)
            self.hurry.set()
            self._thread.join(timeout)
            if self._thread.is_alive():
                return False
        self.write_entries(taken(self.queue))  # what raced with the order to stop
        self._end_chain()
        self._delivery.close()
        return True

    def note_loss(self) -> None:
        """Count a record that found the queue full."""
        now = time.time()
        with self._counting:
            since, _, lost = self._gap or (now, now, 0)
            self._gap = (since, now, lost + 1)

    def anchor(self) -> Mapping[str, object] | None:
        """Return the head of the chain; None when nothing is sealed, or a sink hangs."""
        if not self._writing.acquire(timeout=LATE_WAIT):
            return None
        try:
            return self._chain.anchor() if self._chain is not None and self._chain.sealed else None
        finally:
            self._writing.release()

    def write_entries(self, entries: Iterable[Queued]) -> bool:
        """Write a stretch of the queue; True when it ends with the order to stop."""
        records: list[Record] = []
        tickets: list[Ticket] = []
        stop = rest = False
        for entry in entries:
            if isinstance(entry, Entry):
                records.append(self._record(entry))
                if entry.ticket is not None:
                    tickets.append(entry.ticket)
            elif entry is None:
                stop = True
            elif isinstance(entry, Ticket):
                tickets.append(entry)
            else:
                rest = True
        with self._counting:
            gap, self._gap = self._gap, None
        if gap is not None:
            records.append(gap_record(*gap))
        written = not records or self._write(records)
        if rest:
            self._end_chain()
            self._delivery.catch_up()
        self.stalled = False
        for ticket in tickets:
            ticket.settle(written)
        return stop

    def _run(self) -> None:
        try:
            while True:
                try:
                    first = self.queue.get(timeout=_CATCH_UP if self._delivery.behind else None)
                except Empty:
                    with self._writing:
                        self._delivery.catch_up()
                    continue
                self.hurry.wait(_LINGER)
                self.hurry.clear()
                if self.write_entries([first, *taken(self.queue)]):
                    return
        finally:
            self.running = False  # whatever ended the thread: the next record starts another

    def _end_chain(self) -> None:
        if self._chain is not None and self._chain.sealed:
            self._write([_closing()], last=True)
        self._chain = None

    def _record(self, entry: Entry) -> Record:
        try:
            record = entry.build(*entry.arguments)
            if self._redaction is not None:
                self._redaction.apply(record)
        except Exception as error:  # whatever a context holds, there is a record of it
            log.exception("decision %s could not be recorded in full", entry.decision_id)
            return unreadable_record(entry.decision_id, error, time.time())
        return record

    def _write(self, records: Sequence[Record], *, last: bool = False) -> bool:
        """Write records in their place of the chain, and after them what there is to say of the sinks.

        With `last` it ends with a record that closes the chain, and its signature where there is who signs.
        """
        # Only contended after the end, by late records; a sink that hangs must not hang a request with it.
        if not self._writing.acquire(timeout=LATE_WAIT):
            log.error("a sink of the decision log hangs: %d late records are lost", len(records))
            self._delivery.failed += len(records)
            return False
        try:
            chain = self._chain = self._chain or Chain(self._key, self._signer)
            written = self._delivery.write([chain.place(record) for record in records])
            after: list[PlacedRecord] = [chain.place(record) for record in self._delivery.gaps()]
            if last and after:
                after.append(chain.place(_closing()))
            if chain.checkpoint_due(last=last):
                after.append(chain.checkpoint())
            self._delivery.write(after)
            return written
        finally:
            self._writing.release()


def _closing() -> dict[str, object]:
    return event_record(LOG_CLOSED, None, time.time(), {})
