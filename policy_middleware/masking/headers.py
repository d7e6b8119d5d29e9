"""The header fields of a masked response."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Set
from typing import Final, Protocol
from urllib.parse import unquote

from policy_middleware.masking.bodies.rules import BodyRules, Tally
from policy_middleware.masking.codecs import codings_of
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
        "content-encoding",
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

_REDIRECTING: Final = frozenset({"content-location", "location", "refresh"})
_ALL_OR_NOTHING: Final = frozenset({"set-cookie"})
"""Half a cookie would sign somebody out, or in as somebody else."""
_PROTOCOL: Final = frozenset(
    {
        "allow",
        "alt-svc",
        "connection",
        "content-language",
        "content-type",
        "date",
        "keep-alive",
        "nel",
        "permissions-policy",
        "referrer-policy",
        "report-to",
        "reporting-endpoints",
        "retry-after",
        "server",
        "strict-transport-security",
        "upgrade",
        "vary",
        "via",
        "x-content-type-options",
        "x-frame-options",
    }
)
_PROTOCOL_FAMILIES: Final = ("access-control-", "content-security-policy", "cross-origin-")
"""Fields that tell browsers and servers what to do: a date or an address in them is nobody's."""


class MaskedHeader(Protocol):
    """The value of a header that may leave."""

    @property
    def value(self) -> str | None:
        """The value; None when the header may not leave."""

    @property
    def count(self) -> int:
        """How many values were masked in it."""

    @property
    def entities(self) -> Mapping[str, int]:
        """What was recognised in it."""


class HeaderMasker(Protocol):
    """What masks the headers that a mask names."""

    @property
    def named_headers(self) -> Set[str]:
        """Their lower-case names."""

    def mask_header(self, name: str, value: str) -> MaskedHeader:
        """Return a value as it may leave; raises MaskError."""


def check_identity(headers: Iterable[Header]) -> None:
    """Raise MaskError when a Content-Encoding other than `identity` hides the body."""
    if codings_of(values_of(headers, "content-encoding")):
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


def masked_headers(
    headers: Iterable[Header],
    masker: HeaderMasker,
    rules: BodyRules,
    *,
    length: int | None,
    masked: Tally | str | None,
) -> list[Header]:
    """Return `headers` as they may accompany the masked body.

    `length` is the new Content-Length (None: none is sent), `masked` what X-Policy-Masked tells (a tally: its
    count; None: nothing is sent). Headers that the mask names are treated as it says, and others searched:
    where something is recognised it is masked, but a cookie is left out, as is any field that spells a value
    percent-encoded, and MaskError is raised for one in the address that a redirect leads to. A mask that only
    names fields recognises nothing, so headers pass as they are.
    """
    kept: list[Header] = []
    for name, value in headers:
        lower = name.lower()
        if _is_stripped(lower):
            continue
        shown: str | None = value
        if lower in masker.named_headers:
            shown = _as_named(lower, value, masker, rules)
        elif rules.has_texts and not _is_of_the_protocol(lower):
            shown = _searched(lower, value, rules)
        if shown is not None:
            kept.append((name, shown))
    kept.append(CACHE_CONTROL)
    if length is not None:
        kept.append(("Content-Length", str(length)))
    if masked is not None:
        kept.append((MASKED_HEADER, masked if isinstance(masked, str) else str(masked.count)))
    return kept


def _as_named(name: str, value: str, masker: HeaderMasker, rules: BodyRules) -> str | None:
    masked = masker.mask_header(name, value)
    rules.tally.found(masked.entities)
    rules.tally.count += masked.count - sum(masked.entities.values())
    if masked.count:
        rules.tally.place(f"header {name}")
    return masked.value


def _searched(name: str, value: str, rules: BodyRules) -> str | None:
    """Return what may leave of a value, None for nothing."""
    text = _as_utf8(value)
    plain = unquote(text) if "%" in text else text
    (shown,), found = rules.looked_at([text])
    in_plain = found if plain == text else rules.looked_at([plain])[1]
    if not found and not in_plain:
        return value
    if name in _REDIRECTING:
        raise MaskError(f"{name} leads to an address that holds a value to be masked")
    rules.tally.found(found or in_plain)
    rules.tally.place(f"header {name}")
    if name in _ALL_OR_NOTHING or not found:
        return None
    return _one_line(shown)


def _as_utf8(value: str) -> str:
    """Return the text that header bytes stand for: UTF-8 where they are that, else Latin-1."""
    if value.isascii():
        return value
    try:
        return value.encode("latin-1").decode()
    except UnicodeError:
        return value


def _one_line(text: str) -> str:
    """Return a text as header bytes read as Latin-1, without what would begin another field."""
    return "".join(" " if char in "\r\n\0" else char for char in text).encode().decode("latin-1")


def _is_of_the_protocol(name: str) -> bool:
    return name in _PROTOCOL or name.startswith(_PROTOCOL_FAMILIES)


def _is_stripped(name: str) -> bool:
    return name in _OF_THE_ORIGINAL or name in _CACHING or name.endswith(_TARGETED_CACHE_CONTROL)
