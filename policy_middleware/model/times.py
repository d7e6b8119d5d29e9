"""Moments and durations as policies write them."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Final

from policy_middleware.model.json_reading import kind_of, shown

MOMENT_EXAMPLE: Final = "2026-12-01T00:00:00Z"

MOMENT: Final = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt][0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]+)?([Zz]|[+-][0-9]{2}:[0-9]{2})?"
)
DURATION: Final = re.compile(r"([1-9][0-9]{0,8})([smhd])")

_SECONDS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_LONGEST: Final = 366 * 86400


def moment_seconds(value: object) -> float:
    """Return the seconds since the epoch of an RFC 3339 text with offset, or raise ValueError."""
    if not isinstance(value, str):
        raise ValueError(f"must be a time such as {MOMENT_EXAMPLE!r}, not {kind_of(value)}")
    written = MOMENT.fullmatch(value)
    try:
        moment = datetime.fromisoformat(value.upper()) if written else None
        seconds = moment.timestamp() if moment is not None and moment.tzinfo is not None else None
    except (ValueError, OverflowError):
        written = seconds = None
    if seconds is not None:
        return seconds
    if written is not None:
        raise ValueError(f"{shown(value)} needs an offset, such as the Z of {MOMENT_EXAMPLE}")
    raise ValueError(f"{shown(value)} is not an RFC 3339 time such as {MOMENT_EXAMPLE}")


def duration_seconds(value: object) -> float:
    """Return the seconds of `90s`, `30m`, `4h` or `7d` (at most 366 days), or raise ValueError."""
    if not isinstance(value, str):
        raise ValueError(f"must be a duration such as '30m' or '4h', not {kind_of(value)}")
    written = DURATION.fullmatch(value)
    if written is None:
        raise ValueError(
            f"{shown(value)} is not a duration; "
            "write a whole number and s, m, h or d, such as '90s', '4h' or '7d'"
        )
    seconds = int(written[1]) * _SECONDS[written[2]]
    if seconds > _LONGEST:
        raise ValueError(f"{shown(value)} is longer than 366 days")
    return float(seconds)


def format_duration(seconds: float) -> str:
    """Return whole seconds as policies write them: `90s`, `30m`, `4h`, `7d`."""
    unit = next(unit for unit in ("d", "h", "m", "s") if seconds % _SECONDS[unit] == 0 or unit == "s")
    return f"{seconds / _SECONDS[unit]:g}{unit}"


def format_time(seconds: float) -> str:
    """Return a moment as RFC 3339 text in UTC, to the second: `2026-12-01T00:00:00Z`."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
