from __future__ import annotations

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policy_middleware.wsgi_input import KeptInput, has_body, keep_input, read_body

BODY = b"first line\nsecond line\nthird"


class Counting(io.BytesIO):
    """Counts how often it is read."""

    reads = 0

    def read(self, size: int | None = -1, /) -> bytes:
        self.reads += 1
        return super().read(size)


class Trickle(io.BytesIO):
    """Gives one byte at a time, as a slow connection may."""

    def read(self, size: int | None = -1, /) -> bytes:
        return super().read(min(size, 1) if size is not None and size > 0 else size)


def environ_with(body: bytes, **more: object) -> dict[str, object]:
    return {"wsgi.input": io.BytesIO(body), "CONTENT_LENGTH": str(len(body)), **more}


def test_a_body_that_was_looked_at_is_read_in_full() -> None:
    environ = environ_with(BODY)
    assert read_body(environ, 1000) == BODY
    assert environ["wsgi.input"].read() == BODY
    assert environ["wsgi.input"].read() == b""


def test_looking_twice_sees_the_same() -> None:
    environ = environ_with(BODY)
    assert read_body(environ, 1000) == read_body(environ, 1000) == BODY
    assert environ["wsgi.input"].read(5) == b"first"


def test_a_body_of_slow_parts_is_waited_for() -> None:
    environ = environ_with(BODY, **{"wsgi.input": Trickle(BODY)})
    assert read_body(environ, 1000) == BODY


def test_a_declared_length_over_the_limit_is_left_unread() -> None:
    stream = Counting(BODY)
    environ = environ_with(BODY, **{"wsgi.input": stream})
    assert read_body(environ, 5) is None
    assert stream.reads == 0
    assert environ["wsgi.input"] is stream


@pytest.mark.parametrize("length", ["-1", "+5", "5_0", " 5", "5.0", "five", "\u0665", "9" * 5000])
def test_a_length_that_is_no_plain_number_is_too_long(length: str) -> None:
    assert read_body(environ_with(BODY, CONTENT_LENGTH=length), 1000) is None


def test_nothing_beyond_the_declared_length_is_taken_from_the_connection() -> None:
    stream = io.BytesIO(BODY)
    environ = {"wsgi.input": stream, "CONTENT_LENGTH": "5"}
    assert read_body(environ, 1000) == b"first"
    assert environ["wsgi.input"].read() == b"first"
    assert stream.read(1) == b" "


def test_a_body_that_ends_early_cannot_be_bound_to_anything() -> None:
    environ = environ_with(b"half", CONTENT_LENGTH="8")
    assert read_body(environ, 1000) is None
    assert environ["wsgi.input"].read(8) == b"half"


def test_a_body_without_length_is_read_where_the_server_ends_it() -> None:
    environ = {
        "wsgi.input": io.BytesIO(BODY),
        "wsgi.input_terminated": True,
        "HTTP_TRANSFER_ENCODING": "chunked",
    }
    assert read_body(environ, 1000) == BODY
    assert environ["wsgi.input"].read() == BODY


def test_a_body_without_length_over_the_limit_is_given_in_full_to_the_handler() -> None:
    environ = {"wsgi.input": io.BytesIO(BODY), "wsgi.input_terminated": True}
    assert read_body(environ, 5) is None
    assert environ["wsgi.input"].read() == BODY


def test_a_chunked_body_whose_end_the_server_does_not_show_is_too_long() -> None:
    environ = {"wsgi.input": io.BytesIO(BODY), "HTTP_TRANSFER_ENCODING": "chunked"}
    assert read_body(environ, 1000) is None
    assert environ["wsgi.input"].read() == BODY


def test_without_length_and_without_chunks_there_is_no_body_for_the_handler_either() -> None:
    environ = {"wsgi.input": io.BytesIO(BODY)}
    assert read_body(environ, 1000) == b""
    assert environ["wsgi.input"].read() == b""


def test_what_others_have_read_already_is_part_of_the_body() -> None:
    environ = environ_with(BODY)
    stream = keep_input(environ, 1000)
    assert stream.read(6) == b"first "
    assert read_body(environ, 1000) == BODY
    assert stream.read() == BODY[6:]


def test_more_than_may_be_kept_is_too_long_once_it_was_read() -> None:
    environ = environ_with(BODY)
    stream = keep_input(environ, 4)
    stream.read(6)
    assert read_body(environ, 1000) is None
    assert stream.read() == BODY[6:]


def test_what_is_read_after_the_decision_is_not_kept() -> None:
    stream = KeptInput(io.BytesIO(BODY), 1000)
    stream.forget()
    stream.read()
    assert stream.look_ahead(len(BODY), 1000) is None


reads = st.lists(
    st.one_of(
        st.tuples(st.just("read"), st.integers(-1, 12)),
        st.tuples(st.just("readline"), st.integers(-1, 12)),
        st.tuples(st.just("readlines"), st.integers(-1, 12)),
        st.tuples(st.just("iterate"), st.just(0)),
    ),
    max_size=6,
)


@given(
    body=st.binary(max_size=40).map(lambda body: body.replace(b"\x00", b"\n")),
    before=st.integers(0, 10),
    limit=st.integers(0, 60),
    declared=st.booleans(),
    operations=reads,
)
def test_it_reads_like_the_stream_it_stands_for(
    body: bytes, before: int, limit: int, declared: bool, operations: list[tuple[str, int]]
) -> None:
    plain, kept = io.BytesIO(body), KeptInput(io.BytesIO(body), 100)
    assert plain.read(before) == kept.read(before)
    seen = kept.look_ahead(len(body) if declared else None, limit)
    assert seen == (body if len(body) <= limit else None)
    for operation, size in operations:
        if operation == "iterate":
            assert next(iter(plain), b"") == next(iter(kept), b"")
        else:
            assert getattr(plain, operation)(size) == getattr(kept, operation)(size)
    assert plain.read() == kept.read()


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({}, False),
        ({"CONTENT_LENGTH": ""}, False),
        ({"CONTENT_LENGTH": "0"}, False),
        ({"CONTENT_LENGTH": "5"}, True),
        ({"HTTP_TRANSFER_ENCODING": "chunked"}, True),
    ],
)
def test_a_body_is_announced_by_length_or_encoding(environ: dict[str, object], expected: bool) -> None:
    assert has_body(environ) is expected
