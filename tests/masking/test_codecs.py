"""Compressed bodies are decoded within bounds, or refused."""

from __future__ import annotations

import gzip
import tracemalloc
import zlib

import brotli
import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from policy_middleware.masking.codecs import codings_of, decode
from policy_middleware.model.errors import MaskError
from tests.masking.cutting import EMAIL, TEXTS_ONLY

LIMIT = 1_000_000


def raw_deflate(body: bytes) -> bytes:
    compressor = zlib.compressobj(wbits=-15)
    return compressor.compress(body) + compressor.flush()


ENCODERS = {
    "gzip": gzip.compress,
    "x-gzip": gzip.compress,
    "deflate": zlib.compress,
    "br": brotli.compress,
    "zstd": zstandard.ZstdCompressor(write_checksum=True).compress,
}
every_coding = pytest.mark.parametrize("coding", ENCODERS)


@every_coding
@settings(max_examples=40, deadline=None)
@given(body=st.binary(max_size=3000))
def test_what_was_encoded_is_decoded(coding, body):
    assert decode(ENCODERS[coding](body), (coding,), limit=LIMIT) == body


@every_coding
def test_a_bomb_is_refused_in_bounded_memory(coding):
    bomb = ENCODERS[coding](bytes(50_000_000))
    tracemalloc.start()
    try:
        with pytest.raises(MaskError):
            decode(bomb, (coding,), limit=LIMIT)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 4 * LIMIT


@every_coding
def test_a_bomb_below_the_limit_is_refused_by_its_ratio(coding):
    with pytest.raises(MaskError):
        decode(ENCODERS[coding](bytes(900_000)), (coding,), limit=LIMIT)


@every_coding
def test_a_body_that_is_cut_off_is_refused(coding):
    body = ENCODERS[coding](b"john@example.com and others" * 20)
    for end in range(len(body)):
        with pytest.raises(MaskError):
            decode(body[:end], (coding,), limit=LIMIT)


@every_coding
def test_a_body_of_another_coding_is_refused_without_a_word_of_it(coding):
    with pytest.raises(MaskError) as caught:
        decode(b'{"email": "john@example.com"}', (coding,), limit=LIMIT)
    assert "john" not in str(caught.value)
    assert caught.value.__context__ is None


@pytest.mark.parametrize("coding", ["gzip", "deflate", "zstd"])
def test_what_follows_the_end_of_a_body_is_refused(coding):
    with pytest.raises(MaskError):
        decode(ENCODERS[coding](b"x" * 100) + b"john@example.com", (coding,), limit=LIMIT)


def test_raw_deflate_and_gzip_of_several_members_are_taken():
    assert decode(raw_deflate(b"abc"), ("deflate",), limit=LIMIT) == b"abc"
    assert decode(gzip.compress(b"ab") + gzip.compress(b"c"), ("gzip",), limit=LIMIT) == b"abc"


def test_codings_are_undone_from_the_last_to_the_first():
    body = gzip.compress(zlib.compress(b"abc"))
    codings = codings_of(["deflate, identity", " GZIP "])
    assert decode(body, codings, limit=LIMIT) == b"abc"


@pytest.mark.parametrize("codings", [("compress",), ("aes128gcm",), ("gzip", "gzip", "gzip")])
def test_codings_that_nobody_can_undo_are_refused(codings):
    with pytest.raises(MaskError):
        decode(b"", codings, limit=LIMIT)


@pytest.mark.parametrize("headers", [{"Content-Encoding": "gzip"}, [("content-encoding", "gzip")]])
def test_a_body_is_masked_as_its_headers_say(headers):
    masked = TEXTS_ONLY.mask(gzip.compress(f'{{"a":"{EMAIL}"}}'.encode()), "application/json", headers)
    assert masked.body == b'{"a":"<EMAIL_ADDRESS>"}'
