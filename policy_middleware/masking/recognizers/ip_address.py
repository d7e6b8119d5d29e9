"""Internet addresses, version 4 and 6, also with a prefix length or a zone."""

from __future__ import annotations

from socket import AF_INET6, inet_pton
from typing import Final

from policy_middleware.masking.recognizers.recognizer import Recognizer, Shape

_WORD: Final = b"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_"
_PADDED: Final = 15
"""Characters of an address whose octets all have three digits."""
_LONG_ENOUGH: Final = 9
"""Characters without a digit; what is shorter is rather `A::Bad` of some programming language."""


def _version_4(value: bytes) -> tuple[int, int] | None:
    """Accept four octets, padded with zeros all or none; more parts are a version or an object identifier."""
    address = value.partition(b"/")[0]
    parts = address.split(b".")
    if len(parts) != 4 or any(int(part) > 255 for part in parts):
        return None
    are_padded = any(len(part) > 1 and part[:1] == b"0" for part in parts)
    return None if are_padded and len(address) < _PADDED else (0, len(value))


def _version_6(value: bytes) -> tuple[int, int] | None:
    address = value.partition(b"/")[0].partition(b"%")[0]
    # "fe80::1:" is an address and the colon of a sentence.
    end = len(value)
    if len(address) == len(value) and value.endswith(b":") and not value.endswith(b"::"):
        address, end = address[:-1], end - 1
    if not any(48 <= byte <= 57 for byte in value) and len(address) < _LONG_ENOUGH:
        return None
    try:
        inet_pton(AF_INET6, address.decode("ascii"))
    except OSError:
        return None
    return 0, end


IP_ADDRESS: Final = Recognizer(
    "IP_ADDRESS",
    "An internet address, version 4 or 6.",
    ("192.168.0.17", "10.0.0.0/8", "2001:db8::8a2e:370:7334"),
    (
        Shape(
            r"\d{1,3}(?:\.\d{1,3}){3,7}(?:/\d{1,2})?",
            presence=r"\d\.\d{1,3}\.\d{1,3}\.\d",
            judge=_version_4,
            not_after=b".",
            apart=True,
        ),
        Shape(
            r"(?:[0-9A-Fa-f]{1,4}|:)(?::[0-9A-Fa-f]{0,4}){1,8}(?:(?:\.\d{1,3}){3})?"
            r"(?:%[0-9A-Za-z]{1,15})?(?:/\d{1,3}\b)?",
            presence=r"::|[0-9A-Fa-f]:[0-9A-Fa-f]{1,4}:[0-9A-Fa-f]",
            judge=_version_6,
            not_after=_WORD + b":.",
        ),
    ),
)
