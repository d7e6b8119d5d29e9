"""Telephone numbers: international, and national as people write them.

With the extra `phone` also what the national numbering plans of some regions allow, in any grouping: the
patterns come from the metadata of `phonenumbers`, and RE2 searches them, because that library's own matcher
takes milliseconds per kilobyte.
"""

from __future__ import annotations

from functools import lru_cache
from importlib.util import find_spec
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
_EXTENSION: Final = r"(?: ?(?i:x|ext\.?|extension|#) ?\d{1,6}\b)?"
_GAP: Final = r"[ ./()-]{0,3}"


def _digits(value: bytes) -> bytes:
    return bytes(byte for byte in value if 48 <= byte <= 57)


def _international(value: bytes) -> tuple[int, int] | None:
    return (0, len(value)) if len(set(_digits(value))) > 1 else None


def _grouped(value: bytes) -> tuple[int, int] | None:
    """Reject rows of digits that are something else: dates, and one digit repeated."""
    groups = bytes(byte if 48 <= byte <= 57 else 32 for byte in value).split()
    lengths = [len(group) for group in groups]
    if lengths[:3] in ([4, 2, 2], [2, 2, 4]) and len(groups) == 3:
        return None
    return (0, len(value)) if len(set(_digits(value))) > 1 else None


def _planned(value: bytes) -> tuple[int, int] | None:
    if _grouped(value) is None:
        return None
    digits = _digits(value.lower().partition(b"x")[0])
    return (0, len(value)) if _plans().match(digits, 0, len(digits)) is not None else None


@lru_cache(maxsize=1)
def _plans() -> Searcher:
    """Return the union of the regions' numbering plans, with their national prefix."""
    import phonenumbers

    plans = []
    for region in REGIONS:
        metadata = phonenumbers.PhoneMetadata.metadata_for_region(region)
        if metadata is None or metadata.general_desc is None:
            continue
        prefix = metadata.national_prefix or ""
        kinds = (metadata.fixed_line, metadata.mobile, metadata.toll_free)
        plans += [
            f"(?:{prefix})?(?:{kind.national_number_pattern})"
            for kind in kinds
            if kind is not None and kind.national_number_pattern
        ]
    return Searcher(("(?:" + "|".join(plans) + r")\z").encode("ascii"))


_SHAPES: Final = (
    Shape(
        r"\+[(]?[1-9]\d{0,3}(?:" + _GAP + r"\d){6,13}\b" + _EXTENSION,
        presence=r"\+[(]?[1-9](?:[ ./()-]{0,3}\d){6}",
        judge=_international,
        not_after=b"0123456789",
    ),
    Shape(
        r"\b00[ -]?[1-9]\d{0,3}(?:" + _GAP + r"\d){6,13}\b" + _EXTENSION,
        presence=r"\b00[ -]?[1-9](?:[ ./()-]{0,3}\d){6}",
        judge=_international,
        not_after=b".-",
    ),
    Shape(
        r"(?:\(\d{3}\) ?|\b(?:1[ .-])?\d{3}[ .-])\d{3}[ .-]\d{4}\b" + _EXTENSION,
        presence=r"\d{3}[ .-]\d{4}",
        judge=_grouped,
        not_after=b".-+0123456789",
    ),
    Shape(
        r"(?:\(0\d{1,5}\)|\b0\d{1,5})[ ./-]{1,3}\d{2,8}(?:[ ./-]\d{2,8}){0,4}\b" + _EXTENSION,
        presence=r"0\d{1,5}\)?[ ./-]{1,3}\d{2}",
        judge=_grouped,
        not_after=b".-/+0123456789",
    ),
    Shape(
        r"\b\d{3}[ .-]?\d{3}[ .-]?\d{4}\b" + _EXTENSION,
        presence=r"\d{3}[ .-]?\d{4}",
        judge=_grouped,
        context=_CONTEXT,
        not_after=b".-+",
    ),
    Shape(
        r"\b\d{3}-\d{4}\b" + _EXTENSION,
        presence=r"\d{3}-\d{4}",
        judge=_grouped,
        not_after=b".-+/0123456789",
        score=0.5,
    ),
)
_PLANNED: Final = Shape(
    r"[(]?\b\d{2,5}[)]?(?:[ ./-]{1,2}\d{2,8}){1,5}\b" + _EXTENSION,
    presence=r"\d{2}[)]?[ ./-]{1,2}\d{2}",
    judge=_planned,
    not_after=b".-+/0123456789",
    score=0.7,
)

PHONE_NUMBER: Final = Recognizer(
    "PHONE_NUMBER",
    "A telephone number, international or as people write national ones.",
    ("+1 415-555-0132", "(415) 555-0132", "+49 30 901820", "030 / 90 18 20"),
    (*_SHAPES, _PLANNED) if find_spec("phonenumbers") is not None else _SHAPES,
)
