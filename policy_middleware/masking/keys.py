"""The secrets of keyed operators: one key per tenant, and below it one per purpose."""

from __future__ import annotations

import hmac
from collections.abc import Callable
from threading import Lock
from typing import Final

from policy_middleware.model.errors import MaskError, SettingsError

SHORTEST_SECRET: Final = 32
SHORTEST_KEY: Final = 16
"""Bytes; a key per tenant may be shorter because some key services hand out 128 bits."""

_TENANT: Final = b"policy-middleware/mask/tenant/v1\0"
_PURPOSE: Final = b"policy-middleware/mask/purpose/v1\0"
_MOST_TENANTS: Final = 4096
NO_KEY: Final = "needs a mask key: set mask_secret (POLICY_MASK_SECRET, 64 hex digits) or mask_key"


def hkdf(secret: bytes, info: bytes, length: int = 32) -> bytes:
    """Return `length` bytes derived from `secret` for the use that `info` names (HKDF-SHA256, RFC 5869)."""
    pseudorandom = hmac.digest(b"", secret, "sha256")
    derived, block = b"", b""
    while len(derived) < length:
        block = hmac.digest(pseudorandom, block + info + bytes([len(derived) // 32 + 1]), "sha256")
        derived += block
    return derived[:length]


def purpose_key(tenant_key: bytes, purpose: str, length: int = 32) -> bytes:
    """Return the key that one operator works with, so that no operator's output tells of another's."""
    return hkdf(tenant_key, _PURPOSE + purpose.encode(), length)


def check_tenant_key(key: object) -> bytes:
    """Return `key`; raises MaskError unless it is at least 16 bytes."""
    if not isinstance(key, bytes) or len(key) < SHORTEST_KEY:
        raise MaskError(f"a tenant's mask key is at least {SHORTEST_KEY} bytes")
    return key


class MaskKeys:
    """Hands out each tenant's key: derived from one secret, or asked of the application once per process."""

    __slots__ = ("_ask", "_known", "_lock", "_secret")

    def __init__(self, secret: bytes | None, ask: Callable[[str], bytes] | None) -> None:
        """Take `mask_secret` or `mask_key`; raises SettingsError for both, or fewer than 32 bytes."""
        if secret is not None and ask is not None:
            raise SettingsError("mask_secret and mask_key are two sources of the same keys; keep one")
        if secret is not None and len(secret) < SHORTEST_SECRET:
            raise SettingsError(
                f"mask_secret: has {len(secret)} bytes; at least {SHORTEST_SECRET} random ones are needed "
                "(openssl rand -hex 32)"
            )
        self._secret = secret
        self._ask = ask
        self._known: dict[str, bytes] = {}
        self._lock = Lock()

    @property
    def configured(self) -> bool:
        """True when there are keys."""
        return self._secret is not None or self._ask is not None

    def asks_for(self, tenant: str) -> bool:
        """True when `of` would ask the application, which may take its time."""
        return self._ask is not None and tenant not in self._known

    def of(self, tenant: str) -> bytes | None:
        """Return the tenant's key, None when no keys are configured.

        Raises MaskError when the application's `mask_key` fails or returns no key; it is asked again then.
        """
        known = self._known.get(tenant)
        if known is not None or not self.configured:
            return known
        key = self._made(tenant)
        with self._lock:
            if len(self._known) >= _MOST_TENANTS:
                self._known.clear()
            self._known[tenant] = key
        return key

    def _made(self, tenant: str) -> bytes:
        if self._ask is None:
            return hkdf(self._secret or b"", _TENANT + tenant.encode())
        try:
            answer: object = self._ask(tenant)
        except Exception as error:
            raise MaskError(f"mask_key failed for tenant {tenant!r}: {type(error).__name__}") from error
        return check_tenant_key(answer)
