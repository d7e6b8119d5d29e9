"""Passport numbers of the United States: nine digits, or a letter and eight, after a word for it."""

from __future__ import annotations

from typing import Final

from policy_middleware.masking.recognizers.recognizer import Recognizer, Shape

US_PASSPORT: Final = Recognizer(
    "US_PASSPORT",
    "A passport number of the United States, after a word for it.",
    ("passport number 912803456", "Passport: A12803456"),
    (
        Shape(
            r"\b[A-Za-z0-9]\d{8}\b",
            presence=r"[A-Za-z0-9]\d{8}",
            context=(b"passport", b"travel doc"),
            score=0.6,
        ),
    ),
)
