"""Which request an approval is for: one digest over everything the approver agreed to."""

from __future__ import annotations

import hashlib

_DOMAIN = b"policy-middleware approval fingerprint 1"
_ABSENT = 0xFFFFFFFF


def fingerprint(
    *,
    tenant: str,
    subject: str,
    method: str,
    path: str,
    query: str,
    content_type: str | None,
    body_digest: str,
    action: str,
    resource: str | None,
) -> str:
    """Return the SHA-256 hex digest that binds an approval to exactly one request.

    `query` is the raw query string, `body_digest` the SHA-256 hex digest of the body's bytes. Every part is
    preceded by its length, so that no two different requests share a spelling; None differs from "".
    """
    digest = hashlib.sha256(_DOMAIN)
    for part in (tenant, subject, method, path, query, content_type, body_digest, action, resource):
        if part is None:
            digest.update(_ABSENT.to_bytes(4, "big"))
            continue
        # Servers hand on undecodable octets as lone surrogates; `surrogatepass` keeps them apart.
        encoded = part.encode("utf-8", "surrogatepass")
        digest.update(len(encoded).to_bytes(4, "big"))
        digest.update(encoded)
    return digest.hexdigest()


def body_digest(body: bytes) -> str:
    """Return the SHA-256 hex digest of a whole body (`b""` for none)."""
    return hashlib.sha256(body).hexdigest()
