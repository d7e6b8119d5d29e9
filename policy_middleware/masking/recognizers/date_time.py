"""Dates, with or without a time: ISO 8601, the usual numeric orders, and months by name."""

from __future__ import annotations

from typing import Final

from policy_middleware.masking.recognizers.recognizer import Recognizer, Shape

_MONTH: Final = (
    r"(?i:jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?"
    r"|oct(?:ober)?|nov(?:ember)?|dec(?:ember)?)"
)
_TIME: Final = (
    r"(?:[T ]{1,2}\d{1,2}:\d{2}(?::\d{2}(?:[.,]\d{1,9})?)?(?: ?(?i:[ap]\.?m\b\.?))?"
    r"(?:Z\b| ?[+-]\d{2}:?\d{2}\b)?)?"
)
_YEAR: Final = r"(?:1[89]|2[01])\d{2}"
_DAY_OF_WEEK: Final = r"(?i:(?:mon|tues|wednes|thurs|fri|satur|sun)day)"
# What stands before a year and seldom before another number of four digits.
_BEFORE_YEAR: Final = r"(?i:in|since|during|until|circa|year|act of|class of|end of|summer of|as of)"
_ORDINAL: Final = r"\d{1,2}(?i:st|nd|rd|th)?"


def _numeric(value: bytes) -> tuple[int, int] | None:
    """Accept day, month and year in any order that makes a date; the two separators must agree."""
    separator = value.lstrip(b"0123456789")[:1]
    parts = value.split(separator, 2)
    if len(parts) != 3:
        return None
    first, second, rest = parts
    third = rest[: len(rest) - len(rest.lstrip(b"0123456789"))]
    if not third or not second.isdigit():
        return None
    if len(first) == 4:
        right = _is_day(second, third) and 1800 <= int(first) < 2200
    elif len(third) in (2, 4):
        right = (_is_day(first, second) or _is_day(second, first)) and (
            len(third) == 2 or 1800 <= int(third) < 2200
        )
    else:
        right = False
    return (0, len(value)) if right else None


def _is_day(month: bytes, day: bytes) -> bool:
    return 1 <= int(month) <= 12 and 1 <= int(day) <= 31


def _year(value: bytes) -> tuple[int, int] | None:
    """Leave the word before the year outside."""
    return len(value) - 4, len(value)


def _day_of_week(value: bytes) -> tuple[int, int] | None:
    """Leave the words around the day outside; one of them has to be there."""
    end = value.lower().index(b"day") + 3
    start = value.rfind(b" ", 0, end) + 1
    return (start, end) if end - start < len(value) else None


DATE_TIME: Final = Recognizer(
    "DATE_TIME",
    "A date, with or without a time of day; a day of the week; a year after a word such as 'since'.",
    (
        "2024-03-15T14:30:00Z",
        "15.03.2024",
        "3/15/24",
        "March 15, 2024",
        "15 Mar 2024",
        "in 1977",
        "on Friday",
    ),
    (
        Shape(
            r"\d{4}[-/.]\d{1,2}[-/.]\d{1,2}" + _TIME,
            presence=r"\d{4}[-/.]\d{1,2}[-/.]\d",
            judge=_numeric,
            not_after=b"-/.",
            apart=True,
        ),
        Shape(
            r"\d{1,2}[-/.]\d{1,2}[-/.](?:\d{4}|\d{2})" + _TIME,
            presence=r"\d[-/.]\d{1,2}[-/.]\d{2}",
            judge=_numeric,
            not_after=b"-/.+",
            apart=True,
        ),
        Shape(
            r"\b"
            + _MONTH
            + r"\b\.?[ -]{1,2}"
            + _ORDINAL
            + r"(?:,? {1,2}"
            + _YEAR
            + r"|-\d{2})?"
            + _TIME
            + r"\b",
            presence=_MONTH + r"\.?[ -]{1,2}\d",
        ),
        Shape(
            r"\b"
            + _ORDINAL
            + r"[ -](?:(?i:of) )?"
            + _MONTH
            + r"\b\.?(?:[ ,-]{1,2}(?:"
            + _YEAR
            + r"|\d{2}))?"
            + _TIME,
            presence=r"\d(?i:st|nd|rd|th)?[ -](?:(?i:of) )?" + _MONTH,
        ),
        Shape(
            r"\b" + _MONTH + r"\b\.?[ ,-]{1,2}(?:" + _YEAR + r")\b",
            presence=_MONTH + r"\.?[ ,-]{1,2}\d{4}",
        ),
        Shape(
            r"\b(?:(?:0[1-9]|1[0-2])/\d{2}|(?:0?[1-9]|1[0-2])/" + _YEAR + r")\b",
            presence=r"\d/\d{2}",
            not_after=b"-/.",
            score=0.5,
        ),
        Shape(
            r"\b" + _BEFORE_YEAR + r" (?:1[89]|20)\d{2}\b",
            presence=r"[a-zA-Z] (?:1[89]|20)\d{2}\b",
            judge=_year,
            score=0.5,
        ),
        # "Every Sunday", or the word alone, is a rule or a name more often than a date.
        Shape(
            r"\b(?:(?i:on|this|next|by|until|since) )?"
            + _DAY_OF_WEEK
            + r"(?: (?i:at|morning|noon|afternoon|evening|night))?\b",
            presence=_DAY_OF_WEEK,
            judge=_day_of_week,
            score=0.5,
        ),
    ),
)
