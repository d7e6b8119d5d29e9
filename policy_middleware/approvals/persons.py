"""Who is whom, as far as names can tell."""

from __future__ import annotations

import unicodedata
from typing import Final

_INVISIBLE: Final = frozenset(
    {"\u034f", "\u115f", "\u1160", "\u17b4", "\u17b5", *map(chr, range(0xFE00, 0xFE10))}
)
"""What is not shown although it is no control or format character (Unicode: Default_Ignorable_Code_Point)."""


def same_person(one: str, other: str) -> bool:
    """True for names that may well be one person's: most directories take `Bea` and `bea ` for `bea`.

    Only ever used to refuse: who may use an approval is compared exactly.
    """
    return spelling_of(one) == spelling_of(other)


def spelling_of(subject: str) -> str:
    """Return what all spellings of a name have in common: no case, no widths, nothing invisible."""
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", subject).casefold())
    return " ".join("".join(filter(_shows, folded)).split())


def _shows(character: str) -> bool:
    if character.isspace():
        return True
    return character not in _INVISIBLE and unicodedata.category(character) not in ("Cc", "Cf")
