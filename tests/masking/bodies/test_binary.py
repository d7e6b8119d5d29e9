"""MessagePack and CBOR: what expands, what JSON has no word for, and that a second mask changes nothing."""

from __future__ import annotations

import datetime
import decimal

import cbor2
import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from policy_middleware.masking import Masker
from policy_middleware.model.errors import MaskError
from tests.masking.cutting import EMAIL, MASKER, TEXTS_ONLY, fragments, many

CODECS = {
    "application/msgpack": (msgpack.packb, msgpack.unpackb),
    "application/cbor": (cbor2.dumps, cbor2.loads),
}


def masked(document, content_type="application/cbor", masker=TEXTS_ONLY):
    dumps, loads = CODECS[content_type]
    return loads(masker.mask(dumps(document), content_type).body)


def doubled(times):
    node = []
    for _ in range(times):
        node = [node, node]
    return node


@pytest.mark.parametrize(
    "body",
    [
        cbor2.dumps(doubled(60), value_sharing=True),
        cbor2.dumps(cbor2.CBORTag(4711, doubled(60)), value_sharing=True),
        cbor2.dumps({"a": cbor2.CBORTag(4711, doubled(60))}, value_sharing=True),
        cbor2.dumps(["x" * 10_000] * 10_000, string_referencing=True),
        b"\xd8\x1c\x81\xd8\x1d\x00",
        b"\xc2\x5a\x00\x00\x20\x00" + b"\xff" * 8192,
        b"\xd8\x1e\x82\xc2\x59\x20\x00" + b"\xff" * 8192 + b"\x03",
    ],
)
def test_what_stands_for_more_than_it_is_is_refused(body):
    with pytest.raises(MaskError) as caught:
        TEXTS_ONLY.mask(body, "application/cbor")
    assert "failed" not in str(caught.value)


def test_shared_parts_that_do_not_grow_are_masked():
    part = {"email": EMAIL}
    body = cbor2.dumps([part, part], value_sharing=True)
    assert cbor2.loads(TEXTS_ONLY.mask(body, "application/cbor").body) == [{"email": "<EMAIL_ADDRESS>"}] * 2


def test_extensions_of_messagepack_stay_extensions():
    document = {"a": msgpack.ExtType(5, b"plain"), "b": msgpack.ExtType(5, EMAIL.encode()), "c": EMAIL}
    assert masked(document, "application/msgpack") == {
        "a": msgpack.ExtType(5, b"plain"),
        "b": msgpack.ExtType(5, b"<EMAIL_ADDRESS>"),
        "c": "<EMAIL_ADDRESS>",
    }
    with pytest.raises(MaskError):
        masked(msgpack.ExtType(5, b"\xff"), "application/msgpack")


def test_what_json_has_no_word_for_comes_out_as_it_went_in():
    document = {
        "date": datetime.datetime(2024, 1, 2, tzinfo=datetime.UTC),
        "amount": decimal.Decimal("1.10"),
        "tag": cbor2.CBORTag(4711, "x"),
        "long": 2**100,
        "email": EMAIL,
    }
    assert masked(document) == document | {"email": "<EMAIL_ADDRESS>"}


@pytest.mark.parametrize("document", [cbor2.CBORTag(4711, [EMAIL]), {EMAIL.encode(): 1}])
def test_a_value_where_nothing_can_be_written_is_refused(document):
    with pytest.raises(MaskError) as caught:
        masked(document)
    assert "john" not in str(caught.value)


