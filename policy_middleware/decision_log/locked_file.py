"""A file that several processes append to, one at a time."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from policy_middleware.model.errors import SettingsError

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

_UNSYNCABLE: Final = {errno.EINVAL, errno.EROFS, errno.ENOTSUP}
_UNLOCKABLE: Final = {errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS}


class LockedFile:
    """Appends whole lines to a file under its lock, or nothing; renews itself in a forked child.

    A file that was moved away or deleted (logrotate without `copytruncate`) is made anew. A last line that
    somebody left unfinished is ended first. The file is readable by its owner and group only: records name
    people. Raises SettingsError where files cannot be locked, because lines of two processes could then mix.
    """

    def __init__(self, path: Path) -> None:
        if fcntl is None:
            raise SettingsError("decision_log: files are written under POSIX locks, which Windows lacks")
        self._path = path
        self._descriptor: int | None = None
        self._pid = 0

    @contextmanager
    def locked(self, rotate: Callable[[int], bool] | None = None) -> Iterator[int]:
        """Yield a descriptor that is locked and is the file of that name.

        `rotate(descriptor)` may move it away first, and returns True when it did.
        """
        while True:
            descriptor = self._opened()
            self._lock(descriptor)
            try:
                # Another process may have moved it away while we waited for the lock.
                if self._is_in_place(descriptor) and not (rotate is not None and rotate(descriptor)):
                    yield descriptor
                    return
            finally:
                fcntl.flock(descriptor, fcntl.LOCK_UN)

    def append(self, descriptor: int, data: bytes) -> None:
        """Append to the locked file; raises OSError, for a full disk say, and then nothing was appended."""
        size = os.fstat(descriptor).st_size
        if size and not self._ends_a_line(size):
            data = b"\n" + data
        pending = memoryview(data)
        try:
            while pending:
                pending = pending[os.write(descriptor, pending) :]
        except OSError:
            with suppress(OSError):
                os.ftruncate(descriptor, size)
            raise

    def sync(self, descriptor: int) -> None:
        """Wait until the disk has it."""
        try:
            os.fsync(descriptor)
        except OSError as error:
            if error.errno not in _UNSYNCABLE:  # a pipe or a terminal
                raise

    def close(self) -> None:
        """Close the file; twice does nothing."""
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None and self._pid == os.getpid():
            os.close(descriptor)

    def _opened(self) -> int:
        # A descriptor of before a fork shares its lock with the parent's, which then keeps nobody out.
        if self._descriptor is not None and (
            self._pid != os.getpid() or not self._is_in_place(self._descriptor)
        ):
            os.close(self._descriptor)
            self._descriptor = None
        if self._descriptor is None:
            flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
            self._descriptor = os.open(self._path, flags, 0o640)
            self._pid = os.getpid()
        return self._descriptor

    def _lock(self, descriptor: int) -> None:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        except OSError as error:
            if error.errno in _UNLOCKABLE:
                raise SettingsError(
                    f"decision_log: the file system of {str(self._path)!r} has no locks, and lines of "
                    "several processes would mix; use another directory"
                ) from error
            raise

    def _is_in_place(self, descriptor: int) -> bool:
        try:
            named = os.stat(self._path)
        except FileNotFoundError:
            return False
        opened = os.fstat(descriptor)
        return (named.st_dev, named.st_ino) == (opened.st_dev, opened.st_ino)

    def _ends_a_line(self, size: int) -> bool:
        assert self._descriptor is not None
        return os.pread(self._descriptor, 1, size - 1) == b"\n"
