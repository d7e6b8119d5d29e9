"""Responses that masking middlewares have let through, each by its name; every framework serves them all.

`GET /trap/{name}` answers with TRAPS[name]: status, headers and parts. `streamed` responses are the
framework's own streaming ones. After the parts of one that `breaks` the handler raises Boom. One with a `way`
is answered as only some frameworks can: theirs are in the WAYS of each `app_<framework>.py`.
"""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import cycle
from typing import Final

import brotli
import msgpack
import zstandard

from .harness import SECRET, Boom

HALVES: Final = (SECRET[:7], SECRET[7:])
"""The secret, cut in the middle."""

_DOCUMENT: Final = json.dumps({"note": f"Write to {SECRET.decode()}."}).encode()
_JSON: Final = {"Content-Type": "application/json"}
_TEXT: Final = {"Content-Type": "text/plain; charset=utf-8"}
_EVENTS: Final = {"Content-Type": "text/event-stream"}


@dataclass(frozen=True)
class Trap:
    """One response; `leaves` says that it may be answered masked, else nothing of it may leave."""

    headers: Mapping[str, str]
    parts: Sequence[bytes]
    status: int = 200
    streamed: bool = False
    breaks: bool = False
    leaves: bool = True
    has: bytes = b""
    """What a masked answer holds."""
    lacks: Sequence[str] = ()
    """Headers that a masked answer has not."""
    cookies: Mapping[str, str] = field(default_factory=dict)
    """Set by the framework's own means."""
    way: str | None = None
    endless: bool = False

    def chunks(self) -> Iterator[bytes]:
        """Yield the parts as the handler makes them."""
        yield from cycle(self.parts) if self.endless else self.parts
        if self.breaks:
            raise Boom


class AsyncChunks:
    """The chunks of a trap for an asynchronous framework (trio warns of generators left unfinished)."""

    def __init__(self, trap: Trap) -> None:
        self._chunks = trap.chunks()

    def __aiter__(self) -> AsyncChunks:
        return self

    async def __anext__(self) -> bytes:
        for chunk in self._chunks:
            return chunk
        raise StopAsyncIteration


def _encoded(coding: str, body: bytes, **more: object) -> Trap:
    return Trap({**_JSON, "Content-Encoding": coding}, [body], **more)  # type: ignore[arg-type]


def _delta(text: str) -> bytes:
    chunk = {"id": "c", "choices": [{"index": 0, "delta": {"content": text}, "finish_reason": None}]}
    return b"data: " + json.dumps(chunk).encode() + b"\n\n"


