"""Numbers of the National Health Service of England: ten digits, the last a check digit modulo 11."""

from __future__ import annotations

from typing import Final

from policy_middleware.masking.recognizers.recognizer import Recognizer, Shape


def _checked(value: bytes) -> tuple[int, int] | None:
    """Verify the check digit (NHS Data Dictionary, NHS NUMBER)."""
    digits = value.translate(None, b" -")
    weighted = sum((digit - 48) * weight for digit, weight in zip(digits, range(10, 1, -1), strict=False))
    check = (11 - weighted % 11) % 11
    return (0, len(value)) if check == digits[9] - 48 and len(set(digits)) > 1 else None


UK_NHS: Final = Recognizer(
    "UK_NHS",
    "An NHS number with a valid check digit; without spaces only after a word for it.",
    ("943 476 5919", "NHS number 9434765919"),
    (
        Shape(r"\b\d{3} \d{3} \d{4}\b", presence=r"\d \d{3} \d{4}", judge=_checked),
        Shape(
            r"\b\d{3}[ -]?\d{3}[ -]?\d{4}\b",
            presence=r"\d{3}[ -]?\d{4}",
            judge=_checked,
            context=(b"nhs", b"national health", b"patient"),
        ),
    ),
)
