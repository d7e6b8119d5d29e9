"""The header fields of a masked response."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from policy_middleware.model.errors import MaskError
from policy_middleware.responses import MASKED_HEADER

Header = tuple[str, str]

CACHE_CONTROL: Final = ("Cache-Control", "private, no-store")

# Validators and digests are those of the original body; a client or cache that kept them could revalidate,
# compare or guess it (RFC 9110 section 8.8, RFC 9530, RFC 9421).
_OF_THE_ORIGINAL: Final = frozenset(
    {
        "accept-ranges",
        "content-digest",
        "content-length",
        "content-md5",
        "digest",
        "etag",
        "last-modified",
        "repr-digest",
        "signature",
        "signature-input",
        "trailer",
        "transfer-encoding",
        "unencoded-digest",
        MASKED_HEADER.lower(),
    }
)
# What a cache obeys beside, or before, Cache-Control.
_CACHING: Final = frozenset(
    {
        "age",
        "cache-control",
        "edge-control",
        "expires",
        "pragma",
        "surrogate-control",
        "x-accel-expires",
    }
)
_TARGETED_CACHE_CONTROL: Final = "-cache-control"  # CDN-Cache-Control and its kin win (RFC 9213)

_DELIVERED_BY_PROXY: Final = frozenset(
    {"x-accel-redirect", "x-lighttpd-send-file", "x-reproxy-url", "x-sendfile", "x-sendfile2"}
)
"""A proxy that reads one of these replaces the body by a file nobody masked."""


def check_identity(headers: Iterable[Header]) -> None:
    """Raise MaskError when a Content-Encoding other than `identity` hides the body."""
    for name, value in headers:
        if name.lower() == "content-encoding":
            codings = {coding.strip().lower() for coding in value.split(",")}
            if not codings <= {"identity", ""}:
                raise MaskError("the body is compressed or encoded (Content-Encoding) and cannot be masked")


def check_deliverable(headers: Iterable[Header]) -> None:
    """Raise MaskError when the body is only a part, or is not the one that will be delivered."""
    for name, _ in headers:
        if name.lower() == "content-range":
            raise MaskError("a part of a body (Content-Range) cannot be masked")
        if name.lower() in _DELIVERED_BY_PROXY:
            raise MaskError(f"{name} lets the proxy deliver a file in place of the body; it cannot be masked")


def values_of(headers: Iterable[Header], wanted: str) -> list[str]:
    """Return every value of the field `wanted` (lower case), in order."""
    return [value for name, value in headers if name.lower() == wanted]


def masked_headers(headers: Iterable[Header], *, length: int | None, count: int | None) -> list[Header]:
    """Return `headers` as they may accompany the masked body.

    `length` is the new Content-Length (None: none is sent) and `count` the number of masked values (None:
    unknown). Other fields pass as they are: a value that the application repeats in `Link`, `Location` or
    `Set-Cookie` is not looked for.
    """
    kept = [(name, value) for name, value in headers if not _is_stripped(name.lower())]
    kept.append(CACHE_CONTROL)
    if length is not None:
        kept.append(("Content-Length", str(length)))
    if count is not None:
        kept.append((MASKED_HEADER, str(count)))
    return kept


def _is_stripped(name: str) -> bool:
    return name in _OF_THE_ORIGINAL or name in _CACHING or name.endswith(_TARGETED_CACHE_CONTROL)
