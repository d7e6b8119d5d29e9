"""Addresses of crypto-currencies, with their checksums where they carry one."""

from __future__ import annotations

from hashlib import sha256
from typing import Final

from policy_middleware.masking.recognizers.recognizer import Recognizer, Shape

_BASE58: Final = {
    byte: value for value, byte in enumerate(b"123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz")
}
_BECH32: Final = {byte: value for value, byte in enumerate(b"qpzry9x8gf2tvdw0s3jn54khce6mua7l")}
_GENERATORS: Final = (0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3)
_CHECKSUMS: Final = frozenset({1, 0x2BC830A3})
"""Of bech32 (BIP 173) and bech32m (BIP 350)."""
_BYTES: Final = 25
"""Version, twenty bytes of hash, four of checksum."""


def _base58check(value: bytes) -> tuple[int, int] | None:
    number = 0
    for byte in value:
        number = number * 58 + _BASE58[byte]
    if number >> (8 * _BYTES):
        return None
    raw = number.to_bytes(_BYTES, "big")
    right = sha256(sha256(raw[:-4]).digest()).digest()[:4] == raw[-4:]
    return (0, len(value)) if right else None


def _bech32(value: bytes) -> tuple[int, int] | None:
    lowered = value.lower()
    if value not in (lowered, value.upper()):
        return None
    prefix, _, data = lowered.rpartition(b"1")
    values = [byte >> 5 for byte in prefix] + [0] + [byte & 31 for byte in prefix]
    values += [_BECH32[byte] for byte in data]
    checksum = 1
    for one in values:
        top = checksum >> 25
        checksum = (checksum & 0x1FFFFFF) << 5 ^ one
        for bit, generator in enumerate(_GENERATORS):
            if top >> bit & 1:
                checksum ^= generator
    return (0, len(value)) if checksum in _CHECKSUMS else None


CRYPTO: Final = Recognizer(
    "CRYPTO",
    "An address of Bitcoin and its kin with a valid checksum, or of Ethereum.",
    (
        "1BvBMSEYstWetqTFn5Au4m4GFg7xJaNVN2",
        "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4",
        "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed",
    ),
    (
        Shape(
            r"[123mnDLMT][1-9A-HJ-NP-Za-km-z]{25,34}",
            presence=r"[1-9A-HJ-NP-Za-km-z]{26}",
            judge=_base58check,
            apart=True,
        ),
        Shape(
            r"(?i:(?:bc|tb|ltc)1[02-9ac-hj-np-z]{11,71})",
            presence=r"(?i:[cb]1[02-9ac-hj-np-z]{11})",
            judge=_bech32,
            apart=True,
        ),
        Shape(r"0x[0-9a-fA-F]{40}", presence=r"0x[0-9a-fA-F]{40}", score=0.8, apart=True),
    ),
)
