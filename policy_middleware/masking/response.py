"""The life of one masked response, for any framework."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager, suppress
from copy import copy
from dataclasses import dataclass
from typing import Final

from policy_middleware.masking.bodies.whole import check_maskable, mask_body
from policy_middleware.masking.charsets import UTF8
from policy_middleware.masking.codecs import check_codings, codings_of, decode
from policy_middleware.masking.failing_closed import failing_closed
from policy_middleware.masking.headers import Header, check_deliverable, masked_headers, values_of
from policy_middleware.masking.masker import Masker
from policy_middleware.masking.media_type import Kind, MediaType, media_type, only_value
from policy_middleware.masking.messages import MessageMask
from policy_middleware.masking.report import MaskReport
from policy_middleware.masking.streams import StreamMask, stream_mask
from policy_middleware.model.errors import MaskError, PolicyError
from policy_middleware.model.policy import MaskSpec

_CONDITIONS: Final = frozenset({"if-modified-since", "if-none-match"})

STRIPPED_REQUEST_HEADERS: Final = frozenset({"a-im", "accept-encoding", "if-range", "range"}) | _CONDITIONS
"""What a request must not tell the handler of a GET or HEAD that is masked: partial and "not modified"
answers cannot be masked, and compressed ones not while they arrive."""

_BODILESS: Final = frozenset({204, 205})
_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
_ALWAYS_STREAMED: Final = frozenset({Kind.EVENTS, Kind.NDJSON})
_OF_THE_BODY: Final = frozenset({"content-language", "content-type"})
_COMPRESSED: Final = (b"\x1f\x8b", b"\x28\xb5\x2f\xfd")
"""How gzip and zstd begin: in a charset of single bytes they would pass for text without anything in it."""
_REFUSED_STATUSES: Final = {
    206: "a part of a body (206) cannot be masked",
    226: "a difference between two bodies (226) cannot be masked",
    304: "an answer of 304 would let the client go on using a body that was not masked",
}


def stripped_request_headers(method: str) -> frozenset[str]:
    """Return the lower-case names of the request headers that the handler must not see.

    Preconditions of writing methods stay: `If-None-Match: *` on a PUT guards what exists, and the answer to
    it is 412, never 304 (RFC 9110 section 13.2.2).
    """
    return STRIPPED_REQUEST_HEADERS if method in ("GET", "HEAD") else STRIPPED_REQUEST_HEADERS - _CONDITIONS


@dataclass(frozen=True, slots=True)
class MaskedResponse:
    """A complete response that may leave; of one that was streamed, `body` is what is left of it."""

    status: int
    headers: list[Header]
    body: bytes
    report: MaskReport

    @property
    def count(self) -> int:
        """How many values were masked."""
        return self.report.count


@dataclass(frozen=True, slots=True)
class MaskedHead:
    """The status and headers of a response that is streamed."""

    status: int
    headers: list[Header]


class BrokenOff(PolicyError):
    """A response that had begun to leave cannot be masked to its end; the server is to cut the connection."""

    def __init__(self) -> None:
        super().__init__("a masked response was broken off, because the rest of it could not be masked")


class ResponseMask:
    """Holds one response back until what may leave of it is certain, and hands it on masked.

    Call `open` when the handler starts the response (again if it starts anew), `feed` for every chunk and
    `close` at its end. Where `streams` is true after `open`, send `head()` and then what `feed` returns while
    the handler goes on; otherwise `feed` returns nothing, and `close` everything.

    Each raises MaskError when the response cannot be masked; then nothing more of it may leave, and every
    later call raises again. A response that had begun to leave is to be broken off so that the client sees
    that its end is missing. When the handler fails or the client goes, call `abandon` and not `close`: what
    is held back may be half a value.

    Event streams, NDJSON and plain text of undeclared length are streamed. Bodies of HEAD, 204 and 205 are
    discarded, as is the body of a redirect that is not JSON (the page that frameworks add for people). An
    empty body passes.
    """

    __slots__ = (
        "_chunks",
        "_discards",
        "_has_head",
        "_headers",
        "_masker",
        "_max_body",
        "_media",
        "_method",
        "_problem",
        "_rules",
        "_size",
        "_status",
        "_stream",
    )

    def __init__(
        self, spec: MaskSpec, *, max_body: int, method: str = "GET", tenant_key: bytes | None = None
    ) -> None:
        """Prepare to mask the answer to a `method` request; at most `max_body` bytes are ever held of it.

        Raises MaskError when `spec` cannot be applied, so that the handler need not run at all.
        """
        self._masker = Masker.from_spec(spec, tenant_key=tenant_key)
        self._rules = self._masker.rules()
        self._max_body = max_body
        self._method = method
        self._headers: Sequence[Header] = ()
        self._status = 0
        self._has_head = False
        self._forget("the response ended before it started")

    def like_get(self) -> ResponseMask:
        """Return a mask for the same response to a GET: some servers drop the body of a HEAD themselves."""
        mask = copy(self)
        mask._method = "GET"
        mask._forget(self._problem)
        return mask

    def messages(self) -> MessageMask:
        """Return what masks the messages of a WebSocket, where the request has opened one."""
        return MessageMask(self._masker, self._masker.rules(), max_message=self._max_body)

    @property
    def streams(self) -> bool:
        """True when the response leaves while it arrives."""
        return self._stream is not None

    def open(self, status: int, headers: Sequence[Header], *, whole: bool = False) -> None:
        """Take status and headers; raises MaskError at once when no such response can be masked.

        With `whole` the body is there already, so nothing is streamed.
        """
        self._forget(None)
        self._rules = self._masker.rules()
        self._status = status
        self._headers = headers
        with self._failing_closed():
            self._discards = self._is_discarded()
            if not self._discards:
                self._check_declared_body()
                if not whole:
                    self._begin_stream()
        self._check()

    def head(self) -> MaskedHead:
        """Return what starts a response that is streamed; raises MaskError for headers that cannot leave."""
        self._check()
        with self._failing_closed():
            headers = masked_headers(self._headers, self._masker, self._rules, length=None, masked="stream")
            self._has_head = True
            return MaskedHead(self._status, headers)
        raise self._failed()

    def feed(self, chunk: bytes) -> bytes:
        """Take a piece of the body and return what may leave of it by now.

        Raises MaskError past the limit, for a type that cannot be masked, or for what is not of its type.
        """
        self._check()
        with self._failing_closed():
            return self._fed(chunk)
        raise self._failed()

    def close(self) -> MaskedResponse:
        """Return the masked response, or what is left of it; raises MaskError when it cannot be masked."""
        self._check()
        with self._failing_closed():
            response = self._closed()
            self._forget("the response has already been masked")
            return response
        raise self._failed()

    def abandon(self) -> MaskReport:
        """Return what was masked in a response that has no end; what is held back of it is dropped."""
        self._drop("the response was abandoned")
        return self.report(complete=False)

    def report(self, *, complete: bool = True) -> MaskReport:
        """Return what was masked so far."""
        return MaskReport.of(self._rules.tally, streamed=self._has_head, complete=complete)

    def _fed(self, chunk: bytes) -> bytes:
        if self._discards or not chunk:
            return b""
        if self._stream is not None:
            return self._stream.feed(chunk)
        if not self._chunks:
            check_maskable(self._rules, self._media_type().kind)
        self._size += len(chunk)
        if self._size > self._max_body:
            raise MaskError(self._too_long())
        self._chunks.append(bytes(chunk))
        return b""

    def _closed(self) -> MaskedResponse:
        streamed = self.streams
        body = self._rest()
        is_head = self._method == "HEAD"
        headers = list(self._headers_sent())
        if not streamed:
            headers = masked_headers(
                headers,
                self._masker,
                self._rules,
                length=None if is_head or self._status in _BODILESS else len(body),
                masked=None if is_head else self._rules.tally,
            )
        report = MaskReport.of(self._rules.tally, streamed=streamed)
        return MaskedResponse(self._status, headers, body, report)

    def _rest(self) -> bytes:
        if self._stream is not None:
            return self._stream.close()
        if not self._chunks:
            return b""
        body = b"".join(self._chunks)
        self._chunks.clear()
        codings = codings_of(values_of(self._headers, "content-encoding"))
        if codings:
            body = decode(body, codings, limit=self._max_body)
        if not body:
            return b""
        if body.startswith(_COMPRESSED):
            raise MaskError("the body is compressed, and no Content-Encoding says so")
        media = self._media_type()
        if media.kind is Kind.JSON and media.charset == UTF8:
            masked = self._masker.mask_json(body)
            self._rules.tally.found(masked.entities)
            self._rules.tally.count += masked.count - sum(masked.entities.values())
            for path, count in masked.paths.items():
                self._rules.tally.place(path, count)
            return masked.body
        return mask_body(body, media, self._rules)

    def _failing_closed(self) -> AbstractContextManager[None]:
        return failing_closed(self._drop)

    def _drop(self, problem: str) -> None:
        """Forget every original byte, once what has been masked is counted."""
        if self._stream is not None:
            with suppress(Exception):  # what it is worth is known already
                self._stream.close()
        self._forget(problem)

    def _check(self) -> None:
        if self._problem is not None:
            raise self._failed()

    def _failed(self) -> MaskError:
        return MaskError(self._problem)

    def _forget(self, problem: str | None) -> None:
        self._problem = problem
        self._chunks: list[bytes] = []
        self._stream: StreamMask | None = None
        self._media: MediaType | None = None
        self._size = 0
        self._discards = False

    def _is_discarded(self) -> bool:
        """Return whether the body is thrown away; raises MaskError for what can be no whole response."""
        if self._status < 200:
            raise MaskError(f"a response of status {self._status} cannot be masked")
        if self._status in _REFUSED_STATUSES:
            raise MaskError(_REFUSED_STATUSES[self._status])
        check_deliverable(self._headers)
        return (
            self._method == "HEAD"
            or self._status in _BODILESS
            or (self._status in _REDIRECTS and not self._is_json())
        )

    def _check_declared_body(self) -> None:
        """Refuse before the first byte what the headers already show to be unmaskable, or begin to stream."""
        codings = codings_of(values_of(self._headers, "content-encoding"))
        check_codings(codings)
        lengths = [value.strip() for value in values_of(self._headers, "content-length")]
        if any(length not in ("", "0") for length in lengths):
            check_maskable(self._rules, self._media_type().kind)
        if any(_exceeds(length, self._max_body) for length in lengths):
            raise MaskError(self._too_long())

    def _begin_stream(self) -> None:
        """Mask the body while it arrives, if that can be done with what the headers say."""
        lengths = values_of(self._headers, "content-length")
        if codings_of(values_of(self._headers, "content-encoding")):
            return
        try:
            media = self._media_type()
        except MaskError:
            return  # an empty body of any type may pass
        is_open = media.kind is Kind.TEXT and not lengths and media.charset in ("utf-8", "ascii")
        if media.kind in _ALWAYS_STREAMED or (is_open and self._rules.has_texts):
            self._stream = stream_mask(media, self._rules, limit=self._max_body)

    def _media_type(self) -> MediaType:
        if self._media is None:
            self._media = media_type(only_value(values_of(self._headers, "content-type")))
        return self._media

    def _is_json(self) -> bool:
        try:
            return self._media_type().kind is Kind.JSON
        except MaskError:
            return False

    def _headers_sent(self) -> Sequence[Header]:
        if not self._discards or self._method == "HEAD":
            return self._headers
        return [header for header in self._headers if header[0].lower() not in _OF_THE_BODY]

    def _too_long(self) -> str:
        return f"the body is longer than the {self._max_body} bytes that may be held for masking"


def _exceeds(length: str, limit: int) -> bool:
    # Counting digits first: a declared length of thousands of digits is nothing int() should read.
    return length.isascii() and length.isdigit() and (len(length) > 18 or int(length) > limit)
