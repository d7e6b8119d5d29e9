"""Which request an approval is for: one digest over everything the approver agreed to."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from itertools import chain

from policy_middleware.model.context import AttributeValue

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
    attributes: Mapping[str, AttributeValue] | None = None,
) -> str:
    """Return the SHA-256 hex digest that binds an approval to exactly one request.

    `query` is the raw query string, `body_digest` the SHA-256 hex digest of the body's bytes. Every part is
    preceded by its length, so that no two different requests share a spelling; None differs from "".
    `attributes` are what else was decided on; each is a set of values, so their order does not count.
    """
    digest = hashlib.sha256(_DOMAIN)
    further = attributes or {}
    request = (tenant, subject, method, path, query, content_type, body_digest, action, resource)
    for part in (*request, *chain.from_iterable((name, _values(further[name])) for name in sorted(further))):
        if part is None:
            digest.update(_ABSENT.to_bytes(4, "big"))
            continue
        # Servers hand on undecodable octets as lone surrogates; `surrogatepass` keeps them apart.
        encoded = part.encode("utf-8", "surrogatepass")
        digest.update(len(encoded).to_bytes(4, "big"))
        digest.update(encoded)
    return digest.hexdigest()


def _values(value: AttributeValue) -> str:
    """Return one spelling of a set of values; JSON tells `1` from `"1"`."""
    values = value if isinstance(value, tuple) else (value,)
    return json.dumps(sorted(set(map(json.dumps, values))))


def body_digest(body: bytes) -> str:
    """Return the SHA-256 hex digest of a whole body (`b""` for none)."""
    return hashlib.sha256(body).hexdigest()
