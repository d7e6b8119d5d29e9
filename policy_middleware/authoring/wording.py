"""Words that several sentences share."""

from __future__ import annotations

import json
from collections.abc import Sequence
from difflib import get_close_matches


def listed(words: Sequence[str], last: str = "and") -> str:
    """Return `a`, `a and b`, `a, b and c`."""
    if len(words) < 2:
        return "".join(words)
    return f"{', '.join(words[:-1])} {last} {words[-1]}"


def did_you_mean(word: str, known: Sequence[str]) -> str | None:
    """Return the known word that is closest to one that is not known, if any is close."""
    return next(iter(get_close_matches(word, known, 1, 0.6)), None)


def compact(value: object) -> str:
    """Return JSON data on one line."""
    return json.dumps(value, ensure_ascii=False)
