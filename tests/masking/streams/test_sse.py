"""Event streams: framing, and texts that no model made."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policy_middleware.masking.streams.sse import EventStreamMask
from policy_middleware.model.errors import MaskError
from tests.masking.cutting import (
    EMAIL,
    FIELDS_ONLY,
    MASKER,
    TEXTS_ONLY,
    chunks_of,
    consume,
    fragments,
    many,
    run,
    whole,
)

TYPE = "text/event-stream"
plain_lines = st.lists(fragments.filter(lambda part: part not in "\n\t"), min_size=1, max_size=4).map("".join)


@st.composite
def streams(draw: st.DrawFn) -> bytes:
    """Events with every kind of line, in every kind of line end."""
    end = draw(st.sampled_from(["\n", "\r\n", "\r"]))
    out = ""
    for _ in range(draw(st.integers(0, 5))):
        lines = draw(
            st.lists(
                st.one_of(
                    plain_lines.map(lambda text: f"data: {text}"),
                    plain_lines.map(lambda text: f"data:{text}"),
                    plain_lines.map(lambda text: f": {text}"),
                    st.just("retry: 10"),
                    st.just("id: 1"),
                    st.just("event: note"),
                    st.just("data"),
                ),
                max_size=4,
            )
        )
        out += "".join(line + end for line in lines) + end
    return out.encode()


@many
@given(st.data())
def test_the_cutting_into_chunks_makes_no_difference(data):
    body = data.draw(streams())
    whole_at_once = run(MASKER.stream(TYPE), [body])
    cut = run(MASKER.stream(TYPE), data.draw(chunks_of(body)))
    # Which line end is written is known once the stream has shown it.
    assert cut.replace(b"\r\n", b"\n") == whole_at_once.replace(b"\r\n", b"\n")
    assert EMAIL.encode() not in cut


@many
@given(st.lists(fragments.filter(lambda part: part not in "\n\t"), min_size=1, max_size=8), st.data())
def test_tokens_without_json_are_masked_as_the_text_they_make(parts, data):
    body = "".join(f"data: {part}\n\n" for part in parts).encode()
    out = run(MASKER.stream(TYPE), data.draw(chunks_of(body))).decode()
    shown = [line[6:] for line in out.split("\n") if line.startswith("data: ")]
    assert len(shown) == len(parts)
    text = "".join(shown)
    assert "[REDACTED]" in text or whole(text) == text
    assert EMAIL not in text
    if all(whole(part) == part for part in parts):
        assert text == whole("".join(parts))


def test_a_clean_stream_leaves_byte_for_byte():
    body = b': hi\r\n\r\nid: 1\r\nevent: note\r\nretry: 5\r\ndata: {"a": 1.50}\r\ndata: \r\n\r\n'
    assert run(MASKER.stream(TYPE), [body]) == body


def test_values_side_by_side_do_not_hide_each_other():
    body = b"data: 4111 1111 1111 1111\n\ndata: 2222\n\ndata: go on\n\n"
    out = run(MASKER.stream(TYPE), [body])
    assert b"4111" not in out
    assert out.count(b"data: ") == 3
    assert b"data: go on\n\n" in out


def test_blanks_between_two_pieces_of_a_text_keep_them_apart():
    parts = ["DE89 3704", " 0044 0532", " 0130 00", " ", "11 days"]
    body = "".join(f"data: {part}\n\n" for part in parts).encode()
    assert run(MASKER.stream(TYPE), [body]).replace(b"data: ", b"").split() == [
        b"<IBAN_CODE>",
        b"11",
        b"days",
    ]


def test_a_value_that_an_event_has_alone_is_not_shown_for_the_sake_of_one_that_several_make():
    parts = ["jo", "@", "12", ".com", "4111 1111 1111 1111"]
    body = "".join(f"data: {part}\n\n" for part in parts).encode()
    assert b"4111" not in run(MASKER.stream(TYPE), [body])


def test_events_leave_in_order_when_one_has_to_wait():
    stream = MASKER.stream(TYPE)
    assert stream.feed(b"data: jo\n\n") == b""
    assert stream.feed(b'data: {"n": 1}\n\n') == b""
    assert stream.feed(b"data: hn@example.com ok\n\n") == b""
    assert stream.close() == b'data: <EMAIL_ADDRESS> ok\n\ndata: {"n": 1}\n\ndata: \n\n'


def test_a_comment_goes_out_at_once():
    stream = MASKER.stream(TYPE)
    assert stream.feed(b": keep-alive\n") == b": keep-alive\n"
    assert stream.feed(b": john@example.com\n\n") == b": <EMAIL_ADDRESS>\n\n"


def test_names_of_events_ids_and_unknown_fields_are_masked():
    body = b"event: john@example.com\nid: ann@example.org\nx: bob@example.org\ndata: {}\n\n"
    out = run(MASKER.stream(TYPE), [body])
    assert out == b"event: <EMAIL_ADDRESS>\nid: <EMAIL_ADDRESS>\nx: <EMAIL_ADDRESS>\ndata: {}\n\n"


def test_the_name_of_an_event_is_masked_in_what_leaves_after_it_as_well():
    chunk = b'{"choices":[{"index":0,"delta":{"content":"ask jo"}}]}'
    out = run(MASKER.stream(TYPE), [b"event: john@example.com\ndata: " + chunk + b"\n\n"])
    assert out.count(b"event: <EMAIL_ADDRESS>\n") == out.count(b"event:") == 2


@pytest.mark.parametrize("hidden", [rb"john\u0040example.com", rb"to\n4111111111111111"])
def test_the_escapes_of_a_string_of_json_hide_nothing(hidden):
    out = run(MASKER.stream(TYPE), [b'data: "' + hidden + b'"\n\n'])
    assert hidden not in out
    assert out.startswith(b'data: "')


def test_a_byte_order_mark_does_not_hide_the_first_line():
    assert b"john" not in run(MASKER.stream(TYPE), [b"\xef\xbb", b"\xbfdata: john@example.com\n\n"])


def test_the_last_event_needs_no_blank_line():
    assert run(TEXTS_ONLY.stream(TYPE), [b"data: john@example.com"]) == b"data: <EMAIL_ADDRESS>\n"


@pytest.mark.parametrize("body", [b"data: \xff\n\n", b"data: \xc3", b"\x80: x\n"])
def test_bytes_that_are_not_utf8_end_the_stream(body):
    stream = MASKER.stream(TYPE)
    with pytest.raises(MaskError) as caught:
        run(stream, [body])
    assert caught.value.__context__ is None


@pytest.mark.parametrize("chunk", [b"data: " + b"x" * 600, b"data: x\n" * 300, b":" * 2000, b"x"])
def test_an_event_that_never_ends_is_not_held_for_ever(chunk):
    stream = EventStreamMask(MASKER.rules(), limit=1000)
    with pytest.raises(MaskError):
        consume(map(stream.feed, [chunk] * 3000))


def test_a_long_stream_of_short_events_is_not_taken_for_a_long_event():
    stream = EventStreamMask(MASKER.rules(), limit=200)
    for number in range(500):
        stream.feed(f"data: word{number} \n\n: c\n".encode())
    stream.close()


def test_a_mask_of_fields_alone_refuses_data_that_has_none():
    with pytest.raises(MaskError):
        FIELDS_ONLY.stream(TYPE).feed(b"data: hello\n\n")


def test_a_mask_of_fields_alone_lets_comments_and_ids_pass():
    body = b": hello\nid: 4\nevent: done\ndata\n\ndata:  \n\n"
    assert run(FIELDS_ONLY.stream(TYPE), [body]) == body


def test_values_that_follow_each_other_without_end_leave_redacted_and_cost_no_more_and_more():
    stream = MASKER.stream(TYPE)
    event = b"data: ann@example.org\n\n"
    out = b"".join(stream.feed(event) for _ in range(3000))
    assert b"ann@" not in out
    assert out.count(b"data: [REDACTED]\n\n") > 2500
    # Words behind them show again, once it is certain that no value goes on in them.
    rest = b"".join(stream.feed(b"data: and so on, word by word \n\n") for _ in range(9000))
    assert rest.endswith(b"data: and so on, word by word \n\n")


def test_a_value_that_goes_on_behind_redacted_events_is_not_shown():
    events = [b"data: ann@example.org\n\n"] * 300 + [b"data: 4111 1111 11\n\n", b"data: 11 1111\n\n"]
    for count in range(100, 300):
        stream = MASKER.stream(TYPE)
        out = b"".join(map(stream.feed, events[count - 100 :])) + stream.close()
        assert b"ann@" not in out
        assert b"4111 1111" not in out
        assert b"11 1111" not in out
