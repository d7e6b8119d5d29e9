"""Records to a capped Redis Stream, where `policyctl` finds them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from policy_middleware.decision_log.record import OVERRIDDEN, Record, json_line
from policy_middleware.stores.redis_store import RedisStore

FIELD: Final = "record"
"""The one field of a stream entry: the record as a line of JSON."""
KEPT: Final = 100_000
"""Records that the stream keeps, about: the oldest make room. A place to look, not the archive."""


class StreamSink:
    """Appends records to `policy:decisions` in one round trip a batch; the store owns the connection."""

    def __init__(self, store: RedisStore) -> None:
        self._client = store.client
        self._key = store.keys.decisions()

    def write(self, records: Sequence[Record]) -> None:
        """Append the records; raises redis.RedisError when the server is away or full.

        What a test has decided by policies of its own stays out of the store.
        """
        records = [record for record in records if not record.get(OVERRIDDEN)]
        if not records:
            return
        with self._client.pipeline(transaction=False) as pipeline:
            for record in records:
                pipeline.xadd(self._key, {FIELD: json_line(record)}, maxlen=KEPT, approximate=True)
            pipeline.execute()

    def close(self) -> None:
        """Do nothing: the connection is the store's."""
