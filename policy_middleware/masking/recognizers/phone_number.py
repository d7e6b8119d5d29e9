"""Telephone numbers: international, and national as people write them.

With the extra `phone` also what the national numbering plans of some regions allow, in any grouping: the
patterns come from the metadata of `phonenumbers`, and RE2 searches them, because that library's own matcher
takes milliseconds per kilobyte.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

from policy_middleware.masking.linear_search import Match, Searcher
from policy_middleware.masking.recognizers.recognizer import Recognizer, Shape

REGIONS: Final = (
    *("US", "GB", "DE", "FR", "IT", "ES", "NL", "CH", "AT", "BE", "AU", "IN", "BR", "JP"),
    *("PT", "PL", "GR", "CZ"),
)
"""Regions whose national numbers are recognised without a country code."""
# With a sign behind where others end with the bare word ("historically", "hotel"). Each word is looked for at
# each number, so that a megabyte of numbers pays for every one.
_CONTEXT: Final = (
    *(b"phone", b"mobile", b"call ", b"call:", b"fax", b"tel.", b"tel:", b"contact"),
    *(b"dial", b"reach", b"sms", b"whatsapp"),
)
_NAMES: Final = ("phone", "telephone", "tel", "mobile", "cell", "cellphone", "fax", "sms", "whatsapp")
_EXTENSION: Final = r"(?: ?(?i:x|ext\.?|extension|#) ?\d{1,6}\b|\b)"
_GAP: Final = r"[ ./()-]{0,3}"
_PLUS: Final = r"(?:\+|%2[Bb])"  # also as addresses of the web spell it
_ANNOUNCED: Final = (
    r"\d{9,12}|\d{2}(?:-\d{2}){3}|\d{2} \d{3} \d{3}|\d{2} \d{6}|\d{3} \d{4}|\d{3} \d{2} \d{3}|\d{4} \d{4}"
)
"""How people group numbers that only a word before them tells from other numbers.

