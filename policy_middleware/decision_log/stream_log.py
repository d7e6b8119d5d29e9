"""A decision log in the stream of a Redis store."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

from policy_middleware.decision_log.reading import LoggedRecord, Wanted, is_since, record_of
from policy_middleware.decision_log.stream_sink import FIELD
from policy_middleware.model.errors import StoreUnavailable
from policy_middleware.stores.connection import REDIS_ERRORS
from policy_middleware.stores.redis_store import RedisStore

_PAGE: Final = 1000
_CLOCKS_DIFFER: Final = 300.0
"""Seconds by which the server's clock may be behind that of a writer."""
_BEGINNING: Final = b"0-0"


class StreamLog:
    """Reads the stream of a store page by page; everything raises StoreUnavailable."""

    def __init__(self, store: RedisStore) -> None:
        self.skipped = 0
        self._store = store
        self._last = _BEGINNING

    def size(self) -> int:
        """Return how many entries the stream holds."""
        with self._errors():
            return int(self._store.client.xlen(self._store.keys.decisions()))

    def weight(self, record: LoggedRecord) -> int:
        """Return 1."""
        return 1

    def records(self, since: float | None = None) -> Iterator[LoggedRecord]:
        """Yield the records, oldest first, from `since` (seconds since the epoch) on."""
        for _, line in self._entries(_first_id(since)):
            record = self._record(line)
            if record is not None and is_since(record, since):
                yield record

    def lines(self) -> Iterator[bytes]:
        """Yield the lines as they were written."""
        return (line for _, line in self._entries("-"))

    def latest(self, count: int, wanted: Wanted | None = None) -> list[LoggedRecord]:
        """Return the last records (that are wanted), oldest first, and let `follow` go on after them."""
        found: deque[LoggedRecord] = deque(maxlen=count)
        if wanted is None:
            with self._errors():
                newest: Any = self._store.client.xrevrange(self._store.keys.decisions(), count=max(count, 1))
            entries: Iterator[tuple[bytes, bytes]] = (
                (entry_id, _line(fields)) for entry_id, fields in reversed(newest)
            )
        else:
            entries = self._entries("-")
        for self._last, line in entries:
            record = self._record(line)
            if record is not None and (wanted is None or wanted(record)):
                found.append(record)
        return list(found)

    def follow(self, wait: Callable[[str | None], None]) -> Iterator[LoggedRecord]:
        """Yield what is added after `latest`, for ever; goes on where it was when the server is back."""
        while True:
            trouble = None
            try:
                for entry_id, line in self._entries(b"(" + self._last):
                    self._last = entry_id
                    record = self._record(line)
                    if record is not None:
                        yield record
            except StoreUnavailable as error:
                trouble = str(error)
            wait(trouble)

    def _entries(self, start: str | bytes) -> Iterator[tuple[bytes, bytes]]:
        """Yield ids and lines from an id on, as many as there are."""
        while True:
            with self._errors():
                page: Any = self._store.client.xrange(
                    self._store.keys.decisions(), min=start, max="+", count=_PAGE
                )
            for entry_id, fields in page:
                start = b"(" + entry_id
                yield entry_id, _line(fields)
            if len(page) < _PAGE:
                return

    def _record(self, line: bytes) -> LoggedRecord | None:
        record = record_of(line)
        self.skipped += record is None
        return record

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except REDIS_ERRORS as error:
            raise StoreUnavailable(f"the decision log cannot be read: {error}") from error


def _line(fields: dict[bytes, bytes]) -> bytes:
    return fields.get(FIELD.encode(), b"")


def _first_id(since: float | None) -> str:
    # Entries are added after the decision they tell of, by the server's clock.
    return "-" if since is None else str(max(int((since - _CLOCKS_DIFFER) * 1000), 0))
