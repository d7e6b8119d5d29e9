"""The view in which patterns are searched: what it makes of characters that nobody sees."""

from __future__ import annotations

import pytest

from policy_middleware.masking import Masker
from policy_middleware.masking.normalized import Alphabet

TEXTS = Masker.from_spec({"entities": {"EMAIL_ADDRESS": "replace", "US_SSN": "replace"}})


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        ("a\0b", b"ab"),
        ("\0", b""),
        ("a\u200bb\u00ad", b"ab"),
        ("\uff21\u0661\u2011\u00a0", b"A1- "),
        ("1\u00962", b"1-2"),
        ("1\u00852", b"1\n2"),
        ("\u0081", b"\xfe"),
        ("\ufb03", b"ffi"),
    ],
)
def test_the_view_is_what_a_reader_sees(text, seen):
    view = Alphabet().view(text)
    assert view.data == seen
    assert [view.start(offset) for offset in range(len(seen))] == sorted(
        view.start(offset) for offset in range(len(seen))
    )


def test_texts_with_nul_are_joined_like_others():
    view = Alphabet().joined(["a\0b", "", "\0", "c"])
    assert view.data == b"ab\0\0\0c"


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (b"<p>john\0@example.com</p>", "text/html"),
        (b"john\0@example.com", "text/plain"),
        ("to john@example.com now".encode("utf-16-le"), "text/plain"),
        ("to john@example.com now".encode("utf-16-be"), "text/csv"),
        (b'{"a": "john\\u0000@example.com"}', "application/json"),
        (b"ssn 078\x9605\x961120", "text/plain; charset=iso-8859-1"),
        (b"<p>ssn 078&#150;05&#150;1120", "text/html"),
    ],
)
def test_what_readers_leave_out_hides_nothing(body, content_type):
    out = TEXTS.mask(body, content_type)
    assert out.count == 1
    assert b"john" not in out.body.replace(b"\0", b"")
    assert b"078" not in out.body


def test_a_pattern_may_name_a_range_that_begins_at_nul():
    masker = Masker.from_spec(
        {"patterns": {"CODE": {"pattern": "\\bK-[^\\x00-/:-\\x7f]{4}\\b", "operator": "replace"}}}
    )
    assert masker.mask(b"see K-1234", "text/plain").body == b"see <CODE>"
