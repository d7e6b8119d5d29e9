"""The operator whose work can be undone with the key: AES-SIV (RFC 5297).

It is deterministic: the same value of a tenant is always written the same. So records can be joined, masking
a stream equals masking the whole, masking twice changes nothing, and no nonce can repeat. What it tells is
which values are equal; `redact` tells nothing.
"""

from __future__ import annotations

import re
from base64 import b32decode, b32encode
from binascii import Error as NotBase32
from collections.abc import Callable
from typing import Final

from policy_middleware.masking.keys import purpose_key
from policy_middleware.model.errors import MissingExtra

_PREFIX: Final = "enc_"
_OWN: Final = re.compile(rf"{_PREFIX}([a-z2-7]+)")
_BOUND_TO: Final = [b"policy-middleware/mask/encrypt/v1"]
_VERSION: Final = b"\x01"
"""Stands before every value; AES-SIV encrypts nothing that is empty."""


class Encrypt:
    """Writes `enc_` and the value encrypted under the tenant's key."""

    __slots__ = ("_cipher", "strictness")

    def __init__(self, strictness: int, tenant_key: bytes) -> None:
        """Make the cipher; raises MissingExtra without `cryptography`."""
        try:
            from cryptography.hazmat.primitives.ciphers.aead import AESSIV
        except ImportError:
            raise MissingExtra("crypto", "the operator encrypt") from None
        self.strictness = strictness
        self._cipher = AESSIV(purpose_key(tenant_key, "encrypt", 64))

    def text(self, value: str, entity: str) -> str:
        """Return the value encrypted; what was encrypted here stays as it is."""
        own = _OWN.fullmatch(value)
        if own is not None and self._opened(own[1]) is not None:
            return value
        sealed = self._cipher.encrypt(_VERSION + value.encode(errors="surrogatepass"), _BOUND_TO)
        return _PREFIX + b32encode(sealed).decode().rstrip("=").lower()

    def decrypted(self, text: str, spelled: Callable[[str], str] = str) -> tuple[str, int]:
        """Return `text` with everything readable that was encrypted under this key, and how much that was.

        `spelled` says how a value is written into the text.
        """
        count = 0

        def readable(found: re.Match[str]) -> str:
            nonlocal count
            value = self._opened(found[1])
            if value is None:
                return found[0]
            count += 1
            return spelled(value)

        return _OWN.sub(readable, text), count

    def _opened(self, digits: str) -> str | None:
        from cryptography.exceptions import InvalidTag

        try:
            sealed = b32decode(digits.upper() + "=" * (-len(digits) % 8))
            plain = self._cipher.decrypt(sealed, _BOUND_TO)
        except (InvalidTag, NotBase32, ValueError):
            return None
        return plain[len(_VERSION) :].decode(errors="surrogatepass")
