"""Operators that keep what a date or number is good for: `generalize` and `date_shift`."""

from __future__ import annotations

import hmac
import re
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal, localcontext
from typing import Final

from policy_middleware.masking.keys import purpose_key
from policy_middleware.masking.operators.constants import REDACTED_TEXT, placeholder

_ISO_DATE: Final = re.compile(
    r"((?:1[5-9]|2[01])[0-9]{2})-(0[1-9]|1[0-2])(?:-(0[1-9]|[12][0-9]|3[01])(?:(?![0-9]).*)?)?", re.DOTALL
)
_YEAR: Final = re.compile(r"(?<![0-9])(?:1[5-9]|2[01])[0-9]{2}(?![0-9])")
_DATE_BEFORE: Final = re.compile(r"([0-9]{4}-[0-9]{2}-[0-9]{2})((?![0-9]).*)?", re.DOTALL)
_LONGEST_DATE: Final = 64
_NUMBER: Final = re.compile(r"-?(?:0|[1-9][0-9]{0,29})(?:\.[0-9]{1,30})?(?:[eE][+-]?[0-9]{1,2})?")


@dataclass(frozen=True, slots=True)
class Generalize:
    """Writes the year or month of a date, and the lower end of the range that a number falls into."""

    strictness: int
    to: str | None
    bucket: float | None

    def text(self, value: str, entity: str) -> str:
        """Return a date's year or month, a number's range; what is neither is redacted."""
        if self.bucket is not None and _NUMBER.fullmatch(value):
            return self.scalar(value)
        if self.to is None or len(value) > _LONGEST_DATE:
            return REDACTED_TEXT
        iso = _ISO_DATE.fullmatch(value)
        if iso is not None:
            return iso[1] if self.to == "year" else f"{iso[1]}-{iso[2]}"
        years = set(_YEAR.findall(value))
        return years.pop() if len(years) == 1 and self.to == "year" else REDACTED_TEXT

    def scalar(self, literal: str) -> str:
        """Return the JSON number for the lower end of the range of a number, 0 when there are no ranges."""
        if self.bucket is None or not _NUMBER.fullmatch(literal):
            return placeholder(literal)
        with localcontext() as context:
            context.prec = 200
            width = Decimal(repr(self.bucket))
            number = Decimal(literal)
            lower = (number // width) * width
            if lower > number:  # // rounds towards zero
                lower -= width
            lower = lower.normalize()
            return format(lower, "f") if lower else placeholder(literal)


@dataclass(frozen=True, slots=True)
class DateShift:
    """Moves every date of a tenant by the same secret number of days, so that intervals stay."""

    strictness: int
    days: int

    @classmethod
    def under(cls, strictness: int, tenant_key: bytes, most_days: int) -> DateShift:
        """Return the shift that follows from the key: 1 to `most_days` days, either way."""
        digest = hmac.digest(purpose_key(tenant_key, "date_shift"), str(most_days).encode(), "sha256")
        drawn = int.from_bytes(digest[:16]) % (2 * most_days)
        return cls(strictness, drawn - most_days if drawn < most_days else drawn - most_days + 1)

    def text(self, value: str, entity: str) -> str:
        """Return an ISO date (and time) moved; what is none is redacted."""
        found = _DATE_BEFORE.fullmatch(value) if len(value) <= _LONGEST_DATE else None
        if found is None:
            return REDACTED_TEXT
        try:
            moved = date.fromisoformat(found[1]) + timedelta(days=self.days)
        except (ValueError, OverflowError):
            return REDACTED_TEXT
        return moved.isoformat() + (found[2] or "")
