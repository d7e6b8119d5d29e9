"""The decision log as requests see it: records are put into a bounded queue, and that is all that is done."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final
from weakref import WeakSet

from policy_middleware.decision_log.chain import Signer
from policy_middleware.decision_log.delivery import Delivery
from policy_middleware.decision_log.entries import REST, Entry, Ticket, make_entry
from policy_middleware.decision_log.observing import observers
from policy_middleware.decision_log.record import WITHHELD, decision_record, event_record, overridden_record
from policy_middleware.decision_log.redaction import Redaction
from policy_middleware.decision_log.sampling import Sampling
from policy_middleware.decision_log.sink import Sink
from policy_middleware.decision_log.trace import TraceContext
from policy_middleware.decision_log.writer import Writer
from policy_middleware.model.context import RequestContext
from policy_middleware.model.decision import PolicyDecision
from policy_middleware.process_life import close_at_exit, reset_in_children
from policy_middleware.stores import overriding
from policy_middleware.stores.freshness import Freshness

DEFAULT_CAPACITY: Final = 10_000
CLOSE_TIMEOUT: Final = 5.0
"""Seconds that `close` waits for the sinks."""
STRICT_TIMEOUT: Final = 5.0
"""Seconds that `write` waits for the sinks."""

log: Final = logging.getLogger("policy_middleware")


@dataclass(frozen=True, slots=True)
class DecisionLogStatus:
    """Numbers of records: waiting, written by every sink, lost to a full queue, failed by some sink.

    `behind`: some sink keeps records elsewhere until it can write them. `sampled_out`: allows not recorded.
    `failing`: the sinks that do not take records at the moment.
    """

    waiting: int
    written: int
    lost: int
    failed: int
    behind: bool = False
    sampled_out: int = 0
    failing: tuple[str, ...] = ()


class DecisionLog:
    """Takes one record per decision on the request path and writes it in the background.

    A full queue never blocks a request and never loses silently: what does not fit is counted, and a record
    with `event: gap` tells how many were lost. So it does for a batch that a sink failed to take; other
    sinks are not affected. After `close` (and when no thread can be started any more) records are written
    where they are made. The writer starts at the first record, and again in a forked child, which begins a
    chain of its own and leaves to its parent what the parent has not written.

    With `key` records are sealed, with `signer` there are signed checkpoints. `freshness` tells
    whether the documents in force may be outdated. `strict` and `refuses` say what `takes` demands.
    """

    def __init__(
        self,
        sinks: Sequence[Sink],
        *,
        capacity: int = DEFAULT_CAPACITY,
        key: bytes | None = None,
        signer: Signer | None = None,
        redaction: Redaction | None = None,
        sample: float = 1.0,
        freshness: Freshness | None = None,
        strict: bool = False,
        refuses: bool = False,
    ) -> None:
        self._capacity = capacity
        self._sampling = Sampling(sample) if sample < 1 else None
        self._freshness = freshness or Freshness(0.0, None)
        self.strict: Final = strict
        self.guards: Final = strict or refuses
        """True when nothing is to run whose record may be lost."""
        self._closed = False
        self._delivery = Delivery(sinks)
        self._new_writer = partial(Writer, self._delivery, redaction or None, key, signer)
        self._reset()
        _logs.add(self)

    def _reset(self) -> None:
        """Start with an empty queue and no thread: at first, and in a forked child.

        The locks and the queue of a parent may have been in use at the fork; its thread did not come along.
        """
        self._delivery.reset()
        self._writer = self._new_writer()
        self._queue = self._writer.queue
        self._lock = threading.Lock()
        self._lost = self._sampled_out = 0

    def append(
        self,
        decision: PolicyDecision,
        context: RequestContext | None = None,
        *,
        enforced: bool = True,
        refusal: str | None = None,
        approval_id: str | None = None,
        trace: TraceContext | None = None,
        ticket: Ticket | None = None,
    ) -> bool:
        """Record a decision on `context`; costs a queue append. False when the queue was full.

        `enforced` is False where the answer was only observed, `refusal` the kind of refusal that no policy
        made, and `approval_id` the approval that the request was parked under or brought. What somebody
        waits for (`ticket`) is never sampled.
        """
        if observers:
            for observe in observers:
                observe(self, decision, context, enforced=enforced, refusal=refusal, approval_id=approval_id)
        if self._sampling is not None and not (
            refusal or approval_id or ticket or self._sampling.keeps(decision, trace)
        ):
            self._sampled_out += 1
            return True
        now = context.now if context is not None else time.time()
        stale = self._freshness.lost_because is not None
        arguments = (decision, context, now, enforced, refusal, approval_id, trace, stale)
        return self._put(make_entry(Entry, (decision_record, decision.decision_id, arguments, ticket)))

    def write(
        self,
        decision: PolicyDecision,
        context: RequestContext | None = None,
        *,
        approval_id: str | None = None,
        trace: TraceContext | None = None,
        timeout: float = STRICT_TIMEOUT,
    ) -> bool:
        """Record a decision and wait until every sink has it; False when one has not.

        Blocks for `timeout` seconds at most. Records of requests that wait together are written in one go.
        """
        ticket = Ticket()
        if not self.append(
            decision,
            context,
            approval_id=approval_id,
            trace=trace,
            ticket=ticket,
        ):
            return False
        writer = self._writer
        writer.hurry.set()
        written = ticket.wait(timeout)
        if written is None:
            writer.stalled = True  # until the writer comes back, nobody else need wait as long
        return bool(written)

    def event(
        self,
        event: str,
        decision_id: str | None = None,
        details: Mapping[str, object] | None = None,
        tenant: str | None = None,
    ) -> None:
        """Record what became of a decision: an approval's transition, the outcome of a mask."""
        self._put(Entry(event_record, decision_id, (event, decision_id, time.time(), details or {}, tenant)))

    def takes(
        self,
        decision: PolicyDecision,
        context: RequestContext | None = None,
        *,
        approval_id: str | None = None,
        trace: TraceContext | None = None,
    ) -> bool:
        """Record a decision; False when it must not be acted upon, because its record may be lost.

        May block where the log is strict and the decision lets something run. What is not acted upon and
        may be in the log all the same is followed by an event that says so.
        """
        if not self.guards:
            self.append(decision, context, approval_id=approval_id, trace=trace)
            return True
        if not self.accepts:
            return False
        if not (self.strict and decision.allowed):
            return self.append(decision, context, approval_id=approval_id, trace=trace)
        if self.write(decision, context, approval_id=approval_id, trace=trace):
            return True
        self.event(WITHHELD, decision.decision_id, tenant=context.tenant if context is not None else None)
        return False

    @property
    def accepts(self) -> bool:
        """False while what is recorded may be lost: the queue is full, a sink fails or hangs."""
        writer = self._writer
        return not writer.stalled and not self._delivery.failing and writer.queue.qsize() < self._capacity

    def flush(self, timeout: float = CLOSE_TIMEOUT) -> bool:
        """Wait until every record made so far is written; False when `timeout` seconds did not suffice."""
        writer = self._writer
        if not writer.running:
            return writer.queue.empty()
        ticket = Ticket()
        writer.queue.put(ticket)
        writer.hurry.set()
        return ticket.wait(timeout) is not None

    def anchor(self) -> Mapping[str, object] | None:
        """Return the head of this process's chain, to be kept where the log's writers cannot reach it.

        Verifying against it finds records missing at the end. None without a key and before the first record.
        """
        self.flush()
        return self._writer.anchor()

    def rest(self, timeout: float = CLOSE_TIMEOUT) -> None:
        """Write what waits and end the chain: the process may be ended now. A later record begins another."""
        writer = self._writer
        if writer.running:
            writer.queue.put(REST)
            self.flush(timeout)

    def close(self, timeout: float = CLOSE_TIMEOUT) -> None:
        """Write what waits, stop the writer and close the sinks; waits at most `timeout` seconds."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
            self._writer.running = False
        if not self._writer.stop(timeout):
            log.error(
                "the decision log was closed while a sink was still writing: %d records or more are lost",
                self._queue.qsize(),
            )

    @property
    def status(self) -> DecisionLogStatus:
        """How the log is doing at the moment."""
        delivery = self._delivery
        return DecisionLogStatus(
            self._queue.qsize(),
            delivery.written,
            self._lost,
            delivery.failed,
            delivery.behind,
            self._sampled_out,
            delivery.failing_sinks,
        )

    def _put(self, entry: Entry) -> bool:
        if overriding.in_force is not None:
            build, decision_id, arguments, ticket = entry
            entry = Entry(overridden_record, decision_id, (build, arguments), ticket)
        if self._writer.running and self._queue.qsize() < self._capacity:
            self._queue.put(entry)
            return True
        return self._put_slowly(entry)

    def _put_slowly(self, entry: Entry) -> bool:
        writer = self._writer
        with self._lock:
            if not self._closed and (writer.running or writer.start()):
                if self._queue.qsize() >= self._capacity:
                    self._lost += 1
                    writer.note_loss()
                    return False
                self._queue.put(entry)
                return True
        writer.write_entries([entry])
        return True


_logs: Final[WeakSet[DecisionLog]] = WeakSet()
reset_in_children(_logs, DecisionLog._reset)
close_at_exit(_logs, DecisionLog.close)
