"""A decision log in files of JSON lines: the one that is written to, and those it was rotated into."""

from __future__ import annotations

import gzip
import os
import re
import sys
import zlib
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, Final, cast

from policy_middleware.decision_log.reading import (
    MAX_LINE,
    LoggedRecord,
    LogUnreadable,
    Wanted,
    is_since,
    lines_of,
    record_of,
)

_BLOCK: Final = 1024 * 1024
_STAMP: Final = re.compile(r"-[0-9]{8}T[0-9]{6}\.[0-9]{6}Z")
_NUMBER: Final = re.compile(r"\.([0-9]{1,6})(\.gz)?")
_OLDEST: Final = 10**7
STANDARD_INPUT: Final = Path("-")


class FileLog:
    """Reads `path`, after its rotated siblings unless `siblings` is False; `-` is standard input.

    Siblings are those of this package's sink (`decisions-20260528T202640.250000Z.jsonl`) and of logrotate
    (`decisions.jsonl.1`, `decisions.jsonl.2.gz`). Memory does not grow with the files. Everything raises
    LogUnreadable for a file that cannot be read.
    """

    def __init__(self, path: Path, *, siblings: bool = True) -> None:
        self.skipped = 0
        self._path, self._siblings = path, siblings and path != STANDARD_INPUT
        self._inode: int | None = None
        self._position = 0

    def size(self) -> int:
        """Return the bytes of the files as they lie there; 0 where nobody can know."""
        with suppress(OSError):
            return sum(path.stat().st_size for path in self._files())
        return 0

    def weight(self, record: LoggedRecord) -> int:
        """Return the bytes of a record's line."""
        return len(record.line) + 1

    def records(self, since: float | None = None) -> Iterator[LoggedRecord]:
        """Yield the records, oldest first, from `since` (seconds since the epoch) on."""
        if self._path == STANDARD_INPUT:
            yield from self._records(lines_of(sys.stdin.buffer), since)
            return
        with ExitStack() as held, self._errors():
            # Opened first: when it is moved away meanwhile, it is not read twice, nor is anything missed.
            current = held.enter_context(self._path.open("rb"))
            mine = os.fstat(current.fileno()).st_ino
            for path in self._files()[:-1]:
                state = path.stat()
                if state.st_ino != mine and (since is None or state.st_mtime >= since):
                    with _opened(path) as file:
                        yield from self._records(_whole(file, self._skip), since)
            yield from self._records(lines_of(current), since)

    def latest(self, count: int, wanted: Wanted | None = None) -> list[LoggedRecord]:
        """Return the last records (that are wanted), oldest first, and let `follow` go on after them."""
        if self._path == STANDARD_INPUT or wanted is not None:
            self._stand_at_the_end()
            return list(deque(filter(wanted, self.records()), count))
        found: list[LoggedRecord] = []
        with self._errors():
            self._stand_at_the_end()
            for path in reversed(self._files()):
                if len(found) >= count:
                    break
                with _opened(path) as file:
                    if path.suffix == ".gz":
                        rest = deque(self._records(_whole(file, self._skip), None), count - len(found))
                        found += reversed(rest)
                        continue
                    for line in _backwards(file):
                        record = self._record(line)
                        if record is not None:
                            found.append(record)
                        if len(found) >= count:
                            break
        return found[:count][::-1]

    def follow(self, wait: Callable[[str | None], None]) -> Iterator[LoggedRecord]:
        """Yield what is added after `latest`, across rotation, for ever; `wait` is called in between."""
        while True:
            path, self._position = self._after(self._inode), self._position if self._is_here() else 0
            try:
                file = path.open("rb")
            except OSError as error:
                wait(f"{str(path)!r} cannot be read: {error.strerror}")
                continue
            with file:
                self._inode = os.fstat(file.fileno()).st_ino
                file.seek(self._position)
                yield from self._followed(file, wait)

    def _followed(self, file: BinaryIO, wait: Callable[[str | None], None]) -> Iterator[LoggedRecord]:
        """Yield what is added to one file until there is one that follows it."""
        ending = False
        while True:
            line = file.readline(MAX_LINE + 2)
            if line.endswith(b"\n") or len(line) > MAX_LINE:
                self._position += len(line)
                record = self._record(line)
                if record is not None:
                    yield record
                continue
            file.seek(self._position)
            if os.fstat(file.fileno()).st_size < self._position:  # emptied in place: `copytruncate`
                self._position = 0
                file.seek(0)
            elif ending:
                self._skipped_if(line)
                return
            elif self._is_in_place():
                wait(None)
            else:
                ending = True  # what was added before it was moved away is still to be read

    def _is_in_place(self) -> bool:
        try:
            return self._path.stat().st_ino == self._inode
        except OSError:
            return True  # between moving away and making anew

    def _is_here(self) -> bool:
        """True when the file that `latest` stood in is still the one of that name."""
        with suppress(OSError):
            return self._path.stat().st_ino == self._inode
        return False

    def _after(self, inode: int | None) -> Path:
        """Return the file that was begun after the one with this inode; the newest when that is gone."""
        if inode is None or self._is_here():
            return self._path
        files = self._files()
        for number, path in enumerate(files[:-1]):
            with suppress(OSError):
                if path.stat().st_ino == inode and not path.name.endswith(".gz"):
                    return files[number + 1]
        return self._path

    def _stand_at_the_end(self) -> None:
        """Remember the end of the last whole line, and in which file it is."""
        with suppress(OSError), self._path.open("rb") as file:
            state = os.fstat(file.fileno())
            end = state.st_size
            reach = max(0, end - MAX_LINE)
            file.seek(reach)
            cut = file.read(end - reach).rpartition(b"\n")[2]
            self._inode, self._position = state.st_ino, end - len(cut)

    def _files(self) -> list[Path]:
        """Return the files of the log that there are, oldest first; the named one is the last."""
        if not self._siblings:
            return [self._path]
        found: list[tuple[int, str, Path]] = []
        with suppress(OSError):
            for entry in self._path.parent.iterdir():
                order = self._order(entry.name)
                if order is not None:
                    found.append((*order, entry))
        return [path for *_, path in sorted(found)] + [self._path]

    def _order(self, name: str) -> tuple[int, str] | None:
        """Return what a sibling is sorted by; None for a file that has nothing to do with the log."""
        mine = self._path
        numbered = _NUMBER.fullmatch(name.removeprefix(mine.name)) if name.startswith(mine.name) else None
        if numbered is not None:
            return -int(numbered[1]), ""
        middle = name.removeprefix(mine.stem).removesuffix(mine.suffix)
        if name.startswith(mine.stem) and name.endswith(mine.suffix) and _STAMP.fullmatch(middle):
            return -_OLDEST, middle
        return None

    def _records(self, lines: Iterator[bytes], since: float | None) -> Iterator[LoggedRecord]:
        for line in lines:
            record = self._record(line)
            if record is not None and is_since(record, since):
                yield record

    def _record(self, line: bytes) -> LoggedRecord | None:
        record = record_of(line)
        if record is None:
            self._skipped_if(line)
        return record

    def _skipped_if(self, line: bytes) -> None:
        self.skipped += bool(line.strip())

    def _skip(self) -> None:
        self.skipped += 1

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            why = error.strerror or error
            raise LogUnreadable(f"the decision log {str(self._path)!r} cannot be read: {why}") from error


def _opened(path: Path) -> BinaryIO:
    if path.suffix == ".gz":
        return cast(BinaryIO, gzip.open(path, "rb"))
    return path.open("rb")


def _whole(file: BinaryIO, skip: Callable[[], None]) -> Iterator[bytes]:
    """Yield the lines of a file that may be compressed, as far as it can be read."""
    try:
        yield from lines_of(file)
    except (EOFError, gzip.BadGzipFile, zlib.error):
        skip()


def _backwards(file: BinaryIO) -> Iterator[bytes]:
    """Yield the lines of a file, last one first; what is too long only in parts."""
    end = file.seek(0, os.SEEK_END)
    rest = b""
    while end:
        start = max(0, end - _BLOCK)
        file.seek(start)
        rest = file.read(end - start) + rest
        end = start
        first, *lines = rest.split(b"\n")
        yield from reversed(lines)
        rest = first if len(first) <= 2 * MAX_LINE else first[: MAX_LINE + 2]
    if rest:
        yield rest