@pytest.mark.parametrize(
    "body",
    [
        b"\xa2" + cbor2.dumps("a") + cbor2.dumps(EMAIL) + cbor2.dumps("a") + cbor2.dumps("x"),
        b"\xbf" + cbor2.dumps("a") + cbor2.dumps(EMAIL) + cbor2.dumps("a") + cbor2.dumps("x") + b"\xff",
        b"\xa2\x01" + cbor2.dumps(EMAIL) + b"\xf5" + cbor2.dumps("x"),
        cbor2.dumps({"a": 1}) + cbor2.dumps(EMAIL),
        cbor2.dumps({"a": 1}) + b"\x78\x40" + EMAIL.encode(),
        b"\xd8\x23" + cbor2.dumps("x" * 200 + " " + EMAIL),
        b"\xd8\x24" + cbor2.dumps(f"From: {EMAIL}\n\nx"),
        cbor2.dumps(cbor2.CBORTag(4711, EMAIL.replace("@", "\u200b@"))),
        cbor2.dumps(cbor2.CBORTag(4711, {"a": [EMAIL.replace("@", "\uff20").encode()]})),
        cbor2.dumps(cbor2.CBORTag(4711, {"ssn": 219099999})),
        cbor2.dumps(cbor2.CBORTag(4711, b"\xff\xfe")),
    ],
    ids=[
        "a name twice",
        "a name twice in a map without a length",
        "a number and a truth as one name",
        "another item",
        "half an item",
        "long expression",
        "mail",
        "unseen character",
        "another at sign",
        "announced by its name",
        "bytes that are no text",
    ],
)
def test_what_a_decoder_drops_or_a_tag_hides_is_refused(body):
    masker = Masker.from_spec({"entities": {"EMAIL_ADDRESS": "replace", "US_SSN": "replace"}})
    with pytest.raises(MaskError) as caught:
        masker.mask(body, "application/cbor")
    assert "john" not in str(caught.value)


@pytest.mark.parametrize(
    "document",
    [
        {"a": cbor2.CBORTag(4711, {"ssn": "x"})},
        {"a": cbor2.CBORTag(4711, [cbor2.CBORTag(4712, [{"b": {"ssn": "x"}}])])},
        {b"ssn": "x"},
        {(("ssn", "x"),): 1},
    ],
)
def test_members_where_no_field_reaches_are_refused(document):
    by_name = Masker.from_spec({"fields": {"**.ssn": "redact"}})
    with pytest.raises(MaskError, match="no field reaches"):
        masked(document, masker=by_name)
    body = cbor2.dumps(document)
    assert TEXTS_ONLY.mask(body, "application/cbor").body == body


def test_bytes_in_a_tag_need_be_no_text_where_nothing_is_searched():
    by_name = Masker.from_spec({"fields": {"ssn": "redact"}})
    document = {"ssn": "x", "key": cbor2.CBORTag(4711, b"\xff")}
    assert masked(document, masker=by_name) == document | {"ssn": "[REDACTED]"}


def test_a_field_may_name_the_place_of_a_tag_with_members():
    by_place = Masker.from_spec({"fields": {"a": "redact"}})
    assert masked({"a": cbor2.CBORTag(4711, {"ssn": "x"})}, masker=by_place) == {"a": "[REDACTED]"}


def test_what_says_of_itself_that_it_is_cbor_is_masked_like_any_other():
    masker = Masker.from_spec({"fields": {"**.ssn": "redact"}})
    body = b"\xd9\xd9\xf7" + cbor2.dumps({"a": [{"ssn": "x"}, {}, [], 1.5]})
    assert cbor2.loads(masker.mask(body, "application/cbor").body) == {
        "a": [{"ssn": "[REDACTED]"}, {}, [], 1.5]
    }


def test_every_value_is_counted_once():
    masker = Masker.from_spec({"fields": {"**.ssn": "redact"}, "entities": {"EMAIL_ADDRESS": "replace"}})
    body = msgpack.packb([{"ssn": 1, "a": EMAIL.encode()}, {"ssn": b"x", "a": EMAIL.encode()}])
    out = masker.mask(body, "application/msgpack")
    assert (out.count, out.entities, out.paths) == (4, {"EMAIL_ADDRESS": 2}, {"**.ssn": 2})


# Where two values touch, a second mask may find what the first left (docs/masking.md).
words = st.lists(fragments, max_size=5).map(" ".join)
leaves = st.one_of(words, words.map(str.encode), st.integers(-(2**63), 2**63), st.booleans(), st.none())
documents = st.recursive(
    leaves,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(["ssn", "a", "\ue0000", "x y"]), inner, max_size=4)
    ),
    max_leaves=12,
)


@many
@given(documents, st.sampled_from(sorted(CODECS)), st.sampled_from([MASKER, TEXTS_ONLY]))
def test_masking_a_masked_document_changes_nothing(document, content_type, masker):
    body = CODECS[content_type][0](document)
    once = masker.mask(body, content_type).body
    assert masker.mask(once, content_type).body == once
