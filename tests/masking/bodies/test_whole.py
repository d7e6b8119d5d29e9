"""Whole bodies of every kind: what is masked, what stays byte for byte, what is refused."""

from __future__ import annotations

import contextlib
import csv
import io
import json

import cbor2
import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from policy_middleware.masking import Masker
from policy_middleware.model.errors import MaskError
from tests.masking.cutting import EMAIL, FIELDS_ONLY, MASKER, TEXTS_ONLY, many, texts, whole

SECRET = EMAIL.encode()


def masked(body, content_type, masker=MASKER):
    return masker.mask(body if isinstance(body, bytes) else body.encode(), content_type).body


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (f"<p>{EMAIL}</p>", "<p>&lt;EMAIL_ADDRESS&gt;</p>"),
        ("<p>john.smith&#64;example.com</p>", "<p>&lt;EMAIL_ADDRESS&gt;</p>"),
        ("<p>john.smith<b>@</b>example.com!</p>", "<p>&lt;EMAIL_ADDRESS&gt;!<b></b></p>"),
        (f'<a href="mailto:{EMAIL}">x</a>', '<a href="mailto:&lt;EMAIL_ADDRESS&gt;">x</a>'),
        (f"<a title='{EMAIL}'>x</a>", "<a title='&lt;EMAIL_ADDRESS&gt;'>x</a>"),
        (f"<!-- {EMAIL} -->", "<!-- <EMAIL_ADDRESS> -->"),
        (f"<script>var a = '{EMAIL}';</script>", "<script>var a = '<EMAIL_ADDRESS>';</script>"),
        ("<title>john.smith&commat;example.com</title>", "<title>&lt;EMAIL_ADDRESS&gt;</title>"),
        (f"<{EMAIL}>", "<<EMAIL_ADDRESS>>"),
        (f"a < b {EMAIL}", "a &lt; b &lt;EMAIL_ADDRESS&gt;"),
    ],
)
def test_html_is_searched_as_people_read_it(body, expected):
    assert masked(body, "text/html").decode() == expected


def test_paragraphs_do_not_run_into_each_other():
    body = b"<td>4111 1111 1111 1111</td><td>22</td>"
    assert masked(body, "text/html") == b"<td>&lt;CREDIT_CARD&gt;</td><td>22</td>"


@pytest.mark.parametrize(
    "body",
    [
        f'<p title="{EMAIL}',
        f"<p {EMAIL}",
        f"<script>{EMAIL}",
        r"<script>var a = 'john.smith\u0040example.com';</script>",
        r"<script>var a = 'john.smith\x40example.com';</script>",
        '<a href="/u?m=john.smith%40ex%61mple.com">x</a>',
    ],
)
def test_html_that_readers_may_see_in_another_way_is_refused(body):
    with pytest.raises(MaskError) as caught:
        masked(body, "text/html")
    assert "john" not in str(caught.value)


@pytest.mark.parametrize(
    "body",
    [
        '<?xml version="1.0"?><!DOCTYPE a [<!ENTITY e "john">]><a>&e;@example.com</a>',
        '<?xml version="1.0" encoding="utf-16"?><a>x</a>',
    ],
)
def test_xml_that_defines_its_own_reading_is_refused(body):
    with pytest.raises(MaskError):
        masked(body, "application/xml")


def test_xml_is_masked_and_keeps_everything_else():
    body = f'<?xml version="1.0"?>\n<a  b="1"><![CDATA[{EMAIL}]]><c>{EMAIL}</c></a>'
    expected = '<?xml version="1.0"?>\n<a  b="1"><![CDATA[<EMAIL_ADDRESS>]]><c>&lt;EMAIL_ADDRESS&gt;</c></a>'
    assert masked(body, "application/soap+xml").decode() == expected


@pytest.mark.parametrize("content_type", ["text/html", "application/xml", "text/plain", "text/markdown"])
def test_what_has_no_fields_is_refused_under_a_mask_of_fields(content_type):
    with pytest.raises(MaskError):
        masked("<p>hello</p>", content_type, FIELDS_ONLY)


@pytest.mark.parametrize("content_type", ["text/html", "application/xml", "text/plain", "text/csv"])
def test_a_clean_body_is_handed_back(content_type):
    body = "<p  class=x>caf\u00e9 &amp; 1 < 2</p>\r\n"
    assert masked(body, content_type) == body.encode()


