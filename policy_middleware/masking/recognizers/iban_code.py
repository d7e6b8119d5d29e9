"""International bank account numbers: ISO 13616, checked modulo 97."""

from __future__ import annotations

from typing import Final

from policy_middleware.masking.recognizers.recognizer import Recognizer, Shape

# Country and length, SWIFT IBAN registry, release 99.
_REGISTRY: Final = (
    "AD24 AE23 AL28 AT20 AZ28 BA20 BE16 BG22 BH22 BI27 BR29 BY28 CH21 CR22 CY28 CZ24 DE22 DJ27 "
    "DK18 DO28 EE20 EG29 ES24 FI18 FK18 FO18 FR27 GB22 GE22 GI23 GL18 GR27 GT28 HN28 HR21 HU28 "
    "IE22 IL23 IQ23 IS26 IT27 JO30 KW30 KZ20 LB28 LC32 LI21 LT20 LU20 LV21 LY25 MC27 MD24 ME22 "
    "MK19 MN20 MR27 MT31 MU30 NI28 NL18 NO15 OM23 PK24 PL28 PS29 PT25 QA29 RO24 RS22 RU33 SA24 "
    "SC31 SD18 SE24 SI19 SK24 SM27 SO23 ST25 SV28 TL23 TN24 TR26 UA29 VA22 VG24 XK20 YE30 "
)
# Countries whose banks use the form without an entry in the registry.
_UNREGISTERED: Final = (
    "AO25 BF28 BJ28 CF27 CG27 CI28 CM27 CV25 DZ26 GA27 GQ27 GW25 IR26 KM27 MA28 MG27 ML28 MZ25 NE28 SN28 "
    "TD27 TG28 "
)
_LENGTHS: Final = {entry[:2].encode(): int(entry[2:]) for entry in (_REGISTRY + _UNREGISTERED).split()}
_SEPARATORS: Final = b" -."
_CLASSES: Final = (24, 33)
"""The most characters that the countries of one class have.

A stream waits for no more than that; a class for each length would make what it asks about ten times as long.
"""


def _pattern() -> str:
    """Return what account numbers look like, by the class of their country."""
    classes: dict[int, list[str]] = {}
    for country, length in sorted(_LENGTHS.items()):
        most = next(most for most in _CLASSES if length <= most)
        classes.setdefault(most, []).append(country.decode())
    return "|".join(_of_class(most, "|".join(countries)) for most, countries in sorted(classes.items()))


def _of_class(most: int, countries: str) -> str:
    return rf"(?:(?i:{countries})|(?:{countries}) )\d{{2}}(?:[ .-]?[A-Za-z0-9]){{11,{most - 4}}}"


def _iban(value: bytes) -> tuple[int, int] | None:
    length = _LENGTHS.get(value[:2].upper())
    compact = value.translate(None, _SEPARATORS)
    if length is None or len(compact) < length:
        return None
    end, seen = 0, 0
    while seen < length:
        seen += value[end] not in _SEPARATORS
        end += 1
    if value[end : end + 1].isalnum():
        return None
    number = (compact[4:length] + compact[:4]).decode("ascii")
    return (0, end) if int("".join(str(int(digit, 36)) for digit in number)) % 97 == 1 else None


IBAN_CODE: Final = Recognizer(
    "IBAN_CODE",
    "An international bank account number with valid check digits.",
    ("DE89 3704 0044 0532 0130 00", "GB29NWBK60161331926819", "NO93 8601 1117 947"),
    (
        Shape(
            _pattern(),
            presence=r"(?:\b|_)(?:[A-Za-z]{2}|[A-Z]{2} )\d{2}[ .-]?[A-Za-z0-9]",
            judge=_iban,
            inner=True,
            apart=True,
        ),
    ),
)
