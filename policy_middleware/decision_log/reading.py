"""Records read back, from a JSON Lines file or from the stream of a Redis store."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from policy_middleware.decision_log.stream_sink import FIELD
from policy_middleware.model.errors import PolicyError, StoreUnavailable
from policy_middleware.model.times import moment_seconds
from policy_middleware.stores.connection import REDIS_ERRORS
from policy_middleware.stores.redis_store import RedisStore

_PAGE: Final = 1000

ReadRecord = Mapping[str, Any]
"""A record as it was written; of a log that others may write to, so nothing is certain but its being JSON."""


class LogUnreadable(PolicyError):
    """A decision log cannot be opened."""


def read_file(path: Path, since: float | None = None) -> Iterator[ReadRecord]:
    """Yield the records of a file, oldest first, from `since` (seconds since the epoch) on.

    Lines that are no records (a last one that was cut off, say) are passed over. Raises LogUnreadable.
    """
    try:
        with path.open(encoding="utf-8", errors="replace") as lines:
            for line in lines:
                record = _record(line)
                if record is not None and _is_since(record, since):
                    yield record
    except OSError as error:
        raise LogUnreadable(f"the decision log {str(path)!r} cannot be read: {error.strerror}") from error


def read_stream(store: RedisStore, since: float | None = None) -> Iterator[ReadRecord]:
    """Yield the records of the store's stream, oldest first, from `since` on; raises StoreUnavailable."""
    for line in stream_lines(store, since):
        record = _record(line)
        if record is not None and _is_since(record, since):
            yield record


def stream_lines(store: RedisStore, since: float | None = None) -> Iterator[bytes]:
    """Yield the lines of the store's stream as they were written; raises StoreUnavailable.

    From the entries added at `since` on, which may tell of earlier decisions.
    """
    # Entries are added after the decision they tell of, so their ids are never too early.
    start: str | bytes = "-" if since is None else str(max(int(since * 1000), 0))
    try:
        while True:
            entries: Any = store.client.xrange(store.keys.decisions(), min=start, max="+", count=_PAGE)
            for entry_id, fields in entries:
                start = b"(" + entry_id
                yield fields.get(FIELD.encode(), b"")
            if len(entries) < _PAGE:
                return
    except REDIS_ERRORS as error:
        raise StoreUnavailable(f"the decision log cannot be read: {error}") from error


def moment_of(record: ReadRecord) -> float | None:
    """Return when a decision was made, in seconds since the epoch; None where the record does not say."""
    with suppress(ValueError):
        return moment_seconds(record.get("timestamp"))
    return None


def _record(line: str | bytes) -> ReadRecord | None:
    try:
        record = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return record if isinstance(record, dict) else None


def _is_since(record: ReadRecord, since: float | None) -> bool:
    if since is None:
        return True
    moment = moment_of(record)
    return moment is not None and moment >= since
