"""Records to a file, one line of JSON each."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, Literal
from urllib.parse import parse_qsl, unquote, urlsplit

from policy_middleware.decision_log.locked_file import LockedFile
from policy_middleware.decision_log.record import Record, json_line
from policy_middleware.model.errors import SettingsError
from policy_middleware.model.times import duration_seconds

Fsync = Literal["always", "close"]

_UNITS: Final = {"": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9}


@dataclass(frozen=True, slots=True)
class FileOptions:
    """How a log file is kept.

    `max_size` (bytes) and `max_age` (seconds since the file was begun): it is then moved to a name with the
    time in it, `decisions-20260528T202640.250000Z.jsonl`, so that names sort by time. `keep` is how many of
    those are left, the oldest go first (None: all). `fsync`: `always` waits for the disk at every batch,
    `close` at the end and at rotation only.
    """

    max_size: int | None = None
    max_age: float | None = None
    keep: int | None = None
    fsync: Fsync = "close"


class FileSink:
    """Appends records to a JSON Lines file, which several processes may share.

    A batch is appended whole or not at all, under a lock, so lines of different processes never mix, nor is
    a line ever left in half by a disk that is full.
    """

    def __init__(self, path: Path, options: FileOptions | None = None) -> None:
        if not path.parent.is_dir():
            raise SettingsError(f"decision_log: there is no directory {str(path.parent)!r} for the log file")
        self._path = path
        self._options = options or FileOptions()
        self._file = LockedFile(path)

    def __repr__(self) -> str:
        return f"FileSink({str(self._path)!r})"

    def write(self, records: Sequence[Record]) -> None:
        """Append the records; raises OSError, for a full disk say, and then none of them is written."""
        data = "".join([json_line(record) + "\n" for record in records]).encode("ascii")
        with self._file.locked(self._rotate) as descriptor:
            self._file.append(descriptor, data)
            if self._options.fsync == "always":
                self._file.sync(descriptor)

    def close(self) -> None:
        """Flush to the disk and close the file."""
        if self._path.exists():
            with self._file.locked() as descriptor:
                self._file.sync(descriptor)
        self._file.close()

    def _rotate(self, descriptor: int) -> bool:
        """Move the file away when it is time; its lock is held."""
        options, state = self._options, os.fstat(descriptor)
        full = options.max_size is not None and state.st_size >= options.max_size
        old = options.max_age is not None and state.st_size > 0 and self._age(descriptor) >= options.max_age
        if not (full or old):
            return False
        self._file.sync(descriptor)
        os.rename(self._path, self._free_name())
        if options.keep is not None:
            for path in self._rotated()[: -options.keep]:
                path.unlink(missing_ok=True)
        return True

    def _age(self, descriptor: int) -> float:
        """Return the seconds since the first record, as the file tells: files know no date of birth."""
        begun = _moment_in(os.pread(descriptor, 4096, 0))
        return 0.0 if begun is None else time.time() - begun

    def _free_name(self) -> Path:
        moment = time.time()
        while True:
            stamp = datetime.fromtimestamp(moment, UTC).strftime("%Y%m%dT%H%M%S.%fZ")
            path = self._path.with_name(f"{self._path.stem}-{stamp}{self._path.suffix}")
            if not path.exists():
                return path
            moment += 1e-6

    def _rotated(self) -> list[Path]:
        digit = "[0-9]"
        stamp = f"{digit * 8}T{digit * 6}.{digit * 6}Z"
        return sorted(self._path.parent.glob(f"{_literal(self._path.stem)}-{stamp}{self._path.suffix}"))


def open_file_sink(url: str) -> FileSink:
    """Open `file:///path?max_size=100MB&max_age=1d&keep=10&fsync=always`; raises SettingsError."""
    parts = urlsplit(url)
    path = unquote(parts.path)
    if parts.netloc or not path.startswith("/"):
        raise SettingsError(f"decision_log: {url!r}: write file:///path with three slashes")
    try:
        options = _options(
            dict(parse_qsl(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query)))
        )
    except ValueError as error:
        raise SettingsError(f"decision_log: {url!r}: {error}") from None
    return FileSink(Path(path), options)


def _options(given: dict[str, str]) -> FileOptions:
    max_size, max_age, keep = given.pop("max_size", None), given.pop("max_age", None), given.pop("keep", None)
    fsync = given.pop("fsync", "close")
    if given:
        raise ValueError(f"{min(given)} is no option; known are max_size, max_age, keep and fsync")
    if fsync not in ("always", "close"):
        raise ValueError(f"fsync is always or close, not {fsync!r}")
    if keep is not None and (not keep.isdecimal() or int(keep) < 1):
        raise ValueError(f"keep is a number of files, not {keep!r}")
    return FileOptions(
        None if max_size is None else _bytes(max_size),
        None if max_age is None else duration_seconds(max_age),
        None if keep is None else int(keep),
        "always" if fsync == "always" else "close",
    )


def _bytes(text: str) -> int:
    number, unit = text.rstrip("KMGB"), text.lstrip("0123456789")
    if not number.isdecimal() or unit not in _UNITS or int(number) == 0:
        raise ValueError(f"max_size is a size such as 100MB, not {text!r}")
    return int(number) * _UNITS[unit]


def _moment_in(line: bytes) -> float | None:
    """Return the timestamp of a record by the beginning of its line, in seconds since the epoch."""
    _, found, rest = line.partition(b'"timestamp":"')
    try:
        return datetime.fromisoformat(rest[:27].decode("ascii")).timestamp() if found else None
    except ValueError:
        return None


def _literal(name: str) -> str:
    return "".join(f"[{character}]" if character in "*?[" else character for character in name)
