"""Operators that write the same pseudonym for the same value: `hash` and `tokenize`.

Plain digests of telephone numbers or cards are found by trying all of them; an HMAC needs the key. Every
pseudonym ends in a keyed check of itself, so that a second masking leaves it as it is, and nobody can have a
value left as it is by making it look like one.
"""

from __future__ import annotations

import hmac
import re
from base64 import b32decode, b32encode
from dataclasses import dataclass, field

from policy_middleware.masking.keys import purpose_key

_CHECK_BYTES = 5
_ALPHABET = "[a-z2-7]"
"""Base32 in lower case, without padding: one word, in which no recogniser finds anything."""


@dataclass(frozen=True, slots=True)
class _Pseudonyms:
    key: bytes = field(repr=False)
    digest_bytes: int

    def of(self, value: str) -> str:
        digest = hmac.digest(self.key, b"value\0" + value.encode(errors="surrogatepass"), "sha256")
        return _spelled(digest[: self.digest_bytes] + self._check(digest[: self.digest_bytes]))

    def made(self, digits: str) -> bool:
        """True for what `of` has returned for some value."""
        raw = b32decode(digits.upper())
        digest, check = raw[: self.digest_bytes], raw[self.digest_bytes :]
        return hmac.compare_digest(check, self._check(digest))

    def _check(self, digest: bytes) -> bytes:
        return hmac.digest(self.key, b"check\0" + digest, "sha256")[:_CHECK_BYTES]

    @property
    def digits(self) -> int:
        return (self.digest_bytes + _CHECK_BYTES) * 8 // 5


class Hash:
    """Writes `hash_` and 160 bits of HMAC-SHA256 under the tenant's key."""

    __slots__ = ("_own", "_pseudonyms", "strictness")

    def __init__(self, strictness: int, tenant_key: bytes) -> None:
        self.strictness = strictness
        self._pseudonyms = _Pseudonyms(purpose_key(tenant_key, "hash"), 20)
        self._own = re.compile(f"hash_({_ALPHABET}{{{self._pseudonyms.digits}}})")

    def text(self, value: str, entity: str) -> str:
        """Return the hash of a value; a hash made here stays as it is."""
        own = self._own.fullmatch(value)
        if own is not None and self._pseudonyms.made(own[1]):
            return value
        return f"hash_{self._pseudonyms.of(value)}"


class Tokenize:
    """Writes what was there and 80 bits that stand for the value: `EMAIL_ADDRESS_k3jx...`.

    The digits are the same wherever a tenant's value occurs, as a field or in a text, so that records can
    still be joined.
    """

    __slots__ = ("_own", "_pseudonyms", "strictness")

    def __init__(self, strictness: int, tenant_key: bytes) -> None:
        self.strictness = strictness
        self._pseudonyms = _Pseudonyms(purpose_key(tenant_key, "tokenize"), 10)
        self._own = re.compile(f"[A-Z][A-Z0-9_]*_({_ALPHABET}{{{self._pseudonyms.digits}}})")

    def text(self, value: str, entity: str) -> str:
        """Return the token of a value; a token made here stays as it is."""
        own = self._own.fullmatch(value)
        if own is not None and self._pseudonyms.made(own[1]):
            return value
        return f"{entity}_{self._pseudonyms.of(value)}"


def _spelled(raw: bytes) -> str:
    return b32encode(raw).decode().lower()
