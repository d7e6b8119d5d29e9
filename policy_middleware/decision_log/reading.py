"""Lines of a decision log read back into records, whoever wrote them and however they were cut."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from typing import Any, BinaryIO, Final, Protocol

from policy_middleware.decision_log.record import DECISION
from policy_middleware.model.errors import PolicyError
from policy_middleware.model.times import moment_seconds

MAX_LINE: Final = 1024 * 1024
"""Bytes of a line; the longest that this package writes is well below half of it."""
_MAX_DEPTH: Final = 64
_SURROGATE: Final = re.compile("[\ud800-\udfff]")
_REPLACEMENT: Final = "\ufffd"

ReadRecord = Mapping[str, Any]
"""A record as it was written; of a log that others may write to, so nothing is certain but its being JSON."""

Wanted = Callable[[ReadRecord], bool]


class LoggedRecord(dict[str, Any]):
    """A record, and the `line` of bytes (without its end) that it was read from."""

    __slots__ = ("line",)

    def __init__(self, record: Mapping[str, Any], line: bytes) -> None:
        super().__init__(record)
        self.line = line


class LogUnreadable(PolicyError):
    """A decision log cannot be opened."""


class UnknownDecision(PolicyError, LookupError):
    """The log holds no record of a decision."""


class LogSource(Protocol):
    """A place that holds a decision log."""

    skipped: int
    """Lines that were no records, so far."""

    def size(self) -> int:
        """Return how much there is to read, in the unit of `weight`."""
        ...

    def weight(self, record: LoggedRecord) -> int:
        """Return how much of `size` a record is."""
        ...

    def records(self, since: float | None = None) -> Iterator[LoggedRecord]:
        """Yield the records, oldest first, from `since` (seconds since the epoch) on."""
        ...

    def latest(self, count: int, wanted: Wanted | None = None) -> list[LoggedRecord]:
        """Return the last records (that are wanted), oldest first, and let `follow` go on after them."""
        ...

    def follow(self, wait: Callable[[str | None], None]) -> Iterator[LoggedRecord]:
        """Yield what is added after `latest`, for ever; `wait` is called when there is nothing new.

        With a sentence where the place is out of reach; whatever `wait` raises ends it.
        """
        ...


def record_of(line: bytes) -> LoggedRecord | None:
    """Return the record that a line holds; None for what is none: cut in the middle, too long, foreign."""
    line = line.rstrip(b"\r\n")
    if len(line) > MAX_LINE:
        return None
    try:
        record = json.loads(line)
        if not isinstance(record, dict) or not _is_shallow(record, line):
            return None
    except (ValueError, RecursionError):
        return None
    if not isinstance(record.get("event"), str):
        # OPA's own records, and those of pipelines that drop what OPA has not, name no event.
        if not isinstance(record.get("decision_id"), str) or "input" not in record:
            return None
        record["event"] = DECISION
    return LoggedRecord(record, line)


def lines_of(file: BinaryIO) -> Iterator[bytes]:
    """Yield the lines of a file; of one that is too long only so much that it is known to be."""
    while line := file.readline(MAX_LINE + 2):
        yield line
        while len(line) > MAX_LINE and not line.endswith(b"\n"):
            line = file.readline(MAX_LINE + 2)
            if not line:
                return


def moment_of(record: ReadRecord) -> float | None:
    """Return when a decision was made, in seconds since the epoch; None where the record does not say."""
    with suppress(ValueError):
        return moment_seconds(record.get("timestamp"))
    return None


def is_since(record: ReadRecord, since: float | None) -> bool:
    """True for what was made at `since` or later; always where no moment is given."""
    if since is None:
        return True
    moment = moment_of(record)
    return moment is not None and moment >= since


def asked_of(record: ReadRecord) -> Mapping[str, Any]:
    """Return the request's attributes; none where the record holds none."""
    asked = record.get("input")
    return asked if isinstance(asked, dict) else {}


def text_of(value: object) -> str | None:
    """Return a value if it is text, with what is no character replaced."""
    return _SURROGATE.sub(_REPLACEMENT, value) if isinstance(value, str) else None


def clean(value: Any) -> Any:
    """Return JSON data in which no text holds a lone surrogate, which UTF-8 cannot encode."""
    if isinstance(value, str):
        return text_of(value)
    if isinstance(value, Mapping):
        return {clean(name): clean(member) for name, member in value.items()}
    return [clean(item) for item in value] if isinstance(value, list) else value


def _is_shallow(record: object, line: bytes) -> bool:
    """True unless something is nested deeper than records are, and than may be walked through."""
    return line.count(b"{") + line.count(b"[") <= _MAX_DEPTH or _depth(record) <= _MAX_DEPTH


def _depth(value: object) -> int:
    level: list[object] = [value]
    depth = 0
    while level and depth <= _MAX_DEPTH:
        depth += 1
        inner: list[object] = []
        for each in level:
            members = each.values() if isinstance(each, dict) else each if isinstance(each, list) else ()
            inner += [member for member in members if isinstance(member, (dict, list))]
        level = inner
    return depth if not level else _MAX_DEPTH + 1
