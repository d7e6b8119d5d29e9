"""One whole body: which are taken, and which are refused."""

from __future__ import annotations

import pytest

from policy_middleware.masking import Masker
from policy_middleware.model.errors import MaskError
from policy_middleware.model.policy import FieldMask, MaskOperator, MaskSpec, Operation

MASKER = Masker.from_spec(MaskSpec((FieldMask("ssn", Operation(MaskOperator.REDACT)),)))
BODY = b'{"ssn": "078-05-1120"}'
MASKED = b'{"ssn": "[REDACTED]"}'


@pytest.mark.parametrize(
    "content_type",
    [
        "application/json",
        "Application/JSON",
        " application/json ; charset=utf-8",
        'application/json;charset="UTF-8"',
        'application/json; charset=utf8; profile="a b"',
        "application/problem+json",
        "application/vnd.api+json;",
        "application/ld+json; profile=https",
    ],
)
def test_json_by_any_of_its_names_is_masked(content_type):
    content_type = content_type.replace("profile=https", 'profile="https://x"')
    assert MASKER.mask(BODY, content_type).body == MASKED


@pytest.mark.parametrize(
    "content_type",
    [
        "",
        "json",
        "text/json",
        "text/plain",
        "text/html; charset=utf-8",
        "application/json-seq",
        "application/jsonp",
        "application/json, text/html",
        "application/json; charset=utf-16",
        "application/json; charset=",
        "application/json; charset=utf-8; charset=utf-16",
        'application/json; charset="utf-8',
        "application/json charset=utf-8",
        "application/octet-stream",
        "multipart/mixed; boundary=application/json",
    ],
)
def test_any_other_type_is_refused(content_type):
    with pytest.raises(MaskError):
        MASKER.mask(BODY, content_type)


@pytest.mark.parametrize(
    "body",
    [
        b"\xef\xbb\xbf" + BODY,
        BODY.decode().encode("utf-16"),
        BODY + b"\xff",
        b'{"a": "\xed\xa0\x80"}',
        b'"\xc0\xaf"',
        b"",
    ],
)
def test_what_is_not_plain_utf8_is_refused(body):
    with pytest.raises(MaskError):
        MASKER.mask(body, "application/json")


@pytest.mark.parametrize("coding", ["gzip", "GZIP", "br", "identity, gzip", "x-own"])
def test_an_encoded_body_is_refused(coding):
    with pytest.raises(MaskError, match="Content-Encoding"):
        MASKER.mask(BODY, "application/json", [("content-ENCODING", coding)])


def test_identity_coding_is_no_coding():
    assert MASKER.mask(BODY, "application/json", [("Content-Encoding", "identity")]).body == MASKED


def test_one_spec_is_compiled_once():
    spec = MaskSpec((FieldMask("a.b", Operation(MaskOperator.DROP)),))
    again = MaskSpec((FieldMask("a.b", Operation(MaskOperator.DROP)),))
    assert Masker.from_spec(spec) is Masker.from_spec(again)


@pytest.mark.parametrize(
    "field",
    [
        FieldMask("", Operation(MaskOperator.REDACT)),
        FieldMask("a..b", Operation(MaskOperator.REDACT)),
        FieldMask("$.a[?@.b]", Operation(MaskOperator.REDACT)),
        FieldMask("a[-1]", Operation(MaskOperator.REDACT)),
        FieldMask("a", Operation(MaskOperator.PARTIAL, -1, 0)),
    ],
)
def test_a_mask_that_cannot_be_followed_is_refused_before_any_body_is_seen(field):
    with pytest.raises(MaskError):
        Masker.from_spec(MaskSpec((field,)))


def test_paths_with_many_wildcards_stay_correct_when_the_places_are_forgotten(monkeypatch):
    monkeypatch.setattr("policy_middleware.masking.selection._MAX_PLACES", 2)
    masker = Masker.from_spec(
        MaskSpec(
            (
                FieldMask("**.a.*.*.b", Operation(MaskOperator.REDACT)),
                FieldMask("**.b.*", Operation(MaskOperator.DROP)),
            )
        )
    )
    body = b'{"a":{"a":{"x":{"b":1}},"b":{"b":2}}}'
    first = masker.mask(body, "application/json").body
    assert first == masker.mask(body, "application/json").body == b'{"a":{"a":{"x":{"b":0}},"b":{}}}'