TRAPS: Final[Mapping[str, Trap]] = {
    # -- bodies that hide the value
    "gzip": _encoded("gzip", gzip.compress(_DOCUMENT), has=b"<EMAIL_ADDRESS>", lacks=["content-encoding"]),
    "deflate": _encoded("deflate", zlib.compress(_DOCUMENT), has=b"<EMAIL_ADDRESS>"),
    "brotli": _encoded("br", brotli.compress(_DOCUMENT), has=b"<EMAIL_ADDRESS>"),
    "zstd": _encoded("zstd", zstandard.compress(_DOCUMENT), has=b"<EMAIL_ADDRESS>"),
    "gzip-bomb": _encoded("gzip", gzip.compress(_DOCUMENT + b" " * 30_000_000), leaves=False),
    "brotli-bomb": _encoded("br", brotli.compress(_DOCUMENT + b" " * 30_000_000), leaves=False),
    "zstd-bomb": _encoded("zstd", zstandard.compress(_DOCUMENT + b" " * 30_000_000), leaves=False),
    "unknown-coding": _encoded("aes128gcm", _DOCUMENT, leaves=False),
    "not-what-it-says": _encoded("gzip", _DOCUMENT, leaves=False),
    "latin-1": Trap({"Content-Type": "text/plain; charset=iso-8859-1"}, [b"\xe9 " + SECRET], has=b"\xe9 <EM"),
    "utf-16": Trap(
        {"Content-Type": "text/plain; charset=utf-16"},
        [SECRET.decode().encode("utf-16")],
        has="<EMAIL_ADDRESS>".encode("utf-16-le"),
    ),
    "utf-7": Trap({"Content-Type": "text/plain; charset=utf-7"}, [SECRET], leaves=False),
    "escapes": Trap(_JSON, [b'{"a": "bea\\u0040example.com"}'], has=b"<EMAIL_ADDRESS>"),
    "html-reference": Trap(
        {"Content-Type": "text/html"}, [b"<p>bea&#64;example.com</p>"], has=b"EMAIL_ADDRESS"
    ),
    "html-tags": Trap(
        {"Content-Type": "text/html"}, [b"<p>bea<b>@</b>example.com</p>"], has=b"EMAIL_ADDRESS"
    ),
    "csv": Trap({"Content-Type": "text/csv"}, [b"id,mail\n1," + SECRET + b"\n"], has=b"1,<EMAIL_ADDRESS>\n"),
    "xml": Trap({"Content-Type": "application/xml"}, [b"<a>" + SECRET + b"</a>"], has=b"EMAIL_ADDRESS"),
    "msgpack": Trap(
        {"Content-Type": "application/msgpack"},
        [msgpack.packb({"a": SECRET.decode()})],
        has=b"<EMAIL_ADDRESS>",
    ),
    "problem": Trap(
        {"Content-Type": "application/problem+json"}, [_DOCUMENT], status=422, has=b"<EMAIL_ADDRESS>"
    ),
    "error": Trap(_TEXT, [b"no such user " + SECRET], status=500, has=b"no such user <EMAIL_ADDRESS>"),
    # -- bodies nobody can mask
    "pdf": Trap({"Content-Type": "application/pdf"}, [b"%PDF-1.7 " + SECRET], leaves=False),
    "archive": Trap({"Content-Type": "application/zip"}, [b"PK" + SECRET], leaves=False),
    "bytes": Trap({"Content-Type": "application/octet-stream"}, [SECRET], leaves=False),
    "multipart": Trap({"Content-Type": "multipart/byteranges; boundary=x"}, [SECRET], leaves=False),
    "script": Trap({"Content-Type": "text/javascript"}, [b"f('" + SECRET + b"')"], leaves=False),
    "no-json": Trap(_JSON, [b")]}'\n" + _DOCUMENT], leaves=False),
    "byte-order-mark": Trap(_JSON, [b"\xef\xbb\xbf" + _DOCUMENT], leaves=False),
    "half-json": Trap(_JSON, [_DOCUMENT[:-3]], leaves=False),
    "not-utf-8": Trap(_JSON, [b'{"a": "\xff ' + SECRET + b'"}'], leaves=False),
    "mark-of-another-charset": Trap(
        {"Content-Type": "text/plain; charset=latin-1"}, [SECRET.decode().encode("utf-16")], leaves=False
    ),
    "gzip-unsaid": Trap(
        {"Content-Type": "text/plain; charset=latin-1"}, [gzip.compress(SECRET)], leaves=False
    ),
    "transfer-coding": Trap({**_TEXT, "Transfer-Encoding": "gzip"}, [SECRET], leaves=False),
    "two-types": Trap(_JSON, [_DOCUMENT], leaves=False, way="two-types"),
    "partial": Trap(_TEXT, [SECRET[3:]], status=206, leaves=False),
    "unsatisfiable": Trap({**_TEXT, "Content-Range": "bytes */99"}, [SECRET], status=416, leaves=False),
    "not-modified": Trap({"ETag": '"v1"'}, [b""], status=304, leaves=False),
    "early": Trap({"Link": f"</{SECRET.decode()}>; rel=preload"}, [b""], status=103, leaves=False),
    "delta": Trap({**_TEXT, "IM": "vcdiff"}, [SECRET], status=226, leaves=False),
    "range-of": Trap({**_TEXT, "Content-Range": "bytes 0-9/99"}, [SECRET], leaves=False),
    "sendfile": Trap({**_JSON, "X-Accel-Redirect": "/secret"}, [_DOCUMENT], leaves=False),
    # -- headers
    "header": Trap({**_JSON, "X-User": SECRET.decode()}, [b"{}"]),
    "link": Trap({**_JSON, "Link": "</u/bea%40ex%61mple.com>; rel=next"}, [b"{}"], lacks=["link"]),
    "cookie": Trap({**_JSON, "Set-Cookie": f"user={SECRET.decode()}"}, [b"{}"], lacks=["set-cookie"]),
    "framework-cookie": Trap(_JSON, [b"{}"], cookies={"user": SECRET.decode()}, lacks=["set-cookie"]),
    "escaped-cookie": Trap(
        {**_JSON, "Set-Cookie": 'user="bea\\100example.com"'}, [b"{}"], lacks=["set-cookie"]
    ),
    "nested-address": Trap(
        {**_JSON, "Link": "</?to=%2Fu%3Fbea%2540ex%2561mple.com>"}, [b"{}"], lacks=["link"]
    ),
    "json-header": Trap({**_JSON, "X-Event": '{"to": "bea\\u0040example.com"}'}, [b"{}"], lacks=["x-event"]),
    "file-name": Trap(
        {**_JSON, "Content-Disposition": f'attachment; filename="{SECRET.decode()}.csv"'}, [b"{}"]
    ),
    "encoded-file-name": Trap(
        {**_JSON, "Content-Disposition": "attachment; filename*=UTF-8''bea%40ex%61mple.com.csv"},
        [b"{}"],
        lacks=["content-disposition"],
    ),
    "timing": Trap({**_JSON, "Server-Timing": f'db;desc="{SECRET.decode()}"'}, [b"{}"]),
    "source-map": Trap({**_JSON, "SourceMap": f"/m/{SECRET.decode()}.map"}, [b"{}"]),
    "refresh": Trap({**_JSON, "Refresh": f"5; url=/u?m={SECRET.decode()}"}, [b"{}"], leaves=False),
    "realm": Trap({**_JSON, "WWW-Authenticate": f'Basic realm="{SECRET.decode()}"'}, [b"{}"], status=401),
    "type-parameter": Trap(
        {"Content-Type": f'application/json; name="{SECRET.decode()}"'}, [_DOCUMENT], has=b"<EMAIL_ADDRESS>"
    ),
    "no-content": Trap({"X-User": SECRET.decode()}, [SECRET], status=204),
    "reset-content": Trap({"X-User": SECRET.decode()}, [SECRET], status=205),
    "redirect-page": Trap(
        {"Content-Type": "application/pdf", "Location": "/next"}, [SECRET], status=302, lacks=["content-type"]
    ),
    "redirect": Trap({"Location": f"/u?m={SECRET.decode()}"}, [b""], status=302, leaves=False),
    "validators": Trap(
        {**_JSON, "ETag": '"v1"', "Content-MD5": "x", "Repr-Digest": "sha-256=:x:", "Digest": "x"},
        [_DOCUMENT],
        has=b"<EMAIL_ADDRESS>",
        lacks=["etag", "content-md5", "repr-digest", "digest"],
    ),
    # -- streams
    "text-stream": Trap(_TEXT, [b"to ", *HALVES, b" bye"], streamed=True, has=b"to <EMAIL_ADDRESS> bye"),
    "json-stream": Trap(_JSON, [_DOCUMENT[:20], _DOCUMENT[20:]], streamed=True, has=b"<EMAIL_ADDRESS>"),
    "ndjson": Trap(
        {"Content-Type": "application/x-ndjson"},
        [_DOCUMENT[:20], _DOCUMENT[20:] + b"\n", b'{"n": 1}\n'],
        streamed=True,
        has=b'.>"'[2:] + b'}\n{"n": 1}\n',
    ),
    "events": Trap(
        _EVENTS,
        [b'data: {"a": "', *HALVES, b'"}\r\n\r', b"\ndata: {}\r\n\r\n"],
        streamed=True,
        has=b'data: {"a": "<EMAIL_ADDRESS>"}\r\n\r\ndata: {}\r\n\r\n',
    ),
    "tokens": Trap(
        _EVENTS,
        [*map(_delta, ["Ask ", "be", "a@", "exam", "ple", ".com", " now"]), b"data: [DONE]\n\n"],
        streamed=True,
        has=b"<EMAIL_ADDRESS>",
    ),
    "escape-cut": Trap(
        _EVENTS, [b'data: {"a": "bea\\u00', b'40example.com"}\n\n'], streamed=True, has=b"<EMAIL_ADDRESS>"
    ),
    "gzip-stream": Trap(
        {**_TEXT, "Content-Encoding": "gzip"},
        [gzip.compress(SECRET)[:9], gzip.compress(SECRET)[9:]],
        streamed=True,
        has=b"<EMAIL_ADDRESS>",
    ),
    "too-short-length": Trap({**_TEXT, "Content-Length": "3"}, HALVES, streamed=True, has=b"<EMAIL_ADDRESS>"),
    "too-long-length": Trap({**_TEXT, "Content-Length": "9" * 30}, HALVES, streamed=True, leaves=False),
    "picture-stream": Trap({"Content-Type": "image/png"}, HALVES, streamed=True, leaves=False),
    "first-chunk-fails": Trap(_TEXT, [b"\xff" + SECRET], streamed=True, leaves=False),
    # -- ways of single frameworks
    "early-hints": Trap(_JSON, [_DOCUMENT], has=b"<EMAIL_ADDRESS>", way="early-hints"),
    "push": Trap(_JSON, [_DOCUMENT], has=b"<EMAIL_ADDRESS>", way="push"),
    "debug-message": Trap(_JSON, [_DOCUMENT], has=b"<EMAIL_ADDRESS>", way="debug-message"),
    "unknown-message": Trap(_JSON, [_DOCUMENT], has=b"<EMAIL_ADDRESS>", way="unknown-message"),
    "trailers": Trap(_JSON, [_DOCUMENT], has=b"<EMAIL_ADDRESS>", way="trailers"),
    "trailers-of-a-stream": Trap(_TEXT, HALVES, has=b"<EMAIL_ADDRESS>", way="trailers"),
    "pathsend": Trap(_TEXT, [], leaves=False, way="pathsend"),
    "zerocopysend": Trap(_TEXT, [], leaves=False, way="zerocopysend"),
    "body-first": Trap(_JSON, [_DOCUMENT], leaves=False, way="body-first"),
    "never-ended": Trap(_JSON, [_DOCUMENT], leaves=False, way="never-ended"),
    "second-start": Trap(_JSON, [_DOCUMENT], status=500, has=b"<EMAIL_ADDRESS>", way="second-start"),
    "reason": Trap(_JSON, [_DOCUMENT], has=b"<EMAIL_ADDRESS>", way="reason"),
    "no-status": Trap(_JSON, [_DOCUMENT], leaves=False, way="no-status"),
    "write": Trap(_JSON, [_DOCUMENT[:20], _DOCUMENT[20:]], has=b"<EMAIL_ADDRESS>", way="write"),
    "write-of-a-stream": Trap(_TEXT, HALVES, has=b"<EMAIL_ADDRESS>", way="write"),
    "file-wrapper": Trap(_TEXT, [b"to " + SECRET], has=b"to <EMAIL_ADDRESS>", way="file-wrapper"),
    "passthrough": Trap(_TEXT, HALVES, has=b"<EMAIL_ADDRESS>", way="passthrough"),
    "file": Trap({"Content-Type": "text/plain"}, [], has=b'b"<EMAIL_ADDRESS>"', way="file"),
    "raises-at-once": Trap(_TEXT, [], leaves=False, way="raises"),
    "error-page": Trap({}, [], status=500, way="error-page"),
    "not-found-page": Trap({}, [], status=404, way="not-found-page"),
    "stream-of-the-other-kind": Trap(_TEXT, HALVES, has=b"<EMAIL_ADDRESS>", way="other-stream"),
}

