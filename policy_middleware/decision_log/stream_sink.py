"""Records to a capped Redis Stream, where `policyctl` finds them; to disk while Redis is away."""

from __future__ import annotations

import itertools
import logging
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from policy_middleware.decision_log.chain import PlacedRecord
from policy_middleware.decision_log.record import OVERRIDDEN
from policy_middleware.decision_log.spill import Spill, SpilledRecord
from policy_middleware.model.errors import SettingsError
from policy_middleware.stores.connection import REDIS_ERRORS
from policy_middleware.stores.redis_store import RedisStore

FIELD: Final = "record"
"""The one field of a stream entry: the record as a line of JSON."""
KEPT: Final = 100_000
"""Records that the stream keeps, about: the oldest make room. A place to look, not the archive."""
REMEMBERED_SECONDS: Final = 7 * 24 * 3600
"""For so long after its last record a writer's number is known, so that nothing sent again is added again."""
_RETRY_SECONDS: Final = 0.5
_LAST_WAIT: Final = 0.6
"""Seconds before the last attempt: longer than the store's circuit breaker keeps everybody off."""
_BATCH: Final = 200

# A client that was not answered cannot know whether its records were added. So the server keeps the number of
# the last one of each writer, beside the stream, and leaves out what it has.
_ADD: Final = """
local last = tonumber(redis.call('GET', KEYS[2]) or '0')
for i = 4, #ARGV, 2 do
  local seq = tonumber(ARGV[i])
  if seq > last then
    redis.call('XADD', KEYS[1], 'MAXLEN', '~', ARGV[1], '*', ARGV[2], ARGV[i + 1])
    last = seq
  end
end
redis.call('SET', KEYS[2], string.format('%.0f', last), 'EX', ARGV[3])
"""

log: Final = logging.getLogger("policy_middleware")


class StreamSink:
    """Appends records to `policy:decisions` in one round trip a batch, each exactly once.

    While the server is away, or full, records are kept in a file (`spill` names its directory, else
    `default_directory` does) and follow in order when it is back. The connection is the store's.
    """

    def __init__(self, store: RedisStore, spill: Path | None = None) -> None:
        self._store = store
        self._key = store.keys.decisions()
        self._add: Any = store.client.register_script(_ADD)
        self._spill = Spill(spill, f"{store.url} {self._key}")
        self._adopted = False
        self._retry_at = 0.0

    def __repr__(self) -> str:
        return f"StreamSink({self._key!r})"

    @property
    def behind(self) -> bool:
        """True while records are kept on disk."""
        return not self._spill.is_empty

    def write(self, records: Sequence[PlacedRecord]) -> None:
        """Append the records, or keep them; raises OSError when neither is possible.

        What a test has decided by policies of its own stays out of the store.
        """
        placed = [record for record in records if OVERRIDDEN not in record]
        if not placed:
            return
        if self.behind:
            self.catch_up()
        if not self.behind:
            try:
                self._send((record.writer, record.seq, record.line) for record in placed)
            except REDIS_ERRORS as error:
                self._retry_at = time.monotonic() + _RETRY_SECONDS
                log.warning(
                    "decision records are kept in %s, %s cannot take them: %s",
                    self._spill.directory,
                    self._store,
                    error,
                )
            else:
                if not self._adopted:
                    self._adopt()
                return
        self._spill.add(placed)

    def catch_up(self) -> None:
        """Send what is kept on disk; nothing happens while the server is still away."""
        if not self.behind or time.monotonic() < self._retry_at:
            return
        try:
            count = self._send(self._spill.records())
        except REDIS_ERRORS:
            self._retry_at = time.monotonic() + _RETRY_SECONDS
            return
        self._spill.clear()
        log.warning("%d decision records kept on disk have arrived at %s", count, self._store)

    def close(self) -> None:
        """Send what is kept, or leave it on disk to the next process; the connection is the store's."""
        for pause in (0.0, _LAST_WAIT):
            if self.behind:
                time.sleep(pause)
                self._retry_at = 0.0
                self.catch_up()
        if self.behind:
            log.error(
                "decision records stay in %s until a process with the same store is started",
                self._spill.directory,
            )
        self._spill.close()

    def _adopt(self) -> None:
        """Send what other processes could not before they ended."""
        self._adopted = True
        try:
            for path, records in self._spill.adopt():
                count = self._send(records)
                log.warning("%d decision records of a process that has ended have arrived: %s", count, path)
        except (*REDIS_ERRORS, SettingsError) as error:
            log.warning("decision records could not be kept on disk, or are kept there still: %s", error)

    def _send(self, records: Iterable[SpilledRecord | tuple[str, int, str]]) -> int:
        """Add records, those of one writer in order; returns how many; raises redis.RedisError, OSError."""
        count = 0
        for writer, group in itertools.groupby(records, lambda record: record[0]):
            for batch in _batches(group):
                arguments = [value for _, seq, line in batch for value in (seq, line)]
                keys = [self._key, self._store.keys.decision_writer(writer)]
                self._add(keys=keys, args=[KEPT, FIELD, REMEMBERED_SECONDS, *arguments])
                count += len(batch)
        return count


def _batches(
    records: Iterator[SpilledRecord | tuple[str, int, str]],
) -> Iterator[list[SpilledRecord | tuple[str, int, str]]]:
    while batch := list(itertools.islice(records, _BATCH)):
        yield batch
