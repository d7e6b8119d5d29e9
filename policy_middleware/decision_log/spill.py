"""Where records wait, on disk, while the server they belong to is away."""

from __future__ import annotations

import hashlib
import logging
import os
import re
import stat
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from policy_middleware.decision_log.chain import PlacedRecord
from policy_middleware.model.errors import SettingsError

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

MAX_BYTES: Final = 1 << 30
"""Bytes that one process keeps at most."""
_PLACE: Final = re.compile(r',"writer":"([A-Za-z0-9._:-]+)","seq":([0-9]+)[,}]')

log: Final = logging.getLogger("policy_middleware")


def default_directory() -> Path:
    """Return where records wait when nobody has named a directory.

    Below systemd's `StateDirectory=` where the service has one, else below the directory for temporary files
    that outlive a restart of the machine, else below that for all others.
    """
    state = os.environ.get("STATE_DIRECTORY", "").partition(":")[0]
    if os.path.isabs(state):
        return Path(state) / "policy-middleware"
    lasting = "/var/tmp"  # noqa: S108 # a directory below it is refused unless it is this user's alone
    temporary = lasting if os.access(lasting, os.W_OK | os.X_OK) else tempfile.gettempdir()
    if "TMPDIR" in os.environ:
        temporary = tempfile.gettempdir()  # somebody has said where
    return Path(temporary) / f"policy-middleware-{os.getuid()}"


class SpilledRecord(NamedTuple):
    """A line and its place in its chain."""

    writer: str
    seq: int
    line: str


class Spill:
    """One file per process and store, in a directory that only its owner can read.

    What `add` returns from is on the disk. Files of processes that have ended without emptying theirs are
    adopted. A file belongs to whoever holds its lock.
    """

    def __init__(self, directory: Path | None, store: str) -> None:
        self._directory = directory
        self._store = hashlib.sha256(store.encode()).hexdigest()[:16]
        self._descriptor: int | None = None
        self._path: Path | None = None
        self._pid = 0

    @property
    def directory(self) -> Path:
        """Where the files are."""
        return self._directory or default_directory()

    @property
    def is_empty(self) -> bool:
        """True when nothing of this process waits."""
        return self._descriptor is None or self._pid != os.getpid()

    def add(self, records: Sequence[PlacedRecord]) -> None:
        """Keep records; raises OSError when they cannot all be kept, and then none of them is."""
        descriptor = self._opened()
        size = os.fstat(descriptor).st_size
        pending = memoryview("".join([record.line + "\n" for record in records]).encode("ascii"))
        try:
            if size + len(pending) > MAX_BYTES:
                raise OSError(f"{self._path} has reached its {MAX_BYTES} bytes")
            while pending:
                pending = pending[os.write(descriptor, pending) :]
            os.fsync(descriptor)
        except OSError:
            os.ftruncate(descriptor, size)
            if not size:
                self.clear()
            raise

    def records(self) -> Iterator[SpilledRecord]:
        """Yield what is kept, in order."""
        if not self.is_empty and self._path is not None:
            yield from _read(self._path)

    def clear(self) -> None:
        """Forget what is kept: it has arrived."""
        if not self.is_empty and self._path is not None:
            self._path.unlink(missing_ok=True)
        self.close()

    def close(self) -> None:
        """Let go of the file, and leave it to be adopted."""
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            os.close(descriptor)

    def adopt(self) -> Iterator[tuple[Path, Iterator[SpilledRecord]]]:
        """Yield files that dead processes have left, once per process; each is deleted when it was taken."""
        directory = self._made_directory()
        for path in sorted(directory.glob(f"{self._store}-*.jsonl")):
            if path == self._path and not self.is_empty:
                continue
            try:
                descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
            except OSError:
                continue  # another process was faster
            try:
                try:
                    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except OSError:
                    continue  # its process lives
                if _is_deleted(descriptor):
                    continue  # its process emptied it a moment ago
                yield path, _read(path)
                path.unlink(missing_ok=True)
            finally:
                os.close(descriptor)

    def _opened(self) -> int:
        if self._descriptor is not None and self._pid == os.getpid():
            return self._descriptor
        if self._descriptor is not None:
            self.close()  # the parent's
        directory = self._made_directory()
        while True:
            descriptor, name = tempfile.mkstemp(".jsonl", f"{self._store}-{os.getpid()}-", directory)
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            if not _is_deleted(descriptor):
                break
            os.close(descriptor)  # another process adopted it before we had the lock
        os.set_inheritable(descriptor, False)
        self._descriptor, self._path, self._pid = descriptor, Path(name), os.getpid()
        return descriptor

    def _made_directory(self) -> Path:
        if fcntl is None:
            raise SettingsError(
                "decision_log_spill: records wait in files under POSIX locks, which Windows lacks"
            )
        directory = self.directory
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        state = directory.lstat()
        own = stat.S_ISDIR(state.st_mode) and state.st_uid == os.getuid() and not state.st_mode & 0o077
        if self._directory is None and not own:
            raise SettingsError(
                f"decision_log_spill: {str(directory)!r} is not this user's alone; name another directory"
            )
        return directory


def _is_deleted(descriptor: int) -> bool:
    return not os.fstat(descriptor).st_nlink


def _read(path: Path) -> Iterator[SpilledRecord]:
    damaged = 0
    with path.open(encoding="ascii", errors="replace") as lines:
        for line in lines:
            line = line.rstrip("\n")
            places = list(_PLACE.finditer(line))
            if places and line.startswith("{") and line.endswith("}"):
                yield SpilledRecord(places[-1][1], int(places[-1][2]), line)
            else:
                damaged += 1
    if damaged:
        log.error("%d records kept in %s were cut off when their process ended", damaged, path)