No pairs with spaces: in a row of pairs each one begins a match, and each match costs a look for the words.
"""


_DIGITS: Final = b"0123456789"
_OTHERS: Final = bytes(byte for byte in range(256) if not 48 <= byte <= 57)
_GROUP: Final = re.compile(rb"\d+")
_NORTH_AMERICAN: Final = frozenset({(3, 3, 4), (1, 3, 3, 4)})
_LOCAL: Final = (3, 4)
_OF_OTHERS: Final = frozenset({(3, 2, 4), (4, 2, 2), (2, 2, 4), (4, 2, 2, 2), (2, 2, 4, 2)})
"""Social security numbers, and dates with or without an hour."""
_PLANNED: Final = frozenset(
    {
        *((3, 3, 3), (3, 2, 2, 2), (2, 3, 4), (2, 3, 2, 2), (2, 4, 4), (2, 5, 4)),
        *((3, 6), (3, 7), (4, 6), (5, 5), (4, 3, 3)),
    }
)
"""How numbers without a zero in front are grouped where people write them so; a plan has to know them too."""
_BRACKETED: Final = frozenset({(2, 3, 3), (1, 3, 4)})
_EXTENSION_SIGN: Final = re.compile(rb"[x#t]", re.IGNORECASE)
_FEWEST, _MOST_NATIONAL = 7, 12
_FEWEST_TRUNK: Final = 9
"""Digits of a number that begins with a zero; what is shorter is rather a postcode beside a house number."""
_LIKENESS: Final = bytes.maketrans(b"012345678", b"9" * 9)
_SPACED: Final = bytes(byte if 48 <= byte <= 57 else 32 for byte in range(256))


def _not_one_digit(value: bytes) -> tuple[int, int] | None:
    """Reject a placeholder: one digit over and over."""
    return (0, len(value)) if len(set(value.translate(None, _OTHERS))) > 1 else None


def _national(value: bytes) -> tuple[int, int] | None:
    """Accept the longest row of groups that is grouped, or numbered, as telephone numbers are."""
    digits = value.translate(None, _OTHERS)
    rows = _rows(value.translate(_LIKENESS), digits[:1])
    if not rows:
        return None
    for end, count, is_planned in rows:
        row = digits[:count]
        if row.count(row[:1]) < count and (not is_planned or _in_plan(row)):
            return 0, end
    return None


@lru_cache(maxsize=16_384)
def _rows(likeness: bytes, first: bytes) -> tuple[tuple[int, int, bool], ...]:
    """Return the rows of groups that can be a number, the longest first, by their likeness.

    Each by where it ends, how many digits it has, and whether a numbering plan has to know it. `likeness`
    tells where digits are, `first` is the first of them.
    """
    ends = [group.end() for group in _GROUP.finditer(likeness)]
    groups = likeness.translate(_SPACED).split()
    if _EXTENSION_SIGN.search(likeness):
        groups.pop()
    rows = []
    for count in range(len(groups), 0, -1):
        lengths = tuple(map(len, groups[:count]))
        if _FEWEST <= sum(lengths) <= _MOST_NATIONAL:
            is_planned = _needs_plan(likeness, lengths, first)
            if is_planned is not None:
                end = len(likeness) if count == len(groups) else ends[count - 1]
                rows.append((end, sum(lengths), is_planned))
    return tuple(rows)


def _needs_plan(value: bytes, lengths: tuple[int, ...], first: bytes) -> bool | None:
    """Return False when groups of such `lengths` are a number, True when a plan has to say so, else None."""
    if lengths in _NORTH_AMERICAN:
        return False if len(lengths) == 3 or first == b"1" else None
    if lengths == _LOCAL:
        return False if value[3:4] == b"-" else None
    if len(lengths) == 1 or _is_other(value, lengths, first):
        return None
    if first == b"0":
        return False if sum(lengths) >= _FEWEST_TRUNK else None
    if lengths in _BRACKETED and value.startswith(b"("):
        return False
    if lengths not in _PLANNED:
        return None
    # A row that only a plan speaks for must at least look like one number.
    if b"(" not in value and len(set(value.translate(None, _DIGITS))) > 1:
        return None
    return True


def _is_other(value: bytes, lengths: tuple[int, ...], first: bytes) -> bool:
    """Return True for groups that are rather a date, an amount, a version or an internet address."""
    if lengths in _OF_OTHERS:
        return first != b"0" or lengths[0] != 4
    if len(lengths) == 2 and value[lengths[0] : lengths[0] + 1] == b".":  # A decimal fraction.
        return True
    if value.count(b"/") > 1 or (b"." in value and b" " in value):  # A date or an amount beside a number.
        return True
    return max(lengths) <= 3 and b"." in value and first != b"0"


def _abroad_or_in_plan(value: bytes) -> tuple[int, int] | None:
    """Accept what follows an international prefix, and a row of digits that a numbering plan knows."""
    digits = value[: len(value) - len(value.lstrip(_DIGITS))]
    return _not_one_digit(value) if value.startswith(b"00") or _in_plan(digits) else None


def _in_plan(digits: bytes) -> bool:
    return _plans()(digits, 0, len(digits)) is not None


@lru_cache(maxsize=1)
def _plans() -> Match:
    """Return the match of any numbering plan of the regions; without the extra, a match of nothing."""
    try:
        import phonenumbers
    except ImportError:
        return _matches_nothing
    plans = []
    for region in REGIONS:
        metadata = phonenumbers.PhoneMetadata.metadata_for_region(region)
        if metadata is None:
            continue
        kinds = (metadata.fixed_line, metadata.mobile, metadata.toll_free)
        patterns = [kind.national_number_pattern for kind in kinds if kind is not None]
        prefix = metadata.national_prefix or ""
        plans += [f"(?:{prefix})?(?:{pattern})" for pattern in patterns if pattern]
    return Searcher(("(?:" + "|".join(plans) + r")\z").encode("ascii")).match


def _matches_nothing(digits: bytes, start: int, end: int) -> None:
    return None


_SHAPES: Final = (
    Shape(
        _PLUS + r"[(]?[1-9]\d{0,3}(?:" + _GAP + r"\d){6,13}" + _EXTENSION,
        presence=_PLUS + r"[(]?[1-9](?:[ ./()-]{0,3}\d){6}",
        judge=_not_one_digit,
        not_after=b"0123456789",
    ),
    Shape(
        r"\b(?:00[ -]?[1-9]\d{0,3}(?:" + _GAP + r"\d){6,13}|0[1-9]\d{8,9})" + _EXTENSION,
        presence=r"\b0(?:0[ -]?[1-9](?:[ ./()-]{0,3}\d){6}|[1-9]\d{8})",
        judge=_abroad_or_in_plan,
        not_after=b".-+",
        score=0.8,
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
        r"\b(?:" + _ANNOUNCED + ")" + _EXTENSION,
        presence=r"\d{9}|\d{2}-\d{2}-\d|\d{2} \d{2}",
        judge=_not_one_digit,
        context=_CONTEXT,
        names=_NAMES,
        not_after=b".-/+0123456789",
        score=0.6,
    ),
)

PHONE_NUMBER: Final = Recognizer(
    "PHONE_NUMBER",
    "A telephone number, international or as people write national ones.",
    ("+1 415-555-0132", "(415) 555-0132", "+49 30 901820", "030 / 90 18 20"),
    _SHAPES,
)
