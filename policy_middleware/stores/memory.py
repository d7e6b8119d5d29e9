"""Policy documents in this process's memory: for tests, demos and apps that publish at start-up."""

from __future__ import annotations

import threading
import time
from collections.abc import Collection, Iterable, Mapping, Sequence

from policy_middleware.model.documents import revision_of
from policy_middleware.model.errors import RevisionConflict
from policy_middleware.stores.protocol import (
    LOOKED_BACK,
    UNKNOWN_AUTHOR,
    UNSET,
    VIA_PUBLISH,
    VIA_SET,
    ChangeListener,
    ExpectedRevision,
    ProcessReport,
    StoredRevision,
    StoreReading,
    deletion,
)


class MemoryStore:
    """A store that lives and dies with the process; a forked child goes on with a copy."""

    dead_after: float | None = None

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._bodies: dict[str, bytes] = {}
        self._history: dict[str, list[StoredRevision]] = {}
        self._reports: dict[str, dict[str, ProcessReport]] = {}
        self._listeners: list[ChangeListener] = []

    def read(self, names: Sequence[str]) -> StoreReading:
        """Read documents; nobody can empty this store behind our back, so it always counts as marked."""
        with self._lock:
            return StoreReading({name: self._bodies.get(name) for name in names}, marked=True)

    def names(self) -> list[str]:
        """Return the names of all documents, sorted."""
        with self._lock:
            return sorted(self._bodies)

    def put(self, name: str, body: bytes) -> None:
        """Replace a document past the history and every check, as a bare SET does in Redis."""
        with self._lock:
            self._bodies[name] = body
        self._tell([name])

    def remove(self, name: str) -> None:
        """Remove a document if it is there, as DEL does in Redis."""
        with self._lock:
            self._bodies.pop(name, None)
        self._tell([name])

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
        """Replace a document and extend its history; see `Store.publish`."""
        entry = StoredRevision(name, revision_of(body), body, author, note, via, time.time())
        with self._lock:
            current = self._bodies.get(name)
            found = None if current is None else revision_of(current)
            if expected_revision is not UNSET and expected_revision != found:
                raise RevisionConflict(name, expected_revision, found)
            if current is not None:
                self._record(name, current)
            if found != entry.revision:
                self._bodies[name] = body
                self._history.setdefault(name, []).append(entry)
        self._tell([name])
        return entry

    def delete(
        self, name: str, *, expected_revision: str, author: str | None = None, note: str | None = None
    ) -> StoredRevision:
        """Remove a document and extend its history; see `Store.delete`."""
        entry = deletion(name, author, note, time.time())
        with self._lock:
            current = self._bodies.get(name)
            found = None if current is None else revision_of(current)
            if current is None or found != expected_revision:
                raise RevisionConflict(name, expected_revision, found)
            self._record(name, current)
            del self._bodies[name]
            self._history[name].append(entry)
        self._tell([name])
        return entry

    def history(self, name: str, limit: int | None = None) -> list[StoredRevision]:
        """Return the recorded revisions of a document, newest first."""
        with self._lock:
            return self._history.get(name, [])[::-1][:limit]

    def record(self, name: str, body: bytes) -> None:
        """Add a revision to the history unless it is there."""
        with self._lock:
            self._record(name, body)

    def _record(self, name: str, body: bytes) -> None:
        revision = revision_of(body)
        entries = self._history.setdefault(name, [])
        if all(entry.revision != revision for entry in entries[-LOOKED_BACK:]):
            entries.append(StoredRevision(name, revision, body, UNKNOWN_AUTHOR, None, VIA_SET, time.time()))

    def mark(self) -> None:
        """Do nothing: this store always counts as marked."""

    def report(self, process: str, reports: Mapping[str, ProcessReport | None]) -> None:
        """Keep what was told."""
        with self._lock:
            for name, report in reports.items():
                told = self._reports.setdefault(name, {})
                if report is None:
                    told.pop(process, None)
                else:
                    told[process] = report

    def reports(self, name: str) -> list[ProcessReport]:
        """Return what was told of a document."""
        with self._lock:
            return list(self._reports.get(name, {}).values())

    def watch(self, listener: ChangeListener) -> MemoryWatch:
        """Tell a listener of changes, on the thread that makes them."""
        with self._lock:
            self._listeners.append(listener)
        listener.synced()
        return MemoryWatch(self, listener)

    def unwatch(self, listener: ChangeListener) -> None:
        """Stop telling a listener."""
        with self._lock:
            self._listeners = [known for known in self._listeners if known is not listener]

    def _tell(self, names: Collection[str]) -> None:
        with self._lock:
            listeners = list(self._listeners)
        for listener in listeners:
            listener.changed(names)

    def warnings(self) -> Iterable[str]:
        """Return nothing: there is nothing to set up wrongly."""
        return ()

    def after_fork(self) -> None:
        """Replace the lock, which another thread of the parent may have held."""
        self._lock = threading.Lock()

    def close(self) -> None:
        """Do nothing: there is nothing to release."""


class MemoryWatch:
    """A listener told by a MemoryStore."""

    def __init__(self, store: MemoryStore, listener: ChangeListener) -> None:
        self._store = store
        self._listener = listener

    def stop(self) -> None:
        """Stop telling."""
        self._store.unwatch(self._listener)

    def abandon(self) -> None:
        """Stop telling, in a forked child."""
        self._store.unwatch(self._listener)
