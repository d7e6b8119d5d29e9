"""Policy documents as files: a directory of `name.json`, the history beside them, reloaded on change."""

from __future__ import annotations

import base64
import json
import logging
import os
import secrets
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from policy_middleware.model.documents import revision_of
from policy_middleware.model.errors import RevisionConflict, StoreUnavailable
from policy_middleware.model.vocabulary import is_document_name
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

try:
    import fcntl
except ImportError:  # Windows: publishing is safe between threads, not between processes
    fcntl = None  # type: ignore[assignment]  # the module stands for "this platform can lock files"

POLL_SECONDS: Final = 0.5
DEAD_AFTER_SECONDS: Final = 5.0
SUFFIX: Final = ".json"
HISTORY: Final = "history"
MARKER: Final = ".policy-store"
# A file may change twice within one tick of its timestamp; so young ones are read again until they have aged.
_TIMESTAMP_TRUSTED_AFTER: Final = 2.0

logger = logging.getLogger("policy_middleware.stores")

Fingerprint = tuple[int, int, int]
"""Modification time in ns, size in bytes and inode number of a file."""


class FileStore:
    """A store in a directory; writes are atomic (temporary file, fsync, rename)."""

    dead_after: float | None = DEAD_AFTER_SECONDS

    def __init__(self, directory: str | os.PathLike[str], *, poll_seconds: float = POLL_SECONDS) -> None:
        self.directory: Final = Path(directory)
        self._poll_seconds = poll_seconds
        self._lock = threading.Lock()

    def __repr__(self) -> str:
        return f"FileStore({str(self.directory)!r})"

    def read(self, names: Sequence[str]) -> StoreReading:
        """Read documents; raises StoreUnavailable when the directory is not there."""
        # The listing decides, not the file system: on one that ignores case, `Acme` would read acme.json.
        present = set(self._listing())
        bodies: dict[str, bytes | None] = {}
        unreadable: dict[str, str] = {}
        for name in names:
            file_name = name + SUFFIX
            bodies[name] = None
            if file_name not in present:
                continue
            try:
                bodies[name] = (self.directory / file_name).read_bytes()
            except FileNotFoundError:
                self._listing()  # where the directory itself is gone, nobody has deleted a document
            except OSError as error:
                unreadable[name] = f"the file {file_name} cannot be read: {error.strerror}"
        return StoreReading(bodies, MARKER in present, unreadable)

    def names(self) -> list[str]:
        """Return the names of all documents, sorted."""
        return sorted(name for name in map(document_name, self._listing()) if name is not None)

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
        with self._writing():
            current = self.read([name]).bodies[name]
            found = None if current is None else revision_of(current)
            if expected_revision is not UNSET and expected_revision != found:
                raise RevisionConflict(name, expected_revision, found)
            if current is not None:
                self._record(name, current)
            if found != entry.revision:
                self._append(entry)
                _write_atomically(self.directory / (name + SUFFIX), body)
            self._mark()
        return entry

    def delete(
        self, name: str, *, expected_revision: str, author: str | None = None, note: str | None = None
    ) -> StoredRevision:
        """Remove a document and extend its history; see `Store.delete`."""
        entry = deletion(name, author, note, time.time())
        with self._writing():
            current = self.read([name]).bodies[name]
            found = None if current is None else revision_of(current)
            if current is None or found != expected_revision:
                raise RevisionConflict(name, expected_revision, found)
            self._record(name, current)
            self._append(entry)
            (self.directory / (name + SUFFIX)).unlink()
        return entry

    def history(self, name: str, limit: int | None = None) -> list[StoredRevision]:
        """Return the recorded revisions of a document, newest first."""
        with _file_errors(self.directory):
            entries = [_decode(name, path.read_bytes()) for path in self._entries(name)[::-1][:limit]]
        return [entry for entry in entries if entry is not None]

    def record(self, name: str, body: bytes) -> None:
        """Add a revision to the history unless it is there."""
        with self._writing():
            self._record(name, body)

    def mark(self) -> None:
        """Write the marker file unless it is there."""
        with self._writing():
            self._mark()

    def report(self, process: str, reports: Mapping[str, ProcessReport | None]) -> None:
        """Drop it: a directory of policies is often read-only for the apps that use it."""

    def reports(self, name: str) -> list[ProcessReport]:
        """Return nothing; ask the process itself."""
        return []

    def watch(self, listener: ChangeListener) -> FileWatch:
        """Start the thread that looks for changes every half second."""
        return FileWatch(self.directory, self._poll_seconds, listener)

    def warnings(self) -> Iterable[str]:
        """Name the files that look like documents and are none."""
        for entry in self._listing():
            if entry.endswith(SUFFIX) and document_name(entry) is None:
                yield f"{self.directory / entry} holds no policy document: its name is no tenant id"

    def after_fork(self) -> None:
        """Replace the lock, which another thread of the parent may have held."""
        self._lock = threading.Lock()

    def close(self) -> None:
        """Do nothing: no file stays open."""

    def _listing(self) -> list[str]:
        with _file_errors(self.directory):
            return os.listdir(self.directory)

    def _entries(self, name: str) -> list[Path]:
        folder = self.directory / HISTORY / name
        if not folder.is_dir():
            return []
        return sorted(path for path in folder.iterdir() if path.suffix == SUFFIX and path.stem.isdigit())

    def _record(self, name: str, body: bytes) -> None:
        revision = revision_of(body)
        if all(entry.revision != revision for entry in self.history(name, LOOKED_BACK)):
            self._append(StoredRevision(name, revision, body, UNKNOWN_AUTHOR, None, VIA_SET, time.time()))

    def _append(self, entry: StoredRevision) -> None:
        folder = self.directory / HISTORY / entry.name
        # Not with `parents`: where the directory is gone, an empty one in its place would be an empty store.
        folder.parent.mkdir(exist_ok=True)
        folder.mkdir(exist_ok=True)
        entries = self._entries(entry.name)
        number = int(entries[-1].stem) + 1 if entries else 1
        _write_atomically(folder / f"{number:08d}{SUFFIX}", _encode(entry))

    def _mark(self) -> None:
        marker = self.directory / MARKER
        if not marker.exists():
            _write_atomically(marker, b"")

    @contextmanager
    def _writing(self) -> Iterator[None]:
        """Hold off every other writer, in this process and (where files can be locked) in others."""
        with self._lock, _file_errors(self.directory), open(self.directory / ".lock", "ab") as lock_file:
            if fcntl is not None:
                fcntl.flock(lock_file, fcntl.LOCK_EX)
            try:
                yield
            finally:
                # Closing is not enough: a child forked meanwhile has the same file open, and so the lock.
                if fcntl is not None:
                    fcntl.flock(lock_file, fcntl.LOCK_UN)


