"""Hardware addresses (IEEE 802): EUI-48 and EUI-64."""

from __future__ import annotations

from typing import Final

from policy_middleware.masking.recognizers.recognizer import Recognizer, Shape

_OCTETS: Final = (6, 8)


def _octets(value: bytes) -> tuple[int, int] | None:
    """Reject longer rows of octets, such as the fingerprint of a key, and mixed separators."""
    separator = value[2:3]
    parts = value.split(separator)
    return (0, len(value)) if len(parts) in _OCTETS and all(len(part) == 2 for part in parts) else None


MAC_ADDRESS: Final = Recognizer(
    "MAC_ADDRESS",
    "The hardware address of a network interface.",
    ("00:1A:2B:3C:4D:5E", "00-1a-2b-3c-4d-5e", "001a.2b3c.4d5e"),
    (
        Shape(
            r"[0-9A-Fa-f]{2}(?:[:-][0-9A-Fa-f]{2}){5,31}",
            presence=r"[0-9A-Fa-f]{2}[:-][0-9A-Fa-f]{2}[:-][0-9A-Fa-f]{2}[:-][0-9A-Fa-f]",
            judge=_octets,
            not_after=b":-",
            apart=True,
        ),
        Shape(
            r"[0-9A-Fa-f]{4}\.[0-9A-Fa-f]{4}\.[0-9A-Fa-f]{4}",
            presence=r"[0-9A-Fa-f]{4}\.[0-9A-Fa-f]{4}\.",
            not_after=b".",
            apart=True,
        ),
    ),
)
