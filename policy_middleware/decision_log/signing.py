"""Ed25519 signatures of checkpoints, by the extra `crypto`."""

from __future__ import annotations

from policy_middleware.decision_log.chain import Signer
from policy_middleware.model.errors import MissingExtra, SettingsError


def open_signer(private_key: bytes) -> Signer:
    """Return what signs with a private key, the 32 bytes of RFC 8032; raises SettingsError, MissingExtra."""
    try:
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    except ImportError:
        raise MissingExtra("crypto", "decision_log_signing_key") from None
    if len(private_key) != 32:
        raise SettingsError("decision_log_signing_key: an Ed25519 private key has 32 bytes (64 hex digits)")
    key = Ed25519PrivateKey.from_private_bytes(private_key)

    class Ed25519Signer:
        public_key = key.public_key().public_bytes_raw()

        @staticmethod
        def sign(message: bytes) -> bytes:
            return key.sign(message)

    return Ed25519Signer()
