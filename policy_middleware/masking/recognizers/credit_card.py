"""Payment card numbers: a known issuer range, a length it uses, and the Luhn digit (ISO/IEC 7812-1)."""

from __future__ import annotations

from typing import Final

from policy_middleware.masking.recognizers.recognizer import Recognizer, Shape

_DOUBLED: Final = bytes.maketrans(b"0123456789", b"0246813579")
_SEPARATORS: Final = b" -."
_SPACED: Final = bytes.maketrans(b"-.", b"  ")
# Between groups of four digits; between others these stand in decimal fractions and rows of numbers.
_WIDE_GAP: Final = r"(?:\.|  | - )"
_UP_TO_19: Final = frozenset(range(16, 20))
_MAESTRO: Final = frozenset({12, *_UP_TO_19})
"""The scheme allows 12 to 19 digits; 13 are a product's number (EAN, ISBN) far more often."""
# First digits (low, high), and the lengths of the numbers that begin so. Sources: ISO/IEC 7812 ranges as
# listed by the schemes' own developer pages; 12 to 19 digits for Maestro.
_RANGES: Final = (
    ("4", "4", frozenset({13, 16, 19})),  # Visa
    ("51", "55", frozenset({16})),  # Mastercard
    ("2221", "2720", frozenset({16})),
    ("34", "34", frozenset({15})),  # American Express
    ("37", "37", frozenset({15})),
    ("1", "1", frozenset({15})),  # UATP
    ("300", "305", frozenset({14, *_UP_TO_19})),  # Diners Club
    ("3095", "3095", frozenset({14, *_UP_TO_19})),
    ("36", "36", frozenset({14, *_UP_TO_19})),
    ("38", "39", frozenset({14, *_UP_TO_19})),
    ("1800", "1800", frozenset({15})),  # JCB
    ("2131", "2131", frozenset({15})),
    ("2100", "2100", frozenset({15})),
    ("35", "35", _UP_TO_19),
    ("3088", "3088", frozenset({15, 16})),
    ("3096", "3096", frozenset({15, 16})),
    ("3112", "3112", frozenset({15, 16})),
    ("3158", "3158", frozenset({15, 16})),
    ("3337", "3337", frozenset({15, 16})),
    ("2200", "2204", _UP_TO_19),  # Mir
    ("2205", "2205", frozenset({16})),  # BORICA
    ("6011", "6011", _UP_TO_19),  # Discover
    ("644", "649", _UP_TO_19),
    ("65", "65", _UP_TO_19),
    ("62", "62", frozenset({14, 15, *_UP_TO_19})),  # UnionPay
    ("81", "82", frozenset({16})),  # RuPay
    ("8600", "8600", frozenset({16})),  # UzCard
    ("9792", "9792", frozenset({16})),  # Troy
    ("9860", "9860", frozenset({16})),  # Humo
    ("0604", "0604", _MAESTRO),
    ("50", "50", _MAESTRO),
    ("56", "58", _MAESTRO),
    ("60", "69", _MAESTRO),
)


def _lengths_by_prefix() -> tuple[frozenset[int], ...]:
    lengths_of: list[frozenset[int]] = [frozenset()] * 10_000
    for low, high, lengths in _RANGES:
        for prefix in range(int(low.ljust(4, "0")), int(high.ljust(4, "9")) + 1):
            lengths_of[prefix] |= lengths
    return tuple(lengths_of)


_LENGTHS: Final = _lengths_by_prefix()
"""The lengths of card numbers by their first four digits."""


def luhn(digits: bytes) -> bool:
    """Return True when the last of `digits` (ASCII) is the Luhn check digit of the others."""
    return (sum(digits[::-2]) + sum(digits[-2::-2].translate(_DOUBLED)) - 48 * len(digits)) % 10 == 0


def _card(value: bytes) -> tuple[int, int] | None:
    digits = value.translate(None, _SEPARATORS)
    lengths = _LENGTHS[int(digits[:4])]
    if not lengths:
        return None
    if len(digits) == len(value):
        return (0, len(value)) if len(digits) in lengths and luhn(digits) else None
    value = value.translate(_SPACED)
    # A number beside the card may look like a part of it: try every end of a group, the longest first.
    end, count = len(value), len(digits)
    while count >= 12:
        if count in lengths and luhn(digits[:count]):
            return 0, end
        gap = value.rfind(b" ", 0, end)
        if gap < 0:
            return None
        count -= end - gap - 1
        end = gap
    return None


CREDIT_CARD: Final = Recognizer(
    "CREDIT_CARD",
    "A payment card number with a valid check digit.",
    ("4111 1111 1111 1111", "5555-5555-5555-4444", "378282246310005"),
    (
        Shape(
            r"[0-689]\d{11,18}|[0-689]\d{3}[ -]\d(?:[ -]?\d){7,14}"
            r"|[0-689]\d{3}(?:" + _WIDE_GAP + r"\d{4}){3}",
            presence=r"\d{4}(?:(?:[ -]|" + _WIDE_GAP + r")?\d){8}",
            judge=_card,
            inner=True,
            apart=True,
        ),
    ),
)
