"""The life of one masked response: what leaves, with which headers, and what is refused."""

from __future__ import annotations

import gzip
import itertools
import zlib

import brotli
import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from policy_middleware.masking import STRIPPED_REQUEST_HEADERS, ResponseMask, stripped_request_headers
from policy_middleware.model.errors import MaskError
from policy_middleware.model.policy import (
    EntityMask,
    FieldMask,
    HeaderMask,
    MaskOperator,
    MaskSpec,
    Operation,
)
from tests.masking import documents

SPEC = MaskSpec((FieldMask("**.ssn", Operation(MaskOperator.REDACT)),))
JSON = ("Content-Type", "application/json")
BODY = b'{"id": 1, "ssn": "078-05-1120"}'
MASKED = b'{"id": 1, "ssn": "[REDACTED]"}'


def respond(status=200, headers=(JSON,), chunks=(BODY,), *, method="GET", max_body=1000):
    mask = ResponseMask(SPEC, max_body=max_body, method=method)
    mask.open(status, list(headers))
    for chunk in chunks:
        mask.feed(chunk)
    return mask.close()


def header(response, wanted):
    return [value for name, value in response.headers if name.lower() == wanted.lower()]


def test_a_json_response_leaves_masked_with_its_new_length_and_count():
    response = respond(201, [JSON, ("Content-Length", str(len(BODY))), ("X-Own", "kept")])
    assert (response.status, response.body, response.count) == (201, MASKED, 1)
    assert header(response, "content-length") == [str(len(MASKED))]
    assert header(response, "x-policy-masked") == ["1"]
    assert header(response, "x-own") == ["kept"]
    assert header(response, "content-type") == ["application/json"]


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_the_cutting_into_chunks_makes_no_difference(data):
    body = documents.printed(data.draw(documents.documents)).encode()
    cuts = sorted(data.draw(st.lists(st.integers(0, len(body)), max_size=5)))
    edges = [0, *cuts, len(body)]
    chunks = [body[start:end] for start, end in itertools.pairwise(edges)]
    limit = len(body) + 1
    assert respond(chunks=chunks, max_body=limit) == respond(chunks=[body], max_body=limit)


@pytest.mark.parametrize(
    "name",
    [
        "ETag",
        "LAST-MODIFIED",
        "content-md5",
        "Digest",
        "Content-Digest",
        "Repr-Digest",
        "Unencoded-Digest",
        "X-Goog-Hash",
        "x-amz-checksum-crc32",
        "X-Checksum-Sha256",
        "X-Accel-Charset",
        "Accept-Ranges",
        "Signature",
        "Signature-Input",
        "Age",
        "Expires",
        "Pragma",
        "Surrogate-Control",
        "CDN-Cache-Control",
        "Vendor-CDN-Cache-Control",
        "X-Accel-Expires",
        "Edge-Control",
        "Trailer",
    ],
)
def test_validators_digests_and_caching_of_the_original_are_stripped(name):
    assert header(respond(headers=[JSON, (name, "one"), (name.swapcase(), "two")]), name) == []


def test_no_cache_may_keep_it_whatever_the_application_said():
    response = respond(
        headers=[JSON, ("cache-control", "public, max-age=60"), ("Cache-Control", "s-maxage=9")]
    )
    assert header(response, "cache-control") == ["private, no-store"]


def test_the_count_is_ours_alone():
    assert header(respond(headers=[JSON, ("X-Policy-Masked", "99")]), "x-policy-masked") == ["1"]


def test_cookies_and_repeated_headers_stay_in_order():
    cookies = [("Set-Cookie", "a=1"), ("Set-Cookie", "b=2")]
    assert header(respond(headers=[JSON, *cookies]), "set-cookie") == ["a=1", "b=2"]


