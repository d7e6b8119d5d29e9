"""One line of JSON that any program can read."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Final

from policy_middleware.decision_log.reading import LoggedRecord, ReadRecord, clean

_PRINTABLE_ASCII: Final = re.compile(rb"[\x20-\x7e]*")


def json_of(data: Mapping[str, object]) -> str:
    """Return data as one line of printable ASCII."""
    return json.dumps(clean(data), separators=(",", ":")).replace("\x7f", "\\u007f")


def original_line(record: ReadRecord) -> str:
    """Return the line that a record was read from, so that a sealed one can still be verified.

    One that is not printable ASCII, which this package never writes, is encoded again.
    """
    if isinstance(record, LoggedRecord) and _PRINTABLE_ASCII.fullmatch(record.line):
        return record.line.decode("ascii")
    return json_of(record)