BROKEN: Final[Mapping[str, Trap]] = {
    "undecodable": Trap(_TEXT, [b"fine, write to ", SECRET[:7], b"\xff", SECRET], streamed=True),
    "no-document": Trap(_EVENTS, [b"data: {}\n\n", b'data: {"a": \n\n', SECRET], streamed=True),
    "raises": Trap(_TEXT, [b"fine, write to ", SECRET[:7]], streamed=True, breaks=True),
    "second-start-of-a-stream": Trap(_TEXT, [b"fine, write to ", *HALVES], way="second-start-of-a-stream"),
    "never-ended-stream": Trap(_TEXT, [b"fine, write to ", *HALVES], way="never-ended-stream"),
    "raises-in-events": Trap(_EVENTS, [b"data: {}\n\n", b"data: " + SECRET], streamed=True, breaks=True),
}
"""Streams that cannot be masked to their end: what has left was masked, and the client sees it is not all."""

ENDLESS: Final[Mapping[str, Trap]] = {
    "endless-text": Trap(_TEXT, [b"to ", *HALVES, b" and on\n" * 20], streamed=True, endless=True),
    "endless-events": Trap(_EVENTS, [b'data: {"a": "' + SECRET + b'"}\n\n'], streamed=True, endless=True),
    "endless-tokens": Trap(
        _EVENTS, [*map(_delta, ["to ", "bea@", "example.com", " and on"])], streamed=True, endless=True
    ),
}
"""Streams that end when their client leaves."""

EVERY: Final = {**TRAPS, **BROKEN, **ENDLESS}
