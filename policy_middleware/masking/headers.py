"""The header fields of a masked response."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Set
from email.errors import MessageError
from email.header import decode_header, make_header
from typing import Final, Protocol
from urllib.parse import unquote, unquote_plus

from policy_middleware.masking.bodies.rules import BodyRules, Tally
from policy_middleware.model.errors import MaskError
from policy_middleware.responses import MASKED_HEADER

Header = tuple[str, str]

_NAME: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
"""A token (RFC 9110 section 5.6.2); what else servers write as a name, clients read in many ways."""
_BREAKS: Final = re.compile(r"[\r\n\0]")
_CHARSET: Final = re.compile(r"(?:^|;)[ \t]*charset=\"?([A-Za-z0-9!#$%&'*+.^_`|~-]+)", re.IGNORECASE)
_ESCAPE: Final = re.compile(r"\\(?:u([0-9A-Fa-f]{4})|([0-3][0-7]{2})|(.))")
"""How JSON, the cookies of Python's frameworks and quoted strings spell a character."""
_BLANKS: Final = frozenset("bfnrt")
"""Escapes of JSON for what has no width, or is a space."""

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
        "x-accel-charset",
        "x-amz-content-sha256",
        "x-content-digest",
        "x-goog-hash",
        MASKED_HEADER.lower(),
    }
)
_DIGESTS: Final = ("x-amz-checksum-", "x-checksum-")
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
    {
        "x-accel-redirect",
        "x-lighttpd-send-file",
        "x-lighttpd-send-tempfile",
        "x-litespeed-location",
        "x-reproxy-file",
        "x-reproxy-url",
        "x-sendfile",
        "x-sendfile-temporary",
        "x-sendfile2",
    }
)
"""A proxy that reads one of these replaces the body by a file nobody masked."""

_REDIRECTING: Final = frozenset({"content-location", "location", "refresh"})
_ALL_OR_NOTHING: Final = frozenset({"set-cookie"})
"""Half a cookie would sign somebody out, or in as somebody else."""
_NESTED_ADDRESSES: Final = 3
"""An address is percent-encoded once more where it is the parameter of another one."""
_PLAIN_TRANSFER: Final = frozenset({"", "chunked", "identity"})
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


def check_deliverable(headers: Iterable[Header]) -> None:
    """Raise MaskError when the body is only a part, or is not the one that will be delivered."""
    for name, value in headers:
        lower = name.lower()
        if _NAME.fullmatch(name) is None or _BREAKS.search(value) is not None:
            raise MaskError("a header is malformed, and may begin another one or hide what it says")
        if lower == "content-range":
            raise MaskError("a part of a body (Content-Range) cannot be masked")
        if lower in _DELIVERED_BY_PROXY:
            raise MaskError(
                f"{lower} lets the proxy deliver a file in place of the body; it cannot be masked"
            )
        if lower == "transfer-encoding" and value.strip(" \t").lower() not in _PLAIN_TRANSFER:
            raise MaskError("the body is encoded for its transfer (Transfer-Encoding) and cannot be masked")


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
    where something is recognised it is masked, but a cookie is left out, as is any field whose name holds a
    value or that spells one with escapes, and MaskError is raised for one in the address that a redirect
    leads to. A Content-Type with a value in its parameters keeps only its charset. A mask that only names
    fields recognises nothing, so headers pass as they are.
    """
    sent = [(name, name.lower(), value) for name, value in headers if not _is_stripped(name.lower())]
    unnamed = [(lower, value) for _, lower, value in sent if lower not in masker.named_headers]
    are_clean = not rules.has_texts or _are_clean(unnamed, rules)
    kept: list[Header] = []
    for name, lower, value in sent:
        shown: str | None = value
        if lower in masker.named_headers:
            shown = _as_named(lower, value, masker, rules)
        elif not are_clean:
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


def _are_clean(headers: Iterable[Header], rules: BodyRules) -> bool:
    """True when nothing is recognised in any header: one search instead of several for each."""
    texts: list[str] = []
    for name, value in headers:
        if name == "content-type" or not _is_of_the_protocol(name):
            text = _as_utf8(value)
            texts += (name, text, *_readings(text))
    return not rules.looked_at(texts)[1]


def _searched(name: str, value: str, rules: BodyRules) -> str | None:
    """Return what may leave of a value, None for nothing."""
    if name == "content-type":
        return _content_type(value, rules)
    if _is_of_the_protocol(name):
        return value
    text = _as_utf8(value)
    (_, shown), found = rules.looked_at([name, text])
    escaped = rules.looked_at(list(_readings(text)))[1]
    if not found and not escaped:
        return value
    if name in _REDIRECTING:
        raise MaskError(f"{name} leads to an address that holds a value to be masked")
    rules.tally.found(found or escaped)
    if rules.is_masked(name):
        rules.tally.place("header name")  # which one would tell the value
        return None
    rules.tally.place(f"header {name}")
    if name in _ALL_OR_NOTHING or any(map(rules.is_masked, _readings(shown))):
        return None
    return _one_line(shown)


def _content_type(value: str, rules: BodyRules) -> str:
    """Return a Content-Type without its parameters when one of them holds a value; the charset stays."""
    text = _as_utf8(value)
    found = rules.looked_at([text, *_readings(text)])[1]
    if not found:
        return value
    essence, _, parameters = value.partition(";")
    charset = _CHARSET.search(parameters)
    kept = essence.strip(" \t") + (f"; charset={charset[1]}" if charset else "")
    if rules.is_masked(kept):
        raise MaskError("the Content-Type itself holds a value to be masked")
    rules.tally.found(found)
    rules.tally.place("header content-type")
    return kept


def _readings(text: str) -> Iterator[str]:
    """Yield what a reader makes of a text: of encoded words, of escapes, then of percent-encoding."""
    if "=?" in text:
        text = _without_encoded_words(text)
        yield text
    if "\\" in text:
        # JSON spells what is beyond 16 bits as two characters.
        pairs = _ESCAPE.sub(_character, text).encode("utf-16", "surrogatepass")
        text = _as_utf8(pairs.decode("utf-16", "replace"))
        yield text
    if "+" in text:
        yield unquote_plus(text)  # as forms spell a space
    for _ in range(_NESTED_ADDRESSES):
        if "%" not in text:
            return
        text = unquote(text)
        yield text


def _without_encoded_words(text: str) -> str:
    """Return a text as browsers read the name of a file in it (RFC 2047)."""
    try:
        return str(make_header(decode_header(text)))
    except (MessageError, ValueError, LookupError):
        return text


def _character(escape: re.Match[str]) -> str:
    if escape[3] is not None:
        return " " if escape[3] in _BLANKS else escape[3]
    return chr(int(escape[1], 16) if escape[1] else int(escape[2], 8))


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
    return (
        name in _OF_THE_ORIGINAL
        or name in _CACHING
        or name.startswith(_DIGESTS)
        or name.endswith(_TARGETED_CACHE_CONTROL)
    )
