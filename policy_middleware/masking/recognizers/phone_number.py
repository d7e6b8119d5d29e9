"""Telephone numbers: international, and national as people write them.

With the extra `phone` also what the national numbering plans of some regions allow, in any grouping: the
patterns come from the metadata of `phonenumbers`, and RE2 searches them, because that library's own matcher
takes milliseconds per kilobyte.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

from policy_middleware.masking.linear_search import Searcher
from policy_middleware.masking.recognizers.recognizer import Recognizer, Shape

REGIONS: Final = ("US", "GB", "DE", "FR", "IT", "ES", "NL", "CH", "AT", "BE", "AU", "IN", "BR", "JP")
"""Regions whose national numbers are recognised without a country code."""
_CONTEXT: Final = (
    b"phone",
    b"tel",
    b"call",
    b"mobile",
    b"cell",
    b"fax",
    b"contact",
    b"dial",
    b"reach",
    b"sms",
    b"text",
    b"whatsapp",
    b"number",
)
_EXTENSION: Final = r"(?: ?(?i:x|ext\.?|extension|#) ?\d{1,6}\b|\b)"
_GAP: Final = r"[ ./()-]{0,3}"


_DIGITS: Final = b"0123456789"
_OTHERS: Final = bytes(byte for byte in range(256) if not 48 <= byte <= 57)
_GROUP: Final = re.compile(rb"\d+")
_NORTH_AMERICAN: Final = frozenset({(3, 3, 4), (1, 3, 3, 4)})
_LOCAL: Final = (3, 4)
_OF_OTHERS: Final = frozenset({(3, 2, 4), (4, 2, 2), (2, 2, 4), (4, 2, 2, 2), (2, 2, 4, 2)})
_EXTENSION_SIGN: Final = re.compile(rb"[x#t]", re.IGNORECASE)
_FEWEST, _MOST_NATIONAL = 7, 12
_FEWEST_PLANNED: Final = 9
"""Digits of a number that only a numbering plan speaks for; shorter ones are all sorts of numbers."""
_SPACED: Final = bytes(byte if 48 <= byte <= 57 else 32 for byte in range(256))


def _not_one_digit(value: bytes) -> tuple[int, int] | None:
    """Reject a placeholder: one digit over and over."""
    return (0, len(value)) if len(set(value.translate(None, _OTHERS))) > 1 else None


def _national(value: bytes) -> tuple[int, int] | None:
    """Accept the longest row of groups that is grouped, or numbered, as telephone numbers are."""
    groups = value.translate(_SPACED).split()
    if _EXTENSION_SIGN.search(value):
        groups.pop()
    total = sum(map(len, groups))
    for count in range(len(groups), 0, -1):
        if total < _FEWEST:
            return None
        if total <= _MOST_NATIONAL:
            row = groups[:count]
            if _is_grouped(value, tuple(map(len, row)), b"".join(row)):
                return 0, len(value) if count == len(groups) else _end_of_group(value, count)
        total -= len(groups[count - 1])
    return None


def _end_of_group(value: bytes, count: int) -> int:
    return [group.end() for group in _GROUP.finditer(value)][count - 1]


def _is_grouped(value: bytes, lengths: tuple[int, ...], digits: bytes) -> bool:
    if lengths in _OF_OTHERS or len(lengths) == 1 or len(set(digits)) == 1:
        return False
    if lengths in _NORTH_AMERICAN:
        return len(lengths) == 3 or digits[:1] == b"1"
    if lengths == _LOCAL:
        return value[3:4] == b"-"
    if len(lengths) == 2 and value[lengths[0] : lengths[0] + 1] == b".":  # A decimal fraction.
        return False
    if value.count(b"/") > 1 or (b"." in value and b" " in value):  # A date or an amount beside a number.
        return False
    if digits[:1] == b"0":
        return True
    if max(lengths) <= 3 and b"." in value:  # An internet address, or a version.
        return False
    if len(digits) < _FEWEST_PLANNED:
        return False
    # A row that only a plan speaks for must at least look like one number.
    if b"(" not in value and len(set(value.translate(None, _DIGITS))) > 1:
        return False
    plans = _plans()
    return plans is not None and plans.match(digits, 0, len(digits)) is not None


@lru_cache(maxsize=1)
def _plans() -> Searcher | None:
    """Return the union of the regions' numbering plans with their prefixes; None without the extra."""
    try:
        import phonenumbers
    except ImportError:
        return None
    plans = []
    for region in REGIONS:
        metadata = phonenumbers.PhoneMetadata.metadata_for_region(region)
        if metadata is None:
            continue
        kinds = (metadata.fixed_line, metadata.mobile, metadata.toll_free)
        patterns = [kind.national_number_pattern for kind in kinds if kind is not None]
        prefix = metadata.national_prefix or ""
        plans += [f"(?:{prefix})?(?:{pattern})" for pattern in patterns if pattern]
    return Searcher(("(?:" + "|".join(plans) + r")\z").encode("ascii"))


_SHAPES: Final = (
    Shape(
        r"\+[(]?[1-9]\d{0,3}(?:" + _GAP + r"\d){6,13}" + _EXTENSION,
        presence=r"\+[(]?[1-9](?:[ ./()-]{0,3}\d){6}",
        judge=_not_one_digit,
        not_after=b"0123456789",
    ),
    Shape(
        r"\b00[ -]?[1-9]\d{0,3}(?:" + _GAP + r"\d){6,13}" + _EXTENSION,
        presence=r"\b00[ -]?[1-9](?:[ ./()-]{0,3}\d){6}",
        judge=_not_one_digit,
        not_after=b".-",
    ),
    Shape(
        r"(?:\(\d{1,5}\)|\b\d{1,5})(?:[ ./-]{0,3}\(\d{1,5}\))?(?:[ ./-]{1,3}\d{2,8}){1,4}" + _EXTENSION,
        presence=r"\d\)?[ ./-]{1,3}\d{2}",
        judge=_national,
        inner=True,
        not_after=b".-/+0123456789",
        score=0.8,
    ),
    Shape(
        r"\((?:\d{3}|0\d{1,5})\)\d{3,4}[ .-]?\d{3,4}" + _EXTENSION, presence=r"\(\d{2,6}\)\d{3}", score=0.9
    ),
    Shape(
        r"\b[01]?\d{10}" + _EXTENSION,
        presence=r"\d{10}",
        judge=_not_one_digit,
        context=_CONTEXT,
        not_after=b".-+",
        score=0.6,
    ),
)

PHONE_NUMBER: Final = Recognizer(
    "PHONE_NUMBER",
    "A telephone number, international or as people write national ones.",
    ("+1 415-555-0132", "(415) 555-0132", "+49 30 901820", "030 / 90 18 20"),
    _SHAPES,
)