class FileWatch:
    """A thread that looks at the directory again and again and tells a listener what changed."""

    def __init__(self, directory: Path, poll_seconds: float, listener: ChangeListener) -> None:
        self._directory = directory
        self._poll_seconds = poll_seconds
        self._listener = listener
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="policy-files", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stop looking and join the thread."""
        self._stopping.set()
        if self._thread is not threading.current_thread():
            self._thread.join()

    def abandon(self) -> None:
        """Do nothing: a forked child has no copy of the thread and no open file."""

    def _run(self) -> None:
        seen: dict[str, Fingerprint] | None = None
        while not self._stopping.is_set():
            try:
                now = _fingerprints(self._directory)
            except OSError as error:
                seen = None
                self._listener.lost(f"policy directory {self._directory}: {error.strerror}")
            else:
                if seen is None:
                    self._listener.synced()
                elif (MARKER in seen) is not (MARKER in now):
                    self._listener.changed(None)
                    self._listener.alive()
                else:
                    self._tell(_changed(seen, now))
                    self._listener.alive()
                seen = now
            self._stopping.wait(self._poll_seconds)

    def _tell(self, changed: set[str]) -> None:
        names = [name for name in map(document_name, changed) if name is not None]
        if names:
            self._listener.changed(names)


def document_name(file_name: str) -> str | None:
    """Return the name of the document a file holds, None when it holds none."""
    name = file_name.removesuffix(SUFFIX)
    return name if name != file_name and is_document_name(name) else None


def _fingerprints(directory: Path) -> dict[str, Fingerprint]:
    found = {}
    with os.scandir(directory) as entries:
        for entry in entries:
            try:
                status = entry.stat()
            except FileNotFoundError:
                continue
            found[entry.name] = (status.st_mtime_ns, status.st_size, status.st_ino)
    return found


def _changed(before: Mapping[str, Fingerprint], now: Mapping[str, Fingerprint]) -> set[str]:
    young = (time.time() - _TIMESTAMP_TRUSTED_AFTER) * 1e9
    changed = {name for name, mark in now.items() if before.get(name) != mark or mark[0] > young}
    return changed | (before.keys() - now.keys())


def _write_atomically(path: Path, content: bytes) -> None:
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    try:
        with open(temporary, "xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    directory = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(directory)  # the rename itself survives a power cut only after this
    finally:
        os.close(directory)


@contextmanager
def _file_errors(directory: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        place = error.filename or directory
        raise StoreUnavailable(
            f"policy directory {directory}: {error.strerror or error} ({place})"
        ) from error


def _encode(entry: StoredRevision) -> bytes:
    fields: dict[str, object] = {
        "revision": entry.revision,
        "author": entry.author,
        "note": entry.note,
        "via": entry.via,
        "published_at": entry.published_at,
    }
    try:
        fields["body"] = entry.body.decode()
    except UnicodeDecodeError:
        fields["body_base64"] = base64.b64encode(entry.body).decode()
    return json.dumps(fields, ensure_ascii=False, indent=2).encode()


def _decode(name: str, content: bytes) -> StoredRevision | None:
    try:
        fields = json.loads(content)
        body = base64.b64decode(fields["body_base64"]) if "body_base64" in fields else fields["body"].encode()
        return StoredRevision(
            name,
            fields["revision"],
            body,
            fields["author"],
            fields["note"],
            fields["via"],
            float(fields["published_at"]),
        )
    except (ValueError, KeyError, TypeError, AttributeError):
        logger.warning("an entry in the history of policy document %r cannot be read and is left out", name)
        return None
