"""Who is whom, as far as names can tell."""

from __future__ import annotations

import unicodedata


def same_person(one: str, other: str) -> bool:
    """True for names that may well be one person's: most directories take `Bea` and `bea ` for `bea`.

    Only ever used to refuse: who may use an approval is compared exactly.
    """
    return _spelling(one) == _spelling(other)


def _spelling(subject: str) -> str:
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", subject).casefold()).strip()
