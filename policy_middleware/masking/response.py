"""The life of one masked response, for any framework."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from policy_middleware.masking.headers import (
    Header,
    check_deliverable,
    check_identity,
    masked_headers,
    values_of,
)
from policy_middleware.masking.masker import MaskedBody, Masker
from policy_middleware.masking.media_type import check_json
from policy_middleware.model.errors import MaskError
from policy_middleware.model.policy import MaskSpec

_CONDITIONS: Final = frozenset({"if-modified-since", "if-none-match"})

STRIPPED_REQUEST_HEADERS: Final = frozenset({"a-im", "accept-encoding", "if-range", "range"}) | _CONDITIONS
"""What a request must not tell the handler of a GET or HEAD that is masked: compressed, partial and "not
modified" answers cannot be masked."""

_BODILESS: Final = frozenset({204, 205})
_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
_EVENT_STREAM: Final = "text/event-stream"
_OF_THE_BODY: Final = frozenset({"content-encoding", "content-language", "content-type"})
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
    """A complete response that may leave."""

    status: int
    headers: list[Header]
    body: bytes
    count: int


class ResponseMask:
    """Holds one response back until all of it is there, and hands it on masked.

    Call `open` when the handler starts the response (again if it starts anew), `feed` for every chunk and
    `close` at its end. Each raises MaskError when the response cannot be masked; then nothing of it may
    leave, and every later call raises again.

    Bodies of HEAD, 204 and 205 are discarded, as is the body of a redirect that is not JSON (the page that
    frameworks add for people). Any other body must be JSON; an empty one passes.
    """

    __slots__ = (
        "_chunks",
        "_discards",
        "_headers",
        "_masker",
        "_max_body",
        "_method",
        "_problem",
        "_size",
        "_status",
    )

    def __init__(self, spec: MaskSpec, *, max_body: int, method: str = "GET") -> None:
        """Prepare to mask the answer to a `method` request, of at most `max_body` bytes.

        Raises MaskError when `spec` cannot be applied, so that the handler need not run at all.
        """
        self._masker = Masker.from_spec(spec)
        self._max_body = max_body
        self._method = method
        self._headers: Sequence[Header] = ()
        self._status = 0
        self._forget("the response ended before it started")

    def open(self, status: int, headers: Sequence[Header]) -> None:
        """Take status and headers; raises MaskError at once when no such response can be masked."""
        self._forget(None)
        self._status = status
        self._headers = headers
        with self._failing_closed():
            self._discards = self._is_discarded()
            if not self._discards:
                self._check_declared_body()

    def feed(self, chunk: bytes) -> None:
        """Take a piece of the body; raises MaskError past the limit, or for a body that is not JSON."""
        with self._failing_closed():
            if self._discards or not chunk:
                return
            if not self._chunks:
                check_json(self._content_type())
            self._size += len(chunk)
            if self._size > self._max_body:
                raise MaskError(self._too_long())
            self._chunks.append(bytes(chunk))

    def close(self) -> MaskedResponse:
        """Return the masked response; raises MaskError when it cannot be masked."""
        with self._failing_closed():
            masked = MaskedBody(b"", 0)
            if self._chunks:
                masked = self._masker.mask(b"".join(self._chunks), self._content_type(), self._headers)
        is_head = self._method == "HEAD"
        headers = masked_headers(
            self._headers_sent(),
            length=None if is_head or self._status in _BODILESS else len(masked.body),
            count=None if is_head else masked.count,
        )
        self._forget("the response has already been masked")
        return MaskedResponse(self._status, headers, masked.body, masked.count)

    @contextmanager
    def _failing_closed(self) -> Iterator[None]:
        """Let go of every original byte on MaskError, and repeat it at every later step."""
        if self._problem is not None:
            raise MaskError(self._problem)
        try:
            yield
        except MaskError as error:
            self._forget(str(error))
            raise

    def _forget(self, problem: str | None) -> None:
        self._problem = problem
        self._chunks: list[bytes] = []
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
        """Refuse before the first byte what the headers already show to be unmaskable."""
        check_identity(self._headers)
        lengths = [value.strip() for value in values_of(self._headers, "content-length")]
        if any(length not in ("", "0") for length in lengths) or self._is_event_stream():
            check_json(self._content_type())
        if any(_exceeds(length, self._max_body) for length in lengths):
            raise MaskError(self._too_long())

    def _content_type(self) -> str:
        types = values_of(self._headers, "content-type")
        if len(types) != 1:
            raise MaskError(
                f"a body needs exactly one Content-Type to be masked, and this one has {len(types)}"
            )
        return types[0]

    def _is_json(self) -> bool:
        try:
            check_json(self._content_type())
        except MaskError:
            return False
        return True

    def _is_event_stream(self) -> bool:
        types = values_of(self._headers, "content-type")
        return any(value.strip().lower().startswith(_EVENT_STREAM) for value in types)

    def _headers_sent(self) -> Sequence[Header]:
        if not self._discards or self._method == "HEAD":
            return self._headers
        return [header for header in self._headers if header[0].lower() not in _OF_THE_BODY]

    def _too_long(self) -> str:
        return f"the body is longer than the {self._max_body} bytes that may be held for masking"


def _exceeds(length: str, limit: int) -> bool:
    # Counting digits first: a declared length of thousands of digits is nothing int() should read.
    return length.isascii() and length.isdigit() and (len(length) > 18 or int(length) > limit)
