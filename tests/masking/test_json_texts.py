"""Entities in JSON: found in texts, keys and numbers, and nothing else moves."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from policy_middleware.masking import Masker
from policy_middleware.masking.json_fields import FieldPlan
from policy_middleware.masking.marking import marked
from policy_middleware.model.errors import MaskError
from policy_middleware.model.policy import MaskSpec
from tests.masking import documents

JSON = "application/json"
MASKER = Masker.from_spec(
    {"entities": {"EMAIL_ADDRESS": "replace", "CREDIT_CARD": "redact", "US_SSN": "redact"}}
)


def masked(body: str) -> str:
    return MASKER.mask(body.encode(), JSON).body.decode()


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ('"jo@example.com"', '"<EMAIL_ADDRESS>"'),
        (r'"jo\u0040example.com"', '"<EMAIL_ADDRESS>"'),
        (r'"\"jo@example.com\"\n"', r'"\"<EMAIL_ADDRESS>\"\n"'),
        ('{"jo@example.com": 1}', '{"<EMAIL_ADDRESS>": 1}'),
        ('{ "n" : 4111111111111111 , "m":1.10}', '{ "n" : 0 , "m":1.10}'),
        ('["é jo@example.com", "é"]', '["é <EMAIL_ADDRESS>", "é"]'),
        (r'["\u00e9 jo@example.com", "\u00e9"]', r'["\u00e9 <EMAIL_ADDRESS>", "\u00e9"]'),
        (r'"\ud800 é jo@example.com"', r'"\ud800 é <EMAIL_ADDRESS>"'),
        (r'"\/ \u0041 jo\u0040example.com\u0020\n"', r'"\/ \u0041 <EMAIL_ADDRESS>\u0020\n"'),
        (
            '[true,4111111111111111,false ,null,"é jo@example.com"]',
            '[true,0,false ,null,"é <EMAIL_ADDRESS>"]',
        ),
        ('["4111 1111", "1111 1111"]', '["4111 1111", "1111 1111"]'),
        ('["x@", "example.com", 4111, 111111111111]', '["x@", "example.com", 4111, 111111111111]'),
        ('{"next": "/?m=caf%C3%A9%40ex%61mple.com&at=1"}', '{"next": "/?m=<EMAIL_ADDRESS>&at=1"}'),
        ('{"next": "/?m=jo%40example.com&at=1"}', '{"next": "/?m=<EMAIL_ADDRESS>&at=1"}'),
        ('"/in?to=%2Fu%3Fcard%3D4111%252011111111%25201111 5%"', '"/in?to=%2Fu%3Fcard%3D[REDACTED] 5%"'),
        ("[4.111111111111111E15, 1e400, -0.5e-7,41111111111111110e-1]", "[0, 1e400, -0.5e-7,0]"),
        ('{"a" : 4111111111111111e0 , "b": " 1e5 "}', '{"a" : 0 , "b": " 1e5 "}'),
        # JSON in a string of JSON, and once more in a string of that.
        (r'{"a": "{\"b\":\"to\\n4111111111111111\"}"}', r'{"a": "{\"b\":\"to\\n[REDACTED]\"}"}'),
        (r'"{\"jo\\u0040example.com\":\"\\/\"}"', r'"{\"<EMAIL_ADDRESS>\":\"\\/\"}"'),
        (r'"[\"[\\\"\\\\t536-90-4399\\\"]\"]"', r'"[\"[\\\"\\\\t[REDACTED]\\\"]\"]"'),
        (
            r'"\ud83d\ude00 \\ud83d\\ude00 jo\\u0040example.com"',
            r'"\ud83d\ude00 \\ud83d\\ude00 <EMAIL_ADDRESS>"',
        ),
        (r'"C:\\new jo@example.com \\\n"', r'"C:\\new <EMAIL_ADDRESS> \\\n"'),
    ],
)
def test_what_is_recognised_is_masked_where_it_stands(body, expected):
    assert masked(body) == expected


def test_what_is_written_into_json_in_a_string_is_spelt_as_that_asks():
    quoting = Masker.from_spec({"entities": {"EMAIL_ADDRESS": {"operator": "replace", "text": 'an "é"'}}})
    once = quoting.mask(
        json.dumps(json.dumps({"to": "jo@a.io"})).replace("@", r"\\u0040").encode(), JSON
    ).body
    assert json.loads(json.loads(once)) == {"to": 'an "é"'}
    assert quoting.mask(once, JSON).body == once


def test_long_runs_of_backslashes_take_no_time():
    body = json.dumps("\\" * 200_000 + "n4111111111111111 x").encode()
    started = time.perf_counter()
    assert b"4111" not in MASKER.mask(body, JSON).body
    assert time.perf_counter() - started < 2


def test_a_clean_body_is_handed_back():
    body = b'{"a": [1.10, "text", null, 1E5]}'
    assert MASKER.mask(body, JSON).body is body


@pytest.mark.parametrize("body", ["{", '{"a":jo@example.com}', '"jo@example.com', "[1,]", '["\x01"]', "01"])
def test_a_body_that_is_no_json_is_refused(body):
    with pytest.raises(MaskError):
        masked(body)


VALUES = ["jo@example.com", "078-05-1121", "a.b@mail.example.org", "4111-1111-1111-1111"]


@st.composite
def documents_with_values(draw: st.DrawFn) -> documents.Container:
    """A random document with values in some of its texts."""
    node = draw(documents.documents)

    def planted(part: documents.Scalar | documents.Container) -> documents.Scalar | documents.Container:
        if isinstance(part, documents.Container):
            items = tuple(
                documents.Item(one.before, one.key, one.colon, planted(one.value), one.after)
                for one in part.items
            )
            return documents.Container(part.kind, items, part.inside)
        if part.literal[0] == '"' and draw(st.booleans()):
            return documents.Scalar(draw(documents.spelled(f"x {draw(st.sampled_from(VALUES))} y")))
        return part

    result = planted(node)
    assert isinstance(result, documents.Container)
    return result


def literals(node: documents.Scalar | documents.Container) -> Iterator[str]:
    """Every string of a document, keys included."""
    if isinstance(node, documents.Scalar):
        yield node.literal
        return
    for item in node.items:
        if item.key is not None:
            yield item.key
        yield from literals(item.value)


@settings(max_examples=150, deadline=None)
@given(documents_with_values())
def test_each_literal_is_masked_as_if_it_stood_alone_and_nothing_else_moves(node):
    def alone(part: documents.Scalar | documents.Container) -> documents.Scalar | documents.Container:
        if isinstance(part, documents.Scalar):
            return documents.Scalar(masked(part.literal))
        items = tuple(
            documents.Item(
                one.before,
                None if one.key is None else masked(one.key),
                one.colon,
                alone(one.value),
                one.after,
            )
            for one in part.items
        )
        return documents.Container(part.kind, items, part.inside)

    once = masked(documents.printed(node))
    assert once == documents.printed(alone(node))
    assert masked(once) == once


@settings(max_examples=150, deadline=None)
@given(documents.masked_documents(), st.booleans())
def test_the_quick_way_writes_what_the_strict_reader_writes(document, compact):
    node, fields = document
    try:
        tree = json.loads(documents.printed(node))
        text = json.dumps(tree, separators=(",", ":") if compact else None, ensure_ascii=not compact)
        body = text.encode()
    except (ValueError, UnicodeEncodeError):
        return
    masker = Masker.from_spec(MaskSpec(tuple(fields)))
    plan = FieldPlan.of(masker._selector.paths)
    quick = None if plan is None else plan.apply(body)
    if quick is not None:
        strict, _ = masker._fields_masked(text, None)
        assert json.loads(quick[0]) == json.loads(strict)
        if quick[0].isascii():
            assert quick[0].decode() == strict


@pytest.mark.parametrize(
    "body",
    [
        '{"a":{"ssn":"1"},"ssn":"2"}',
        '{"a":{"ssn":"1","ssn":"2"}}',
        '{"a":{"s\\u0073n":"1"},"ssn":"2"}',
        '{"a":{"ssn":{"x":1}}}',
        '{"a": {"ssn": "1"}, "b": "\\"ssn\\": \\"2\\""}',
        '{"a": {"ssn": "1"}, "b": "ssn"}',
        '{"a":{"ssn":12345678901234567890123}}',
        '{"a":{"ssn":"\\"ssn\\":"},"x":1.10}',
        '[{"a":{"ssn":"1"}}]',
    ],
)
def test_bodies_that_are_not_ordinary_are_masked_the_same(body):
    masker = Masker.from_spec({"fields": {"a.ssn": "redact"}})
    assert masker.mask(body.encode(), JSON).body.decode() == masker._fields_masked(body, None)[0]


def test_kept_fields_are_not_searched():
    spec = {"fields": {"contact": "keep"}, "entities": {"EMAIL_ADDRESS": "redact"}}
    body = b'{"contact": {"mail": "jo@x.com", "n": 1.10}, "other": "jo@x.com"}'
    expected = b'{"contact": {"mail": "jo@x.com", "n": 1.10}, "other": "[REDACTED]"}'
    assert Masker.from_spec(spec).mask(body, JSON).body == expected


def test_patterns_of_the_policy_are_found_beside_built_in_ones():
    spec = {
        "entities": {"EMAIL_ADDRESS": "redact"},
        "patterns": {"EMPLOYEE": {"pattern": r"\bE-[0-9]{6}\b", "operator": "replace"}},
    }
    result = Masker.from_spec(spec).mask(b'["E-004711 jo@x.com"]', JSON)
    assert result.body == b'["<EMPLOYEE> [REDACTED]"]'
    assert result.entities == {"EMAIL_ADDRESS": 1, "EMPLOYEE": 1}


@pytest.mark.parametrize(
    "spec",
    [
        {"entities": {"NO_SUCH_ENTITY": "redact"}},
        {"patterns": {"X": {"pattern": "(", "operator": "redact"}}},
        {"patterns": {"X": {"pattern": "a*", "operator": "redact"}}},
        {"entities": {"EMAIL_ADDRESS": {"operator": "replace", "text": "write to us@example.com"}}},
    ],
)
def test_what_cannot_be_looked_for_is_refused_when_the_mask_is_made(spec):
    with pytest.raises(MaskError):
        Masker.from_spec(spec)


def test_a_mask_at_work_marks_what_it_finds():
    spec = Masker.from_spec({"fields": {"ssn": "show_last_4"}, "entities": {"EMAIL_ADDRESS": "replace"}}).spec
    before, after = marked(spec, b'{"ssn": "078051120", "t": "to jo@x.com"}', JSON, tenant_key=None)
    assert "".join(piece.text for piece in before) == '{"ssn": "078051120", "t": "to jo@x.com"}'
    assert [(p.text, p.entity) for p in after if p.entity] == [
        ("*****1120", "MASKED"),
        ("<EMAIL_ADDRESS>", "EMAIL_ADDRESS"),
    ]


def test_headers_are_treated_as_named_or_searched():
    spec = {"headers": {"X-Customer": "redact", "X-Gone": "drop"}, "entities": {"EMAIL_ADDRESS": "replace"}}
    masker = Masker.from_spec(spec)
    assert masker.mask_header("x-customer", "Jo").value == "[REDACTED]"
    assert masker.mask_header("X-Gone", "Jo").value is None
    assert masker.mask_header("X-Note", "to jo@x.com").value == "to <EMAIL_ADDRESS>"


EVERYTHING = Masker.from_spec(
    {
        "entities": dict.fromkeys(
            ("CREDIT_CARD", "EMAIL_ADDRESS", "PHONE_NUMBER", "UK_NHS", "US_PASSPORT", "US_SSN"), "replace"
        )
    }
)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ('{"ssn": "536904399"}', '{"ssn": "<US_SSN>"}'),
        ('{"ssn": 536904399, "n": 536904399}', '{"ssn": 0, "n": 536904399}'),
        ('{"socialSecurityNumber":"536904399"}', '{"socialSecurityNumber":"<US_SSN>"}'),
        ('{"passport_no": "A12803456"}', '{"passport_no": "<US_PASSPORT>"}'),
        ('{"HomePhone": "4155550132"}', '{"HomePhone": "<PHONE_NUMBER>"}'),
        ('{"\\u0073sn": "536904399"}', '{"\\u0073sn": "<US_SSN>"}'),
        ('{"ssn": "536904399 or jo@x.org"}', '{"ssn": "<US_SSN> or <EMAIL_ADDRESS>"}'),
        (
            '{"hotel": "4155550132", "number": "4155550132"}',
            '{"hotel": "4155550132", "number": "4155550132"}',
        ),
        ('{"passenger": "A12803456"}', '{"passenger": "A12803456"}'),
        ('{"ssn": null, "n": "536904399"}', '{"ssn": null, "n": "536904399"}'),
        ('{"ssn": 5.36904399E8, "n": 5.36904399E8}', '{"ssn": 0, "n": 5.36904399E8}'),
        ('{"ssn": {"n": "536904399"}}', '{"ssn": {"n": "536904399"}}'),
        ('["ssn", "536904399"]', '["ssn", "536904399"]'),
    ],
)
def test_a_key_announces_its_value_as_a_word_of_text_does(body: str, expected: str) -> None:
    once = EVERYTHING.mask(body.encode(), JSON)
    assert once.body.decode() == expected
    assert once.count == expected.count("<") + ('"ssn": 0' in expected)
    assert EVERYTHING.mask(once.body, JSON).body == once.body


def test_the_paths_of_rules_are_counted_whatever_way_a_body_is_masked() -> None:
    masker = Masker.from_spec({"fields": {"a[*].x": "redact", "**.y": "nullify", "z": "redact"}})
    plain = b'{"a":[{"x":"1","y":2},{"x":"3"}]}'
    for body in (plain, plain.replace(b":", b": "), plain.replace(b'"x"', b'"\\u0078"')):
        assert masker.mask(body, JSON).paths == {"a[*].x": 2, "**.y": 1}
    by_orjson = Masker.from_spec({"fields": {"a[*].x": "redact", "z": "redact"}})
    assert by_orjson.mask(plain, JSON).paths == {"a[*].x": 2}