@pytest.mark.parametrize("tag", ["<a ", "<a b='", "<!", "<script>", "&", "<b>x</b>", "a<", "<!--"])
def test_hostile_markup_takes_no_time(tag):
    with contextlib.suppress(MaskError):
        masked(tag * (200_000 // len(tag)), "text/html")


def test_csv_columns_are_found_by_their_header_and_texts_in_every_cell():
    body = 'id,email,note\r\n1,"a, b",see john@example.com\r\n2,,"say ""hi"" to ann@example.org"\r\n'
    masker = Masker.from_spec({"fields": {"email": "redact"}, "entities": {"EMAIL_ADDRESS": "replace"}})
    assert masked(body, "text/csv", masker).decode() == (
        'id,email,note\r\n1,"[REDACTED]",see <EMAIL_ADDRESS>\r\n'
        '2,[REDACTED],"say ""hi"" to <EMAIL_ADDRESS>"\r\n'
    )


def test_the_paths_of_field_rules_are_told_of_csv_rows():
    table = FIELDS_ONLY.mask(b"email,n\na@b.io,1\nc@d.io,2\n", "text/csv")
    assert (table.count, table.paths) == (2, {"email": 2})


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_csv_may_be_cut_by_another_mark_than_a_comma(delimiter):
    body = delimiter.join(["id", "ssn"]) + "\n" + delimiter.join(["1", "078-05-1120"]) + "\n"
    assert b"078" not in masked(body, "text/csv", FIELDS_ONLY)


@many
@given(st.lists(st.lists(texts.filter(lambda text: "\n" not in text), min_size=2, max_size=2), max_size=5))
def test_csv_reads_as_if_each_cell_had_been_masked(rows):
    written = io.StringIO()
    csv.writer(written).writerows([["id", "note"], *rows])
    out = masked(written.getvalue(), "text/csv").decode()
    read = list(csv.reader(io.StringIO(out, newline="")))
    assert read == [["id", "note"], *[[whole(cell) for cell in row] for row in rows]]


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (b"email\n1,2\n", "text/csv"),
        (b'email\n"open', "text/csv"),
        (b'email\n"a"b\n', "text/csv"),
        (b"email,email\n1,2\n", "text/csv"),
        (b"a@b.c\n", "text/csv; header=absent"),
    ],
)
def test_tables_whose_columns_are_uncertain_are_refused(body, content_type):
    with pytest.raises(MaskError):
        masked(body, content_type, FIELDS_ONLY)


@pytest.mark.parametrize(
    ("content_type", "codec"),
    [
        ("text/plain; charset=iso-8859-1", "latin-1"),
        ("text/plain; charset=windows-1252", "cp1252"),
        ("text/plain; charset=utf-16", "utf-16"),
        ("text/plain; charset=UTF-16BE", "utf-16-be"),
        ("text/html; charset=utf-16le", "utf-16-le"),
        ('text/csv; charset="Shift_JIS"', "shift_jis"),
        ("application/json; charset=utf-16", "utf-16"),
    ],
)
def test_charsets_are_honoured(content_type, codec):
    text = f'"caf {EMAIL}"' if "shift" in codec else f'"caf\u00e9 {EMAIL}"'
    out = masked(text.encode(codec), content_type).decode(codec)
    assert "EMAIL_ADDRESS" in out
    assert "john" not in out


@pytest.mark.parametrize(
    "content_type",
    [
        "text/plain; charset=utf-7",
        "text/plain; charset=iso-2022-jp",
        "text/plain; charset=base64",
        "text/plain; charset=idna",
        "text/plain; charset=utf-8; charset=utf-16",
        "text/event-stream; charset=latin-1",
        "application/pdf",
        "application/octet-stream",
        "application/javascript",
        "multipart/mixed; boundary=x",
        "image/svg",
        "text/calendar",
        "",
        "text",
        "text/plain; charset=\\",
    ],
)
def test_what_nobody_can_read_with_certainty_is_refused(content_type):
    with pytest.raises(MaskError):
        masked(SECRET, content_type)


@pytest.mark.parametrize(
    ("body", "charset"),
    [
        (EMAIL.encode("utf-16"), "iso-8859-1"),
        (b"\xef\xbb\xbfabc", "iso-8859-1"),
        (EMAIL.encode("utf-32"), "utf-16"),
        (b"\xff\xfea", "utf-8"),
        (b"\xff", "utf-8"),
    ],
)
def test_bytes_that_belie_their_charset_are_refused(body, charset):
    with pytest.raises(MaskError) as caught:
        masked(body, f"text/plain; charset={charset}")
    assert caught.value.__context__ is None


BINARY = {
    "application/msgpack": (msgpack.packb, msgpack.unpackb),
    "application/cbor": (cbor2.dumps, cbor2.loads),
    "application/vnd.example+cbor": (cbor2.dumps, cbor2.loads),
}
every_binary = pytest.mark.parametrize("content_type", BINARY)


@every_binary
def test_binary_documents_are_masked_like_json(content_type):
    dumps, loads = BINARY[content_type]
    document = {"ssn": "078-05-1120", "notes": [EMAIL, b"to " + SECRET, 7, 2**60, 1.5, None, True], "n": 1}
    out = loads(masked(dumps(document), content_type))
    assert out == {
        "ssn": "[REDACTED]",
        "notes": ["<EMAIL_ADDRESS>", b"to <EMAIL_ADDRESS>", 7, 2**60, 1.5, None, True],
        "n": 1,
    }


@every_binary
def test_clean_binary_documents_are_handed_back(content_type):
    body = BINARY[content_type][0]({"a": [1, 1.5, "x"], "b": {"c": None}})
    assert masked(body, content_type) == body


@every_binary
def test_binary_values_that_hide_are_refused(content_type):
    dumps, _ = BINARY[content_type]
    for document in ({"a": b"\xff\x00"}, {SECRET: 1}):
        with pytest.raises(MaskError):
            masked(dumps(document), content_type, TEXTS_ONLY)
    out = masked(dumps({"a": "\ue000" + EMAIL}), content_type, TEXTS_ONLY)
    assert SECRET not in out


@every_binary
def test_what_is_no_such_document_is_refused(content_type):
    with pytest.raises(MaskError) as caught:
        masked(b"\xc1\xff" + SECRET, content_type)
    assert "john" not in str(caught.value)
    assert caught.value.__context__ is None


def test_events_and_lines_may_come_as_a_whole_too():
    body = b"data: " + json.dumps({"email": EMAIL}).encode() + b"\n\n"
    assert SECRET not in masked(body, "text/event-stream")
    assert masked(b'{"ssn": 1}\n', "application/x-ndjson") == b'{"ssn": 0}\n'
