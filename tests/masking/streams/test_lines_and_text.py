"""NDJSON and plain text while they arrive."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policy_middleware.masking.streams import cpu_budget
from policy_middleware.masking.streams.ndjson import LinesMask
from policy_middleware.model.errors import MaskError
from tests.masking.cutting import (
    EMAIL,
    FIELDS_ONLY,
    MASKER,
    TEXTS_ONLY,
    chunks_of,
    consume,
    many,
    run,
    texts,
    whole,
)

documents = st.dictionaries(texts, st.one_of(texts, st.integers(), st.lists(texts, max_size=3)), max_size=4)


@many
@given(st.lists(documents, max_size=4), st.data())
def test_every_line_is_masked_as_the_document_it_is(lines, data):
    end = data.draw(st.sampled_from(["\n", "\r\n", "\n\n"]))
    ascii_only = data.draw(st.booleans())
    body = "".join(json.dumps(line, ensure_ascii=ascii_only) + end for line in lines).encode()
    out = run(MASKER.stream("application/x-ndjson"), data.draw(chunks_of(body)))
    masked = [MASKER.mask_json(json.dumps(line, ensure_ascii=ascii_only).encode()).body for line in lines]
    assert out == b"".join(line + end.encode() for line in masked)


@many
@given(texts, st.data())
def test_a_text_cut_anywhere_equals_the_whole_text_masked(text, data):
    out = run(MASKER.stream("text/plain"), data.draw(chunks_of(text.encode())))
    assert out.decode() == whole(text)


def test_a_line_leaves_as_soon_as_it_ends():
    stream = FIELDS_ONLY.stream("application/x-ndjson")
    assert stream.feed(b'{"email": "a@b.c"}\n{"em') == b'{"email": "[REDACTED]"}\n'
    assert stream.feed(b'ail": 5}') == b""
    assert stream.close() == b'{"email": 0}'


@pytest.mark.parametrize("body", [b'{"a": \xff}\n', b'{"a": 1} {"b": 2}\n', b"hello\n", b'{"a":'])
def test_a_line_that_is_no_document_ends_the_stream(body):
    for masker in (MASKER, FIELDS_ONLY):
        with pytest.raises(MaskError):
            run(masker.stream("application/x-ndjson"), [body])


def test_a_line_without_end_is_not_held_for_ever():
    stream = LinesMask(MASKER.rules(), limit=1000)
    with pytest.raises(MaskError):
        consume(map(stream.feed, [b'"' + b"x" * 100] * 20))


def test_text_that_is_not_utf8_ends_the_stream_and_what_was_held_back_is_gone():
    stream = MASKER.stream("text/plain")
    assert stream.feed(f"to {EMAIL[:8]}".encode()) == b"to "
    with pytest.raises(MaskError) as caught:
        stream.feed(b"\xff")
    assert "john" not in repr(caught.value)


def test_half_a_character_at_the_end_is_refused():
    stream = MASKER.stream("text/plain")
    stream.feed(b"caf\xc3")
    with pytest.raises(MaskError):
        stream.close()


def test_many_clean_lines_in_one_chunk_leave_as_they_came_and_are_json():
    lines = [b'{"n": %d, "n": 1.50}' % number for number in range(50)]
    body = b"\r\n".join([*lines, b"", b" ", b""])
    assert run(TEXTS_ONLY.stream("application/x-ndjson"), [body]) == body
    with pytest.raises(MaskError):
        run(TEXTS_ONLY.stream("application/x-ndjson"), [b"\n".join([*lines, b"[1, 2", b"3]", b""])])


@pytest.mark.parametrize("body", [b'{"ssn": "1"}', b' [{"ssn": "1"}]', b"\xef\xbb\xbf{'ssn': 1}", b'["ssn"'])
def test_json_under_the_name_of_text_is_refused_where_fields_are_masked(body):
    for chunks in ([body], [body[n : n + 1] for n in range(len(body))]):
        with pytest.raises(MaskError):
            run(MASKER.stream("text/plain"), chunks)
    with pytest.raises(MaskError):
        MASKER.mask(body, "text/plain")
    assert run(TEXTS_ONLY.stream("text/plain"), [body]) == body


@pytest.mark.parametrize("body", [b"", b" ", b"[10:32] hi", b"{name}, hi", b"[", b"[a](b)"])
def test_text_with_brackets_is_text(body):
    for chunks in ([body], [body[n : n + 1] for n in range(len(body))]):
        assert run(MASKER.stream("text/plain"), chunks) == body


def test_a_chunk_of_countless_lines_is_refused_before_it_has_taken_long(monkeypatch):
    monkeypatch.setattr(cpu_budget, "SECONDS", 0.0)
    with pytest.raises(MaskError, match="too long"):
        FIELDS_ONLY.stream("application/x-ndjson").feed(b"{}\n" * 1000)
    with pytest.raises(MaskError, match="too long"):
        FIELDS_ONLY.stream("text/event-stream").feed(b"data: {}\n\n" * 1000)


@pytest.mark.parametrize(
    ("body", "shown"),
    [
        (r'{"t": "to\n4111111111111111"}', r'{"t": "to\n<CREDIT_CARD>"}'),
        (r' [{"t":"john\u0040example.com"}]', ' [{"t":"<EMAIL_ADDRESS>"}]'),
        (r"{'t': 'C:\temp'}", r"{'t': 'C:\temp'}"),
    ],
)
def test_text_that_begins_like_json_is_read_as_json(body, shown):
    assert TEXTS_ONLY.mask(body.encode(), "text/plain").body.decode() == shown
    pieces = [body[start : start + 1].encode() for start in range(len(body))]
    assert run(TEXTS_ONLY.stream("text/plain"), pieces).decode() == shown


def test_json_behind_other_text_is_read_as_json_where_the_text_is_whole():
    body = rb'WARN {"t": "john\u0040example.com"} C:'
    assert TEXTS_ONLY.mask(body, "text/plain").body == b'WARN {"t": "<EMAIL_ADDRESS>"} C:'
    clean = rb'WARN {"t": "\u00fc\n"} C:\new'
    assert TEXTS_ONLY.mask(clean, "text/plain").body is clean


@pytest.mark.parametrize("line", [b'{"u": "?m=ann%40example.com"}\n', b'{"n": 4.111111111111111E15}\n'])
def test_many_lines_that_look_clean_are_read_in_every_way(line):
    assert line not in TEXTS_ONLY.stream("application/x-ndjson").feed(line * 50)
