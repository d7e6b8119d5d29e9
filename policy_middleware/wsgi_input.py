"""A WSGI request body that can be looked at before the handler reads it."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Final
from wsgiref.types import InputStream, WSGIEnvironment

INPUT: Final = "wsgi.input"
INPUT_TERMINATED: Final = "wsgi.input_terminated"
"""Set by servers whose input ends with the body, so that a body without Content-Length can be read."""


class KeptInput:
    """Stands in for `wsgi.input`: whoever reads it gets every byte once, whatever was looked at before.

    Up to `keep` bytes that are read before `look_ahead` are remembered, because something outside the policy
    (a hook that parses a form) may have read the body already; `forget` ends that.
    """

    __slots__ = ("_ahead", "_ended", "_keep", "_read", "_stream")

    def __init__(self, stream: InputStream, keep: int = 0) -> None:
        self._stream = stream
        self._ahead = io.BytesIO()
        self._ended = False
        self._read = bytearray()
        self._keep = keep

    def look_ahead(self, length: int | None, limit: int) -> bytes | None:
        """Return the whole body without taking it from the reader.

        `length` is the body's declared length in bytes, None when the stream ends with the body. None is
        returned for a body that exceeds `limit` bytes, or of which less arrived than declared.
        """
        already = len(self._read)
        if already > self._keep:
            return None
        wanted = limit + 1 if length is None else length
        parts = [self._ahead.read()]
        missing = wanted - already - len(parts[0])
        while missing > 0 and (part := self._stream.read(missing)):
            parts.append(part)
            missing -= len(part)
        unread = b"".join(parts)
        self._ahead = io.BytesIO(unread)
        self._ended = length is not None or missing > 0
        body = bytes(self._read) + unread
        return None if len(body) > limit or (length is not None and len(body) < length) else body

    def forget(self) -> None:
        """Stop remembering what is read."""
        self._read = bytearray()
        self._keep = 0

    def read(self, size: int | None = -1, /) -> bytes:
        """Return `size` bytes, fewer at the end of the body; all that is left without a size."""
        if size is None or size < 0:
            data = self._ahead.read()
            if not self._ended:
                data += self._stream.read(-1)
        else:
            data = self._ahead.read(size)
            if len(data) < size and not self._ended:
                data += self._stream.read(size - len(data))
        return self._remembered(data)

    def readline(self, size: int | None = -1, /) -> bytes:
        """Return one line, at most `size` bytes of it."""
        limit = -1 if size is None else size
        data = self._ahead.readline(limit)
        if not data.endswith(b"\n") and len(data) != limit and not self._ended:
            data += self._stream.readline(limit if limit < 0 else limit - len(data))
        return self._remembered(data)

    def readlines(self, hint: int | None = -1, /) -> list[bytes]:
        """Return the lines that are left, stopping once they hold `hint` bytes."""
        lines: list[bytes] = []
        held = 0
        for line in self:
            lines.append(line)
            held += len(line)
            if hint is not None and 0 < hint <= held:
                break
        return lines

    def __iter__(self) -> Iterator[bytes]:
        return iter(self.readline, b"")

    def _remembered(self, data: bytes) -> bytes:
        # One byte over the limit is enough to know that the body was read and cannot be looked at any more.
        if self._keep and len(self._read) <= self._keep:
            self._read += data[: self._keep + 1 - len(self._read)]
        return data


def keep_input(environ: WSGIEnvironment, keep: int = 0) -> KeptInput:
    """Replace `wsgi.input` by one that can be looked at, unless it is one already."""
    stream = environ[INPUT]
    if not isinstance(stream, KeptInput):
        stream = KeptInput(stream, keep)
        environ[INPUT] = stream
    return stream


def read_body(environ: WSGIEnvironment, limit: int) -> bytes | None:
    """Return the request body and leave it to be read; None when it exceeds `limit` or its end is unknown."""
    declared = environ.get("CONTENT_LENGTH")
    if declared:
        length = declared_length(declared)
        if length is None or length > limit:
            return None
        return keep_input(environ).look_ahead(length, limit)
    if environ.get(INPUT_TERMINATED):
        return keep_input(environ).look_ahead(None, limit)
    if environ.get("HTTP_TRANSFER_ENCODING"):
        # The handler may know how to read this to its end; here reading on could wait for ever.
        return None
    # RFC 9112 section 6.3: neither header means no body. What was decided on is what the handler gets.
    environ[INPUT] = io.BytesIO()
    return b""


def declared_length(value: str) -> int | None:
    """Return a Content-Length in bytes, None for one that is no plain number of reasonable size."""
    # int() takes signs, spaces and underscores, which no two servers read alike, and chokes on 5000 digits.
    return int(value) if value.isascii() and value.isdigit() and len(value) <= 18 else None


def has_body(environ: WSGIEnvironment) -> bool:
    """True when the request may carry a body."""
    declared = environ.get("CONTENT_LENGTH")
    return declared not in (None, "", "0") or bool(environ.get("HTTP_TRANSFER_ENCODING"))
