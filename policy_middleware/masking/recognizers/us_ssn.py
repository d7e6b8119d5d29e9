"""Social security numbers of the United States."""

from __future__ import annotations

from typing import Final

from policy_middleware.masking.recognizers.recognizer import Recognizer, Shape

_GAP: Final = r"(?:[-. ]| - )"
_CONTEXT: Final = (b"ssn", b"social", b"soc sec")


def _issued(value: bytes) -> tuple[int, int] | None:
    """Reject what is never issued: area 000, 666 or 9xx, group 00, serial 0000 (SSA POMS RM 10201)."""
    digits = value.translate(None, b"-. ")
    group_and_gaps = value[3:-4]
    gap = (len(group_and_gaps) - 2) // 2
    if group_and_gaps[:gap] != group_and_gaps[gap + 2 :]:
        return None
    if digits[0:1] == b"9" or digits[:3] in (b"000", b"666") or digits[3:5] == b"00" or digits[5:] == b"0000":
        return None
    return 0, len(value)


US_SSN: Final = Recognizer(
    "US_SSN",
    "A social security number of the United States; without separators only after a word for it.",
    ("536-90-4399", "536 90 4399", "SSN: 536904399"),
    (
        Shape(
            r"\d{3}" + _GAP + r"\d{2}" + _GAP + r"\d{4}",
            presence=r"\d" + _GAP + r"\d{2}" + _GAP + r"\d{4}",
            judge=_issued,
            not_after=b"-.+",
            apart=True,
        ),
        Shape(r"\d{9}", presence=r"\d{9}", judge=_issued, context=_CONTEXT, apart=True),
    ),
)
