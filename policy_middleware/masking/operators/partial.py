"""Operators that leave a part of a text readable."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from policy_middleware.masking.operators.constants import REDACTED_TEXT, STAR

_DOMAIN: Final = re.compile(r"[^\s@<>]+@([\w-]+(?:\.[\w-]+)+)")
_HIDDEN_LOCAL_PART: Final = "XXXXX"  # the spelling of BigQuery's EMAIL_MASK


@dataclass(frozen=True, slots=True)
class Partial:
    """Replaces every character by `*` but for the ends that all of `shown`, (first, last), show.

    The length stays visible. Half of a text must stay hidden, else the rest is guessed; so a text that would
    be shown by more than half is starred whole.
    """

    strictness: int
    shown: frozenset[tuple[int, int]]

    def text(self, value: str, entity: str) -> str:
        """Return the value with its middle starred."""
        length = len(value)
        first = last = length
        for show_first, show_last in self.shown:
            fits = (show_first + show_last) * 2 <= length
            first = min(first, show_first if fits else 0)
            last = min(last, show_last if fits else 0)
        return value[:first] + STAR * (length - first - last) + value[length - last :]


@dataclass(frozen=True, slots=True)
class EmailMask:
    """Leaves the domain of an e-mail address: `XXXXX@example.com`; what is no address is redacted."""

    strictness: int

    def text(self, value: str, entity: str) -> str:
        """Return the address without its local part."""
        address = _DOMAIN.fullmatch(value)
        return REDACTED_TEXT if address is None else f"{_HIDDEN_LOCAL_PART}@{address[1]}"
