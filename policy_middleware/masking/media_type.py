"""What a Content-Type says about a body, and which kinds of bodies can be masked."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final

from policy_middleware.masking.charsets import UTF8, charset_named
from policy_middleware.model.errors import MaskError

_TCHARS: Final = r"[A-Za-z0-9!#$%&'*+.^_`|~-]+"  # RFC 9110 section 5.6.2
_TYPE: Final = re.compile(rf"[ \t]*({_TCHARS}/{_TCHARS})[ \t]*")
_PARAMETER: Final = re.compile(rf'[ \t]*;[ \t]*(?:({_TCHARS})=(?:({_TCHARS})|"([^"\\]*)"))?')


class Kind(Enum):
    """How a body is read."""

    JSON = auto()
    NDJSON = auto()
    EVENTS = auto()
    CSV = auto()
    HTML = auto()
    XML = auto()
    TEXT = auto()
    MSGPACK = auto()
    CBOR = auto()


_KINDS: Final[Mapping[str, Kind]] = {
    "application/json": Kind.JSON,
    "application/x-ndjson": Kind.NDJSON,
    "application/ndjson": Kind.NDJSON,
    "application/jsonl": Kind.NDJSON,
    "application/x-jsonl": Kind.NDJSON,
    "application/jsonlines": Kind.NDJSON,
    "application/x-jsonlines": Kind.NDJSON,
    "text/event-stream": Kind.EVENTS,
    "text/csv": Kind.CSV,
    "text/tab-separated-values": Kind.CSV,
    "text/html": Kind.HTML,
    "application/xhtml+xml": Kind.XML,
    "application/xml": Kind.XML,
    "text/xml": Kind.XML,
    "text/plain": Kind.TEXT,
    "text/markdown": Kind.TEXT,
    "application/msgpack": Kind.MSGPACK,
    "application/x-msgpack": Kind.MSGPACK,
    "application/vnd.msgpack": Kind.MSGPACK,
    "application/cbor": Kind.CBOR,
}
_SUFFIXES: Final[Mapping[str, Kind]] = {
    "json": Kind.JSON,
    "xml": Kind.XML,
    "msgpack": Kind.MSGPACK,
    "cbor": Kind.CBOR,
}
_WITHOUT_CHARSET: Final = frozenset({Kind.MSGPACK, Kind.CBOR})


@dataclass(frozen=True, slots=True)
class MediaType:
    """A Content-Type that can be masked; `charset` is the name of the Python codec."""

    name: str
    kind: Kind
    charset: str
    parameters: Mapping[str, str]


def media_type(content_type: str) -> MediaType:
    """Read a Content-Type; raises MaskError unless bodies of that type can be masked."""
    parsed = _TYPE.match(content_type)
    if parsed is None:
        raise MaskError("the Content-Type cannot be read")
    name = parsed[1].lower()
    kind = _KINDS.get(name) or _SUFFIXES.get(name.rpartition("+")[2] if "+" in name else "")
    if kind is None:
        raise MaskError(
            "bodies of this Content-Type cannot be masked; what can: JSON, NDJSON, event streams, CSV, HTML, "
            "XML, plain text, Markdown, MessagePack, CBOR"
        )
    parameters = _parameters(content_type, parsed.end())
    charset = UTF8 if kind in _WITHOUT_CHARSET else charset_named(parameters.get("charset"))
    if kind is Kind.EVENTS and charset not in (UTF8, "ascii"):
        raise MaskError(
            "an event stream is UTF-8 (HTML standard), and the Content-Type names another charset"
        )
    return MediaType(name, kind, charset, parameters)


def only_value(values: Iterable[str]) -> str:
    """Return the one value of Content-Type; raises MaskError for none or several."""
    types = list(values)
    if len(types) != 1:
        raise MaskError(f"a body needs exactly one Content-Type to be masked, and this one has {len(types)}")
    return types[0]


def _parameters(content_type: str, position: int) -> Mapping[str, str]:
    parameters: dict[str, str] = {}
    for parameter in _PARAMETER.finditer(content_type, position):
        if parameter.start() != position:
            break
        position = parameter.end()
        if not parameter[1]:
            continue
        name, value = parameter[1].lower(), parameter[2] or parameter[3] or ""
        if name == "charset" and parameters.get(name, value.lower()) != value.lower():
            raise MaskError("the Content-Type names several charsets")
        parameters[name] = value.lower() if name == "charset" else value
    if content_type[position:].strip(" \t"):
        raise MaskError("the parameters of the Content-Type cannot be read")
    return parameters


def check_json(content_type: str) -> None:
    """Raise MaskError unless `content_type` is JSON."""
    if media_type(content_type).kind is not Kind.JSON:
        raise MaskError("this body is not JSON (application/json or application/*+json)")
