"""Values that a mask keeps as they are, put out of sight while everything else is searched."""

from __future__ import annotations

import re
import secrets
from typing import Final

_LETTERS: Final = str.maketrans("0123456789abcdef", "ghijklmnopqrstuv")
"""Spells numbers without digits, so that no recogniser makes anything of them."""


class Keeping:
    """Stands in for the kept literals of one JSON body; nobody can guess what the stand-ins look like."""

    __slots__ = ("_literals", "_mark")

    def __init__(self) -> None:
        self._mark = secrets.token_hex(16).translate(_LETTERS)
        self._literals: list[str] = []

    def stand_in(self, literal: str) -> str:
        """Return the JSON literal to write for now."""
        self._literals.append(literal)
        return f'"{self._mark}x{_spelled(len(self._literals) - 1)}x"'

    def restored(self, text: str) -> str:
        """Return `text` with the kept literals in their places again."""
        places = {_spelled(number): literal for number, literal in enumerate(self._literals)}
        return re.sub(f'"{self._mark}x([g-v]+)x"', lambda found: places[found[1]], text)


def _spelled(number: int) -> str:
    return f"{number:x}".translate(_LETTERS)
