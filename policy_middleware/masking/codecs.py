"""Compressed bodies, decoded within bounds (RFC 9110 section 8.4).

A few kilobytes can stand for gigabytes, so output is asked for piece by piece and counted while it comes:
whatever the bomb, no more than one piece beyond the limit is ever in memory.
"""

from __future__ import annotations

import io
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Final

from policy_middleware.model.errors import MaskError

MAX_RATIO: Final = 200
"""Decoded bytes per encoded byte. JSON of one repeated record reaches about 100; a bomb has 1000 and more."""
_ALWAYS_FINE: Final = 64 * 1024
"""Decoded bytes below which the ratio is not looked at: short repetitive bodies compress extremely well."""
_PIECE: Final = 64 * 1024
_MAX_CODINGS: Final = 2
_MAX_WINDOW: Final = 8 * 1024 * 1024
"""Bytes; what RFC 9659 lets a zstd body ask its reader to keep."""


def codings_of(values: Iterable[str]) -> tuple[str, ...]:
    """Return the codings that the values of Content-Encoding name, in the order they were applied."""
    named = (coding.strip().lower() for value in values for coding in value.split(","))
    return tuple(coding for coding in named if coding not in ("", "identity"))


def check_codings(codings: Sequence[str]) -> None:
    """Raise MaskError for codings that cannot be undone here."""
    if len(codings) > _MAX_CODINGS:
        raise MaskError(f"a body encoded more than {_MAX_CODINGS} times (Content-Encoding) is not decoded")
    for coding in codings:
        if coding not in _DECODERS:
            raise MaskError("the body has a Content-Encoding that cannot be decoded, so it cannot be masked")


def decode(body: bytes, codings: Sequence[str], *, limit: int) -> bytes:
    """Return `body` with its `codings` undone; raises MaskError for more than `limit` bytes, or a bomb.

    A body that is cut off, or followed by anything, is refused as well: a more tolerant reader might see
    more in it than was masked.
    """
    check_codings(codings)
    for coding in reversed(codings):
        body = _within_bounds(coding, body, limit)
    return body


def _within_bounds(coding: str, body: bytes, limit: int) -> bytes:
    parts: list[bytes] = []
    size = 0
    problem: str | None = None
    try:
        for part in _DECODERS[coding](body):
            size += len(part)
            if size > limit:
                raise MaskError(f"the body is longer than {limit} bytes when decoded")
            if size > max(_ALWAYS_FINE, MAX_RATIO * len(body)):
                raise MaskError(f"the body grows more than {MAX_RATIO} times when decoded")
            parts.append(part)
    except (zlib.error, _Undecodable):
        problem = f"the body is not what its Content-Encoding ({coding}) says"
    # Raised out here because what a decoder raises may carry pieces of the body along.
    if problem is not None:
        raise MaskError(problem)
    return b"".join(parts)


class _Undecodable(Exception):
    """The bytes are not of the coding they are declared to be."""


def _gunzipped(body: bytes) -> Iterator[bytes]:
    rest = body
    while rest:  # a gzip body may have several members (RFC 1952 section 2.2)
        decoder = zlib.decompressobj(wbits=31)
        yield from _inflated(decoder, rest)
        rest = decoder.unused_data
    if not body:
        raise _Undecodable


def _inflated_body(body: bytes) -> Iterator[bytes]:
    # "deflate" is zlib's format (RFC 9110 section 8.4.1.2), but servers were known to send it raw.
    is_zlib = len(body) > 1 and body[0] & 0x0F == 8 and (body[0] << 8 | body[1]) % 31 == 0
    decoder = zlib.decompressobj(wbits=15 if is_zlib else -15)
    yield from _inflated(decoder, body)
    if decoder.unused_data:
        raise _Undecodable


def _inflated(decoder: zlib._Decompress, body: bytes) -> Iterator[bytes]:
    pending = body
    while not decoder.eof:
        part = decoder.decompress(pending, _PIECE)
        if not part and not decoder.eof:
            raise _Undecodable
        pending = decoder.unconsumed_tail
        yield part


def _unbrotlied(body: bytes) -> Iterator[bytes]:
    try:
        import brotli  # type: ignore[import-untyped]  # it comes without types
    except ImportError:
        raise _missing("br", "brotli") from None
    decoder = brotli.Decompressor()
    pending = body
    try:
        while True:
            part = decoder.process(pending, output_buffer_limit=_PIECE)
            pending = b""
            yield part
            if decoder.is_finished():
                return
            if not part:
                raise _Undecodable
    except brotli.error:
        pass
    raise _Undecodable


def _unzstded(body: bytes) -> Iterator[bytes]:
    try:
        import zstandard
    except ImportError:
        raise _missing("zstd", "zstandard") from None
    # max_output_size of the plain decompressor is ignored where a frame declares its size; a stream is not.
    decoder = zstandard.ZstdDecompressor(max_window_size=_MAX_WINDOW)
    source = io.BytesIO(body)
    try:
        with decoder.stream_reader(source, read_across_frames=True) as reader:
            while part := reader.read(_PIECE):
                yield part
        # The reader takes a body that is cut off for its end; only a whole frame says how it ends.
        if not _frames_are_whole(body):
            raise _Undecodable
        return
    except zstandard.ZstdError:
        pass
    raise _Undecodable


def _frames_are_whole(body: bytes) -> bool:
    """Walk the blocks of every frame without decoding them (RFC 8878 section 3.1)."""
    at = 0
    while at < len(body):
        magic = int.from_bytes(body[at : at + 4], "little")
        if 0x184D2A50 <= magic <= 0x184D2A5F:  # a skippable frame
            at += 8 + int.from_bytes(body[at + 4 : at + 8], "little")
            continue
        if magic != 0xFD2FB528 or at + 5 > len(body):
            return False
        descriptor = body[at + 4]
        single_segment = descriptor >> 5 & 1
        at += 5 + (0 if single_segment else 1) + (0, 1, 2, 4)[descriptor & 3]
        at += (single_segment, 2, 4, 8)[descriptor >> 6]
        last = False
        while not last:
            header = int.from_bytes(body[at : at + 3], "little")
            if at + 3 > len(body):
                return False
            last, kind, size = bool(header & 1), header >> 1 & 3, header >> 3
            at += 3 + (1 if kind == 1 else size)
        at += 4 if descriptor >> 2 & 1 else 0
    return 0 < at == len(body)


def _missing(coding: str, package: str) -> MaskError:
    return MaskError(
        f"a body with Content-Encoding {coding} is only masked where {package} is installed: "
        "pip install 'policy-middleware[codecs]'"
    )


_DECODERS: Final[Mapping[str, Callable[[bytes], Iterator[bytes]]]] = {
    "gzip": _gunzipped,
    "x-gzip": _gunzipped,
    "deflate": _inflated_body,
    "br": _unbrotlied,
    "zstd": _unzstded,
}
