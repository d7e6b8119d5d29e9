"""Records to a file, one line of JSON each."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from policy_middleware.decision_log.record import Record, json_line
from policy_middleware.model.errors import SettingsError


class FileSink:
    """Appends records to a JSON Lines file, which several processes may share.

    A batch is one `write(2)` in append mode, so lines of different processes never mix. A file that was
    moved away or deleted (logrotate without `copytruncate`) is made anew at the next batch. The file is
    created readable by its owner and group only: records name people.
    """

    def __init__(self, path: Path) -> None:
        if not path.parent.is_dir():
            raise SettingsError(f"decision_log: there is no directory {str(path.parent)!r} for the log file")
        self._path = path
        self._descriptor: int | None = None

    def write(self, records: Sequence[Record]) -> None:
        """Append the records; raises OSError, for a full disk say, when not all of them are written."""
        pending = memoryview("".join(json_line(record) + "\n" for record in records).encode("ascii"))
        descriptor = self._opened()
        while pending:
            pending = pending[os.write(descriptor, pending) :]

    def close(self) -> None:
        """Flush to the disk and close the file."""
        if self._descriptor is not None:
            descriptor, self._descriptor = self._descriptor, None
            os.fsync(descriptor)
            os.close(descriptor)

    def _opened(self) -> int:
        if self._descriptor is not None and self._is_in_place(self._descriptor):
            return self._descriptor
        if self._descriptor is not None:
            os.close(self._descriptor)
        self._descriptor = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o640)
        return self._descriptor

    def _is_in_place(self, descriptor: int) -> bool:
        try:
            named = os.stat(self._path)
        except FileNotFoundError:
            return False
        opened = os.fstat(descriptor)
        return (named.st_dev, named.st_ino) == (opened.st_dev, opened.st_ino)