@pytest.mark.parametrize(
    ("status", "headers"),
    [
        (200, [JSON, ("Content-Encoding", "compress")]),
        (200, [JSON, ("content-encoding", "identity"), ("CONTENT-ENCODING", "gzip, br, gzip")]),
        (206, [JSON]),
        (200, [JSON, ("Content-Range", "bytes 0-9/100")]),
        (416, [("Content-Range", "bytes */100")]),
        (200, [("Content-Type", "text/event-stream; charset=latin-1"), ("Content-Length", "5")]),
        (200, [("Content-Type", "text/plain"), ("Content-Length", "5")]),
        (200, [("Content-Length", "5")]),
        (200, [JSON, ("Content-Type", "text/plain"), ("Content-Length", "5")]),
        (200, [JSON, ("Content-Length", "1001")]),
        (200, [JSON, ("Content-Length", "9" * 5000)]),
        (200, [JSON, ("X-Sendfile", "/srv/report.json")]),
        (200, [JSON, ("x-accel-redirect", "/internal/report.json")]),
        (200, [JSON, ("X-LiteSpeed-Location", "/internal/report.json")]),
        (200, [JSON, ("X-Sendfile-Temporary", "/srv/report.json")]),
        (304, [("ETag", '"abc"')]),
        (226, [JSON]),
        (101, [("Upgrade", "websocket")]),
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_what_can_never_be_masked_is_refused_before_the_first_byte(status, headers, method):
    mask = ResponseMask(SPEC, max_body=1000, method=method)
    with pytest.raises(MaskError):
        mask.open(status, headers)
    assert_closed(mask)


@pytest.mark.parametrize(
    "content_type", ["text/plain", "text/html", "application/pdf", "application/zip", None]
)
def test_another_type_is_refused_at_its_first_byte(content_type):
    mask = ResponseMask(SPEC, max_body=1000)
    mask.open(200, [("Content-Type", content_type)] if content_type else [])
    mask.feed(b"")
    with pytest.raises(MaskError):
        mask.feed(b"078-05-1120")
    assert_closed(mask)


def test_a_body_past_the_limit_is_refused_while_it_arrives():
    mask = ResponseMask(SPEC, max_body=10)
    mask.open(200, [JSON])
    mask.feed(b"[1, 2, 3")
    with pytest.raises(MaskError, match="10 bytes"):
        mask.feed(b", 4]")
    assert_closed(mask)


@pytest.mark.parametrize("body", [b"{", b'{"ssn": "078"} trailing', b'{"ssn": NaN}', b"\xff", b" "])
def test_json_that_is_none_is_refused_at_the_end(body):
    mask = ResponseMask(SPEC, max_body=1000)
    mask.open(200, [JSON])
    mask.feed(body)
    with pytest.raises(MaskError) as caught:
        mask.close()
    assert "078" not in str(caught.value)
    assert_closed(mask)


def assert_closed(mask: ResponseMask) -> None:
    """After a refusal every step refuses, and nothing of the response is held any more."""
    for step in (lambda: mask.feed(BODY), lambda: mask.feed(b""), mask.close):
        with pytest.raises(MaskError):
            step()


def test_nothing_comes_out_of_a_response_that_never_started_or_has_already_left():
    mask = ResponseMask(SPEC, max_body=1000)
    assert_closed(mask)
    mask.open(200, [JSON])
    mask.close()
    assert_closed(mask)


def test_a_response_that_starts_anew_forgets_the_first_one():
    mask = ResponseMask(SPEC, max_body=1000)
    mask.open(200, [JSON])
    mask.feed(b'{"half": ')
    mask.open(500, [JSON])
    mask.feed(BODY)
    response = mask.close()
    assert (response.status, response.body) == (500, MASKED)


@pytest.mark.parametrize("content_type", ["application/json", "text/plain", None])
def test_an_empty_body_passes_with_its_headers_cleaned(content_type):
    headers = [("ETag", '"x"'), ("Content-Length", "0")]
    response = respond(200, headers + ([("Content-Type", content_type)] if content_type else []), [b""])
    assert (response.body, header(response, "content-length"), header(response, "etag")) == (b"", ["0"], [])
    assert header(response, "cache-control") == ["private, no-store"]


@pytest.mark.parametrize(
    "headers", [[JSON], [JSON, ("Content-Encoding", "gzip")], [("Content-Type", "text/csv")]]
)
def test_head_sends_no_byte_no_length_and_no_validator(headers):
    response = respond(200, [*headers, ("Content-Length", "31"), ("ETag", '"x"')], [BODY], method="HEAD")
    assert (response.status, response.body) == (200, b"")
    for name in ("content-length", "etag", "x-policy-masked"):
        assert header(response, name) == []
    assert header(response, "content-type")


def test_head_is_not_told_that_nothing_changed():
    with pytest.raises(MaskError):
        respond(304, [("ETag", '"x"')], [], method="HEAD")


@pytest.mark.parametrize("status", [204, 205])
def test_a_status_without_a_body_discards_what_the_application_sends(status):
    response = respond(status, [JSON, ("Content-Length", "31")], [BODY])
    assert (response.status, response.body) == (status, b"")
    assert header(response, "content-length") == []


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_loses_the_page_that_frameworks_add(status):
    headers = [("Location", "/next"), ("Content-Type", "text/html"), ("Content-Length", "9"), ("ETag", '"x"')]
    response = respond(status, headers, [b"<a>next</a>"])
    assert (response.status, response.body) == (status, b"")
    assert header(response, "location") == ["/next"]
    assert header(response, "content-length") == ["0"]
    assert header(response, "content-type") == []


def test_a_redirect_with_json_is_masked():
    response = respond(307, [JSON, ("Location", "/next")], [BODY])
    assert response.body == MASKED


def test_a_mask_that_cannot_be_applied_is_refused_before_the_handler_runs():
    with pytest.raises(MaskError):
        ResponseMask(MaskSpec((FieldMask("a..b", Operation(MaskOperator.DROP)),)), max_body=10)


def test_requests_lose_what_would_bring_an_unmaskable_answer():
    assert {
        "accept-encoding",
        "range",
        "if-range",
        "if-none-match",
        "if-modified-since",
    } <= STRIPPED_REQUEST_HEADERS
    assert stripped_request_headers("GET") == stripped_request_headers("HEAD") == STRIPPED_REQUEST_HEADERS


def test_the_preconditions_of_writing_methods_stay():
    assert {"accept-encoding", "range"} <= stripped_request_headers("PUT")
    assert not {"if-none-match", "if-match", "if-unmodified-since"} & stripped_request_headers("PUT")


TEXTS = MaskSpec(entities=(EntityMask("EMAIL_ADDRESS", Operation(MaskOperator.REPLACE)),))
EMAIL = "john.smith@example.com"


def searched(headers, chunks=(b"",), *, spec=TEXTS, max_body=100_000):
    mask = ResponseMask(spec, max_body=max_body)
    mask.open(200, list(headers))
    for chunk in chunks:
        mask.feed(chunk)
    return mask.close()


@pytest.mark.parametrize(
    ("coding", "encode"),
    [
        ("gzip", gzip.compress),
        ("deflate", zlib.compress),
        ("br", brotli.compress),
        ("zstd", zstandard.compress),
    ],
)
def test_a_compressed_body_is_decoded_and_leaves_plain(coding, encode):
    body = encode(BODY)
    headers = [JSON, ("Content-Encoding", coding), ("Content-Length", str(len(body)))]
    response = respond(200, headers, [body[:5], body[5:]])
    assert response.body == MASKED
    assert header(response, "content-encoding") == []
    assert header(response, "content-length") == [str(len(MASKED))]


def test_an_event_stream_leaves_while_it_arrives():
    mask = ResponseMask(TEXTS, max_body=1000)
    mask.open(200, [("Content-Type", "text/event-stream"), ("ETag", '"x"')])
    assert mask.streams
    assert mask.feed(b'data: {"a": "john@example.com"}\n\nda') == b'data: {"a": "<EMAIL_ADDRESS>"}\n\n'
    head = mask.head()
    assert ("X-Policy-Masked", "stream") in head.headers
    assert not {name.lower() for name, _ in head.headers} & {"etag", "content-length"}
    assert mask.feed(b"ta: {}\n\n") == b"data: {}\n\n"
    last = mask.close()
    assert (last.body, last.report.count, last.report.streamed) == (b"", 1, True)
    assert last.report.entities == {"EMAIL_ADDRESS": 1}


@pytest.mark.parametrize("headers", [[], [("Content-Length", "11")]])
def test_plain_text_is_streamed_when_nobody_knows_how_long_it_is(headers):
    mask = ResponseMask(TEXTS, max_body=1000)
    mask.open(200, [("Content-Type", "text/plain"), *headers])
    assert mask.streams is (not headers)


def test_a_stream_that_failed_gives_nothing_any_more():
    mask = ResponseMask(TEXTS, max_body=1000)
    mask.open(200, [("Content-Type", "text/plain")])
    mask.feed(b"to john.smi")
    with pytest.raises(MaskError):
        mask.feed(b"\xff")
    assert_closed(mask)


def test_an_error_nobody_expected_fails_closed_without_a_word_of_the_body(monkeypatch):
    mask = ResponseMask(TEXTS, max_body=1000)
    mask.open(200, [("Content-Type", "text/plain"), ("Content-Length", "10")])
    mask.feed(EMAIL.encode())

    def fail(*_):
        raise ValueError(EMAIL)

    monkeypatch.setattr("policy_middleware.masking.response.mask_body", fail)
    with pytest.raises(MaskError) as caught:
        mask.close()
    assert "john" not in str(caught.value)
    assert caught.value.__context__ is None
    assert_closed(mask)


def test_headers_are_searched_too():
    response = searched(
        [
            ("X-User", EMAIL),
            ("Link", f"</u/{EMAIL}>; rel=next"),
            ("X-Next", "/u?m=john.smith%40example.com"),
            ("X-Trace", "abc"),
            ("Server-Timing", "u;desc=john.smith%40ex%61mple.com"),
            ("Set-Cookie", f"u={EMAIL}"),
            ("Set-Cookie", "s=1"),
            ("Date", "Sun, 01 Mar 2026 00:00:00 GMT"),
        ]
    )
    assert header(response, "x-user") == ["<EMAIL_ADDRESS>"]
    assert header(response, "link") == ["</u/<EMAIL_ADDRESS>>; rel=next"]
    assert header(response, "x-next") == ["/u?m=<EMAIL_ADDRESS>"]
    assert header(response, "x-trace") == ["abc"]
    assert header(response, "server-timing") == []
    assert header(response, "set-cookie") == ["s=1"]
    assert response.report.paths == {
        "header x-user": 1,
        "header link": 1,
        "header x-next": 1,
        "header server-timing": 1,
        "header set-cookie": 1,
    }


@pytest.mark.parametrize(
    "value",
    [
        "</u/john.smith%40ex%61mple.com>",
        "</next?to=%2Fu%3Fm%3Djohn.smith%2540ex%2561mple.com>",
        r'{"m": "john.smith\u0040example.com"}',
        r"john.smith\100example.com",
        r'"john.smith\@example.com"',
        r'{"m": "to\njohn.smith\u0040example.com"}',
        "</pay?card=4111+1111+1111+1111>",
        'attachment; filename="=?UTF-8?Q?john.smith=40example.com?="',
        'attachment; filename="=?utf-8?b?am9obi5zbWl0aEBleGFtcGxlLmNvbQ==?="',
        f"<mailto:{EMAIL}>, </u/jane%40ex%61mple.com>",
    ],
)
def test_a_header_that_spells_a_value_with_escapes_is_left_out(value):
    cards = MaskSpec(entities=(EntityMask("CREDIT_CARD", Operation(MaskOperator.REPLACE)),))
    response = searched([("X-Any", value)], spec=TEXTS | cards)
    assert header(response, "x-any") == []
    assert response.count == 1


def test_a_value_right_behind_an_escape_is_masked_in_its_header():
    cards = MaskSpec(entities=(EntityMask("CREDIT_CARD", Operation(MaskOperator.REPLACE)),))
    response = searched([("X-Any", r'{"m": "to\n4111111111111111"}')], spec=TEXTS | cards)
    assert header(response, "x-any") == [r'{"m": "to\n<CREDIT_CARD>"}']


@pytest.mark.parametrize(
    "value",
    [
        *("%", "100%25", "\\", r"C:\users", r'{"smile": "\ud83d\ude00"}', r"\ud83d", "%ff", "+"),
        *("=?utf-8?q?=ff?=", "=?utf-8?b?a?=", "=?none?q?a?=", "=?utf-8?q?a b?="),
    ],
)
def test_escapes_without_a_value_pass_as_they_are(value):
    assert header(searched([("X-Any", value)]), "x-any") == [value]


def test_the_name_of_a_header_is_searched_and_not_recorded():
    spec = MaskSpec(entities=(EntityMask("IP_ADDRESS", Operation(MaskOperator.REDACT)),))
    response = searched([("192.168.7.1", "seen"), ("X-Other", "seen")], spec=spec)
    assert [name for name, value in response.headers if value == "seen"] == ["X-Other"]
    assert response.report.paths == {"header name": 1}


@pytest.mark.parametrize(
    ("content_type", "shown"),
    [
        (f'text/plain; name="{EMAIL}"; charset=utf-8', "text/plain; charset=utf-8"),
        ("text/plain; name=john.smith%40ex%61mple.com", "text/plain"),
        ('text/plain; name="john.csv"; charset=utf-8', 'text/plain; name="john.csv"; charset=utf-8'),
    ],
)
def test_a_content_type_loses_parameters_that_hold_a_value(content_type, shown):
    assert header(
        searched([("Content-Type", content_type), ("Content-Length", "2")], [b"hi"]), "content-type"
    ) == [shown]


@pytest.mark.parametrize(
    "malformed",
    [
        ("X-A: b\r\nX-B", "c"),
        ("X-A", "b\r\nX-B: c"),
        ("X-A", "b\0"),
        ("Content-Encoding ", "gzip"),
        ("", "c"),
        ("X-é", "c"),
    ],
)
def test_a_malformed_header_is_refused(malformed):
    with pytest.raises(MaskError):
        respond(headers=[JSON, malformed])


def test_chunked_is_the_only_transfer_coding_that_is_taken():
    assert header(respond(headers=[JSON, ("Transfer-Encoding", "Chunked")]), "transfer-encoding") == []
    with pytest.raises(MaskError):
        respond(headers=[JSON, ("Transfer-Encoding", "gzip, chunked")])


@pytest.mark.parametrize("compress", [gzip.compress, zstandard.compress])
def test_a_compressed_body_that_nobody_declares_is_refused(compress):
    with pytest.raises(MaskError):
        searched([("Content-Type", "text/plain; charset=latin-1")], [compress(EMAIL.encode())])


@pytest.mark.parametrize("address", [f"/u?m={EMAIL}", "/u?m=john.smith%40ex%61mple.com"])
def test_a_redirect_that_leads_to_a_value_is_refused(address):
    with pytest.raises(MaskError):
        searched([("Location", address)])


def test_headers_that_the_mask_names_are_treated_as_it_says():
    spec = MaskSpec(
        headers=(
            HeaderMask("x-user", Operation(MaskOperator.REDACT)),
            HeaderMask("x-gone", Operation(MaskOperator.DROP)),
        )
    )
    response = searched([("X-User", "Ann"), ("X-Gone", "Ann"), ("X-Other", EMAIL)], spec=spec)
    assert header(response, "x-user") == ["[REDACTED]"]
    assert header(response, "x-gone") == []
    assert header(response, "x-other") == [EMAIL]


def test_no_report_holds_a_value():
    response = searched([("Content-Type", "text/html"), ("X-User", EMAIL)], [f"<p>{EMAIL}</p>".encode()])
    assert "john" not in repr(response.report)
    assert response.report.members() == {
        "count": 2,
        "entities": {"EMAIL_ADDRESS": 2},
        "paths": {"header x-user": 1},
    }
