"""Policy documents in Redis or Valkey: one string per document, so that a bare SET is a hot-reload."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

import redis

from policy_middleware.model.documents import revision_of
from policy_middleware.model.errors import RevisionConflict, StoreUnavailable
from policy_middleware.stores import redis_history, redis_reports
from policy_middleware.stores.connection import connect, new_pool, store_errors, without_password
from policy_middleware.stores.invalidation import DEAD_AFTER_SECONDS, InvalidationWatch
from policy_middleware.stores.keys import DEFAULT_KEY_PREFIX, KeyLayout
from policy_middleware.stores.protocol import (
    UNSET,
    VIA_DELETE,
    VIA_PUBLISH,
    ChangeListener,
    ExpectedRevision,
    ProcessReport,
    StoredRevision,
    StoreReading,
    deletion,
)

PUBLISH_ATTEMPTS: Final = 20
MARKER: Final = b"1"
"""The value of `policy:meta`: the version of the key layout."""


class RedisStore:
    """A store at a `redis://`, `rediss://` or `unix://` URL; connects on first use, safe to share by threads.

    `client` and `keys` are for the other parts that live in the same Redis (approvals, decision stream).
    """

    dead_after: float | None = DEAD_AFTER_SECONDS

    def __init__(
        self,
        url: str,
        *,
        key_prefix: str = DEFAULT_KEY_PREFIX,
        before_connect: Callable[[], None] | None = None,
    ) -> None:
        self._url = url
        self._before_connect = before_connect
        self.keys: Final = KeyLayout(key_prefix)
        self.client: Final = connect(url, before_connect)

    @property
    def url(self) -> str:
        """The URL as it was given, password included."""
        return self._url

    def __repr__(self) -> str:
        return f"RedisStore({without_password(self._url)!r}, key_prefix={self.keys.prefix!r})"

    def read(self, names: Sequence[str]) -> StoreReading:
        """Read documents and the marker with one MGET; a key of another type reads as missing."""
        with store_errors(self._url):
            found: Any = self.client.mget([self.keys.meta(), *(self.keys.doc(name) for name in names)])
        return StoreReading(dict(zip(names, found[1:], strict=True)), marked=found[0] is not None)

    def names(self) -> list[str]:
        """Return the names of all documents by SCAN; keys that are no document names are left out."""
        with store_errors(self._url):
            keys = list(self.client.scan_iter(match=f"{self.keys.documents}*", count=1000))
        found = (self.keys.document_name(key.decode(errors="replace")) for key in keys)
        return sorted({name for name in found if name is not None})

    def publish(
        self,
        name: str,
        body: bytes,
        *,
        author: str | None = None,
        note: str | None = None,
        expected_revision: ExpectedRevision = UNSET,
        via: str = VIA_PUBLISH,
    ) -> StoredRevision:
        """Replace a document and extend its history in one transaction; see `Store.publish`."""
        entry = StoredRevision(name, revision_of(body), body, author, note, via, time.time())
        self._replace(entry, expected_revision)
        return entry

    def delete(
        self, name: str, *, expected_revision: str, author: str | None = None, note: str | None = None
    ) -> StoredRevision:
        """Remove a document and extend its history; see `Store.delete`."""
        entry = deletion(name, author, note, time.time())
        self._replace(entry, expected_revision)
        return entry

    def _replace(self, entry: StoredRevision, expected: ExpectedRevision) -> None:
        with store_errors(self._url), self.client.pipeline() as transaction:
            for _ in range(PUBLISH_ATTEMPTS):
                try:
                    self._replace_once(transaction, entry, expected)
                except redis.WatchError:
                    continue
                return
        raise StoreUnavailable(
            f"document {entry.name!r} was changed by others {PUBLISH_ATTEMPTS} times while it was being "
            "replaced; try again"
        )

    def _replace_once(
        self, transaction: redis.client.Pipeline, entry: StoredRevision, expected: ExpectedRevision
    ) -> None:
        key = self.keys.doc(entry.name)
        transaction.watch(key)  # type: ignore[no-untyped-call]  # redis-py leaves it untyped
        transaction.xlen(
            self.keys.history(entry.name)
        )  # fails here, not half-way through, on a key of another type
        current: Any = transaction.get(key)
        found = None if current is None else revision_of(current)
        if expected is not UNSET and expected != found:
            raise RevisionConflict(entry.name, expected, found)
        transaction.multi()
        if (
            current is not None and found is not None
        ):  # what a bare SET put there is not lost by overwriting it
            redis_history.record_once(transaction, self.keys, entry.name, found, current)
        if found != entry.revision:
            if entry.via == VIA_DELETE:
                transaction.delete(key)
            else:
                transaction.set(key, entry.body)
            redis_history.append(transaction, self.keys, entry)
        transaction.setnx(self.keys.meta(), MARKER)
        transaction.execute()

    def history(self, name: str, limit: int | None = None) -> list[StoredRevision]:
        """Return the latest entries of the history stream, newest first."""
        with store_errors(self._url):
            return redis_history.read(self.client, self.keys, name, limit)

    def record(self, name: str, body: bytes) -> None:
        """Append a revision to the history unless somebody did; see `Store.record`."""
        with store_errors(self._url):
            redis_history.record_once(self.client, self.keys, name, revision_of(body), body)

    def mark(self) -> None:
        """Set `policy:meta` unless it is set."""
        with store_errors(self._url):
            self.client.setnx(self.keys.meta(), MARKER)

    def report(self, process: str, reports: Mapping[str, ProcessReport | None]) -> None:
        """Write this process's view into the status hashes."""
        with store_errors(self._url):
            redis_reports.write(self.client, self.keys, process, reports)

    def reports(self, name: str) -> list[ProcessReport]:
        """Return the status hash of a document."""
        with store_errors(self._url):
            return redis_reports.read(self.client, self.keys, name)

    def watch(self, listener: ChangeListener) -> InvalidationWatch:
        """Start the thread that hears of every change."""
        return InvalidationWatch(self._url, self.keys, listener)

    def warnings(self) -> Iterator[str]:
        """Warn when the server may evict documents to make room."""
        with store_errors(self._url):
            memory: Any = self.client.info("memory")
        policy = str(memory.get("maxmemory_policy", ""))
        if policy.startswith("allkeys"):
            yield (
                f"{without_password(self._url)}: maxmemory-policy is {policy}, so Redis may evict policy "
                "documents when memory runs out; set it to noeviction or to a volatile-* policy"
            )

    def after_fork(self) -> None:
        """Give the child a pool of its own; sockets and locks of the parent's are left alone."""
        self.client.connection_pool = new_pool(self._url, self._before_connect)

    def close(self) -> None:
        """Close the idle connections; one that another thread waits at is closed with the thread's work."""
        self.client.close()
        self.client.connection_pool.disconnect(inuse_connections=False)
