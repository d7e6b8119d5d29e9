"""Handing batches to sinks, and keeping account of what each of them took."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

from policy_middleware.decision_log.chain import PlacedRecord
from policy_middleware.decision_log.record import gap_record
from policy_middleware.decision_log.sink import CatchingUp, Sink

log: Final = logging.getLogger("policy_middleware")


@dataclass(slots=True)
class _Missed:
    """What a sink missed since it began to fail: a time, a number, and the first and last of the chain."""

    since: float
    first_seq: int
    last_seq: int
    count: int


class Delivery:
    """Writes every batch to every sink; one that fails harms no other.

    A failure is told when it begins and when it ends, and then a record says in the log itself what is
    missing. `written` counts records that all sinks took, `failed` those that some sink did not.

    Not safe to be used by several threads at once.
    """

    def __init__(self, sinks: Sequence[Sink]) -> None:
        self._sinks = tuple(sinks)
        self._late = tuple(sink for sink in self._sinks if isinstance(sink, CatchingUp))
        self.reset()

    def reset(self) -> None:
        """Begin the account anew: at first, and in a forked child."""
        self._missed: dict[int, _Missed] = {}
        self._ended: list[tuple[int, _Missed]] = []
        self._told: list[tuple[int, _Missed]] = []
        self.written = self.failed = 0

    @property
    def failing(self) -> bool:
        """True while some sink does not take records."""
        return bool(self._missed)

    @property
    def failing_sinks(self) -> tuple[str, ...]:
        """The sinks that do not take records at the moment."""
        return tuple(repr(self._sinks[number]) for number in list(self._missed))

    @property
    def behind(self) -> bool:
        """True while some sink keeps records elsewhere until it can write them."""
        return any(sink.behind for sink in self._late)

    def write(self, records: Sequence[PlacedRecord]) -> bool:
        """Write records, in order; False when some sink did not take them."""
        told, self._told = self._told, []
        if not records:
            return True
        delivered = [
            self._call(number, records, partial(sink.write, records))
            for number, sink in enumerate(self._sinks)
        ]
        # What says what a sink missed must not be missed itself.
        self._ended += [one for one in told if not delivered[one[0]]]
        if all(delivered):
            self.written += len(records)
        return all(delivered)

    def catch_up(self) -> None:
        """Let sinks write what they have been keeping."""
        for number, sink in enumerate(self._sinks):
            if isinstance(sink, CatchingUp) and sink.behind:
                self._call(number, (), sink.catch_up)

    def gaps(self) -> Iterator[dict[str, object]]:
        """Yield a record for each failure that has ended; they are to be written next."""
        self._told = [one for one in self._ended if one[0] not in self._missed]
        self._ended = [one for one in self._ended if one[0] in self._missed]
        for number, missed in self._told:
            details: Mapping[str, object] = {
                "sink": repr(self._sinks[number]),
                "first_seq": missed.first_seq,
                "last_seq": missed.last_seq,
            }
            yield gap_record(missed.since, time.time(), missed.count, details)

    def close(self) -> None:
        """Close every sink."""
        for number, sink in enumerate(self._sinks):
            self._call(number, (), sink.close)

    def _call(self, number: int, records: Sequence[PlacedRecord], call: Callable[[], object]) -> bool:
        try:
            call()
        except (Exception, SystemExit):  # noqa: BLE001 # a sink is foreign code, and must not end the log of the others
            self._failed(number, records)
            return False
        missed = self._missed.pop(number, None) if records else None
        if missed is not None:
            self._ended.append((number, missed))
            log.warning(
                "a sink of the decision log works again, it missed %d records: %r",
                missed.count,
                self._sinks[number],
            )
        return True

    def _failed(self, number: int, records: Sequence[PlacedRecord]) -> None:
        """Account for records that a sink did not take; to be called where its exception is handled."""
        self.failed += len(records)
        missed = self._missed.get(number)
        if missed is None:
            log.exception("a sink of the decision log failed, its records are lost: %r", self._sinks[number])
            if records:
                first, last = records[0].seq, records[-1].seq
                self._missed[number] = _Missed(time.time(), first, last, len(records))
        elif records:
            missed.last_seq = records[-1].seq
            missed.count += len(records)
