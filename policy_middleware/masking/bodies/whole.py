"""One whole body, masked by what kind of body it is."""

from __future__ import annotations

from typing import Final

from policy_middleware.masking.bodies.binary import mask_cbor, mask_msgpack
from policy_middleware.masking.bodies.csv import mask_csv
from policy_middleware.masking.bodies.markup import mask_markup
from policy_middleware.masking.bodies.rules import BodyRules
from policy_middleware.masking.charsets import UTF8, decoded, encoded
from policy_middleware.masking.json_lookalike import check_no_json
from policy_middleware.masking.media_type import Kind, MediaType
from policy_middleware.masking.streams import stream_mask
from policy_middleware.masking.streams.text import mask_with_json
from policy_middleware.model.errors import MaskError

_BYTE_ORDER_MARK: Final = "\ufeff"
_SEARCHED_ONLY: Final = frozenset({Kind.TEXT, Kind.HTML, Kind.XML})
"""Kinds that have no fields."""


def check_maskable(rules: BodyRules, kind: Kind) -> None:
    """Raise MaskError for a mask that only names fields and a kind of body that has none."""
    if kind in _SEARCHED_ONLY:
        rules.check_text()


def mask_body(body: bytes, media: MediaType, rules: BodyRules) -> bytes:
    """Return `body` masked: the very same bytes when there is nothing to mask in it.

    Raises MaskError when it is not what its Content-Type says, or holds what cannot be masked.
    """
    check_maskable(rules, media.kind)
    match media.kind:
        case Kind.MSGPACK:
            return mask_msgpack(body, rules)
        case Kind.CBOR:
            return mask_cbor(body, rules)
        case Kind.EVENTS | Kind.NDJSON:
            stream = stream_mask(media, rules, limit=len(body) + 1)
            return stream.feed(body) + stream.close()
    text, codec = decoded(body, media.charset)
    # JSON has no byte order mark (RFC 8259 section 8.1), but UTF-16 has.
    mark = _BYTE_ORDER_MARK if codec != UTF8 and text.startswith(_BYTE_ORDER_MARK) else ""
    masked = mark + _masked_text(text[len(mark) :], media, rules, codec)
    if masked == text:
        return body
    if media.kind in (Kind.HTML, Kind.XML):
        return masked.encode(codec, "xmlcharrefreplace")
    return encoded(masked, codec)


def _masked_text(text: str, media: MediaType, rules: BodyRules, codec: str) -> str:
    match media.kind:
        case Kind.JSON:
            return rules.json(text)
        case Kind.CSV:
            tabs = media.name == "text/tab-separated-values"
            return mask_csv(text, rules, tabs=tabs, parameters=media.parameters)
        case Kind.HTML | Kind.XML:
            return mask_markup(text, rules, media, codec)
        case Kind.TEXT:
            if rules.has_fields:
                check_no_json(text)
            return mask_with_json(text, rules)
    raise MaskError("bodies of this Content-Type cannot be masked")
