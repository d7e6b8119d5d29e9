"""In-place rewriting: what is masked is masked, and nothing else moves by a byte."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from policy_middleware.masking import Masker
from policy_middleware.masking.json_body import MAX_DEPTH
from policy_middleware.model.errors import MaskError
from policy_middleware.model.policy import FieldMask, MaskOperator, MaskSpec, Operation
from tests.masking import documents, lossless

JSON = "application/json"


def mask(body: str | bytes, fields: dict[str, str], *, shown: tuple[int, int] = (0, 0)) -> str:
    spec = MaskSpec(
        tuple(FieldMask(path, Operation(MaskOperator(operator), *shown)) for path, operator in fields.items())
    )
    data = body.encode() if isinstance(body, str) else body
    return Masker.from_spec(spec).mask(data, JSON).body.decode()


@settings(max_examples=200, deadline=None)
@given(documents.masked_documents(), documents.spaces, documents.spaces)
def test_any_document_under_any_mask_equals_the_model(document, before, after):
    node, fields = document
    body = before + documents.printed(node) + after
    result = Masker.from_spec(MaskSpec(tuple(fields))).mask(body.encode(), JSON)
    assert result.body.decode() == before + documents.masked(node, fields) + after


@settings(max_examples=150, deadline=None)
@given(documents.masked_documents() | documents.documents_masked_by_key())
def test_every_way_keeps_every_byte_outside_masked_values(document):
    for text, expected, written in lossless.outcomes(*document):
        for way, result in written.items():
            assert result == expected, (way, text)


@settings(max_examples=200, deadline=None)
@given(documents.masked_documents())
def test_masking_twice_changes_nothing(document):
    node, fields = document
    masker = Masker.from_spec(MaskSpec(tuple(fields)))
    once = masker.mask(documents.printed(node).encode(), JSON).body
    assert masker.mask(once, JSON).body == once


@settings(max_examples=100, deadline=None)
@given(documents.documents)
def test_a_path_that_matches_nothing_returns_the_very_body(node):
    body = documents.printed(node).encode()
    spec = MaskSpec(
        (
            FieldMask("**.no such key", Operation(MaskOperator.DROP)),
            FieldMask("no.such[3].key", Operation(MaskOperator.REDACT)),
        )
    )
    result = Masker.from_spec(spec).mask(body, JSON)
    assert result.body is body
    assert result.count == 0


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_what_strict_json_refuses_is_refused_wherever_it_stands(data):
    text = documents.printed(data.draw(documents.documents))
    position = data.draw(st.integers(0, len(text)))
    cut = data.draw(st.integers(0, 2))
    changed = (
        text[:position]
        + data.draw(st.sampled_from(["", ",", "0", '"', "\\", "}", "]", ":", "-", "\x01", " "]))
        + text[position + cut :]
    )
    valid = is_json(changed)
    for path in ("**.ssn", "a.b", "[1]", "**.*"):
        if valid:
            mask(changed.encode(errors="surrogatepass"), {path: "redact"})
        else:
            with pytest.raises(MaskError, match="not valid JSON"):
                mask(changed, {path: "redact"})


def is_json(text: str) -> bool:
    def refuse(name: str) -> None:
        raise ValueError(name)

    try:
        json.loads(text, parse_int=str, parse_constant=refuse)
    except ValueError:
        return False
    return True


@pytest.mark.parametrize(
    "malformed",
    [
        "{",
        "}",
        "[",
        "[1,]",
        "[,1]",
        '{"a":}',
        '{"a" 1}',
        '{"a":1,}',
        "[1 2]",
        "01",
        "1.",
        ".5",
        "+1",
        "1e",
        "-",
        '"\x01"',
        '"\t"',
        "{a:1}",
        "{'a':1}",
        "nul",
        "True",
        "NaN",
        "[NaN]",
        "Infinity",
        "-Infinity",
        "[1]x",
        "[1][2]",
        '{"a":1}{"a":1}',
        '"\\x"',
        '"\\u12g4"',
        '"\\u12',
        '"abc',
        "/**/1",
        "[1]//",
        "\u00a0[1]",
        ")]}',\n{}",
        "[1}",
        '{"a":1]',
        '{"a":[}',
        '{"a":1 "b":2}',
        '{"a"}',
        '{"a":1,"a"}',
        "{1:2}",
        "[\u0661]",
    ],
)
@pytest.mark.parametrize("wrap", ["%s", '{"dead": %s}', '{"live": %s}', '{"deep": [[%s], 1]}'])
def test_malformed_json_is_refused_in_masked_and_in_skipped_places(malformed, wrap):
    body = wrap.replace("%s", malformed)
    for operator in documents.OPERATORS:
        with pytest.raises(MaskError, match="not valid JSON"):
            mask(body, {"live": operator, "deep[*]": operator, "x.y": operator})


@pytest.mark.parametrize("body", ["", " ", '{"live": }', '{"dead":\n}', '{"live": 1,'])
def test_a_missing_value_is_refused(body):
    with pytest.raises(MaskError, match="not valid JSON"):
        mask(body, {"live": "redact"})


def test_every_byte_outside_masked_values_stays():
    body = '{ "n" : 1.10, "big":12345678901234567890123,\n\t"\\u0065mail" :"jo@example.com" , "e":1E5 }\r\n'
    expected = body.replace('"jo@example.com"', '"[REDACTED]"')
    assert mask(body, {"email": "redact"}) == expected


def test_every_occurrence_of_a_duplicate_key_is_masked():
    body = '{"ssn":"1","ssn":{"x":"2"},"s\\u0073n":"3"}'
    assert (
        mask(body, {"ssn": "redact"})
        == '{"ssn":"[REDACTED]","ssn":{"x":"[REDACTED]"},"s\\u0073n":"[REDACTED]"}'
    )


def test_redact_keeps_json_types_and_writes_the_same_for_every_value():
    body = '[["secret", ""], [17, -1.5e9], [true, false], [null], {}, []]'
    expected = '[["[REDACTED]", "[REDACTED]"], [0, 0], [false, false], [null], {}, []]'
    assert mask(body, {"[*]": "redact"}) == expected


def test_partial_shows_the_ends_of_a_long_value_and_nothing_of_a_short_one():
    body = '["4111111111111111", "12345678", "1234567", "", 42, true]'
    assert (
        mask(body, {"[*]": "partial"}, shown=(0, 4))
        == '["************1111", "****5678", "*******", "", 0, false]'
    )


def test_two_partials_show_only_what_both_show():
    spec = MaskSpec(
        (
            FieldMask("a", Operation(MaskOperator.PARTIAL, 3, 1)),
            FieldMask("*", Operation(MaskOperator.PARTIAL, 1, 4)),
        )
    )
    assert Masker.from_spec(spec).mask(b'{"a":"0123456789"}', JSON).body == b'{"a":"0********9"}'


def test_a_union_of_partials_never_shows_a_short_value_that_one_of_them_hides():
    spec = MaskSpec(
        (
            FieldMask("a", Operation(MaskOperator.PARTIAL, 4, 4)),
            FieldMask("*", Operation(MaskOperator.PARTIAL, 2, 2)),
        )
    )
    assert Masker.from_spec(spec).mask(b'{"a":"01234567"}', JSON).body == b'{"a":"********"}'


def test_nullify_replaces_a_container_whole():
    assert mask('{"a": {"k": [1, 2]}, "b": "x"}', {"*": "nullify"}) == '{"a": null, "b": null}'


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ('{"x":1}', "{}"),
        ('{ "x": 1 }', "{  }"),
        ('{"x":1,"b":2}', '{"b":2}'),
        ('{"a":1,"x":2}', '{"a":1}'),
        ('{"a":1,"x":{"deep":[1]},"b":3}', '{"a":1,"b":3}'),
        ('{"x":1,"x":2,"b":3,"x":4,"x":5}', '{"b":3}'),
        ('{\n  "a": 1,\n  "x": 2,\n  "b": 3\n}', '{\n  "a": 1,\n  "b": 3\n}'),
        ('{\n  "x": 2,\n  "b": 3\n}', '{\n  "b": 3\n}'),
        ('{\n  "a": 2,\n  "x": 3\n}', '{\n  "a": 2\n}'),
    ],
)
def test_drop_takes_the_member_with_one_comma(body, expected):
    assert mask(body, {"**.x": "drop"}) == expected


def test_drop_removes_elements_but_leaves_null_where_an_index_picked_one():
    body = '{"all": [1, [2], 3], "one": [1, {"a": 2}, 3]}'
    assert mask(body, {"all[*]": "drop", "one[1]": "drop"}) == '{"all": [], "one": [1, null, 3]}'


@pytest.mark.parametrize("first", documents.OPERATORS)
@pytest.mark.parametrize("second", documents.OPERATORS)
def test_where_paths_meet_the_strictest_operator_wins(first, second):
    body = '{"a": {"b": "0123456789"}, "c": 1}'
    alone = {operator: mask(body, {"a.b": operator}, shown=(1, 1)) for operator in (first, second)}
    strictest = max(first, second, key=list(MaskOperator).index)
    assert mask(body, {"a.b": first, "**.b": second}, shown=(1, 1)) == alone[strictest]


def test_what_holds_for_a_container_holds_below_it_and_a_stricter_path_goes_on():
    body = '{"c": {"id": 7, "ssn": "1", "n": {"name": "x"}}}'
    assert mask(body, {"c": "redact", "c.ssn": "drop"}) == '{"c": {"id": 0, "n": {"name": "[REDACTED]"}}}'


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("a", '{"a":0,"b":{"a":1,"c":[{"a":1},{"a":1}]}}'),
        ("b.a", '{"a":1,"b":{"a":0,"c":[{"a":1},{"a":1}]}}'),
        ("b.c[*].a", '{"a":1,"b":{"a":1,"c":[{"a":0},{"a":0}]}}'),
        ("b.c[1].a", '{"a":1,"b":{"a":1,"c":[{"a":1},{"a":0}]}}'),
        ("b.*", '{"a":1,"b":{"a":0,"c":[{"a":0},{"a":0}]}}'),
        ("b.c.*", '{"a":1,"b":{"a":1,"c":[{"a":0},{"a":0}]}}'),
        ("**.a", '{"a":0,"b":{"a":0,"c":[{"a":0},{"a":0}]}}'),
        ("b.**.a", '{"a":1,"b":{"a":0,"c":[{"a":0},{"a":0}]}}'),
        ("**.c[0].a", '{"a":1,"b":{"a":1,"c":[{"a":0},{"a":1}]}}'),
        ("b.c.a", '{"a":1,"b":{"a":1,"c":[{"a":1},{"a":1}]}}'),
        ("b[*]", '{"a":1,"b":{"a":1,"c":[{"a":1},{"a":1}]}}'),
        ("A", '{"a":1,"b":{"a":1,"c":[{"a":1},{"a":1}]}}'),
    ],
)
def test_paths_name_the_places_they_say(path, expected):
    assert mask('{"a":1,"b":{"a":1,"c":[{"a":1},{"a":1}]}}', {path: "redact"}) == expected


def test_count_is_the_number_of_values_that_were_masked():
    masker = Masker.from_spec(
        MaskSpec(
            (FieldMask("*.x", Operation(MaskOperator.DROP)), FieldMask("*.y", Operation(MaskOperator.REDACT)))
        )
    )
    assert masker.mask(b'[{"x":{"y":1},"y":[1,null,"s"]},{"y":{}},{"z":1}]', JSON).count == 4


def test_nesting_is_bounded_where_paths_reach_and_where_they_do_not():
    for depth, path in ((MAX_DEPTH + 1, "**.x"), (100_000, "**.x"), (100_000, "x.y")):
        with pytest.raises(MaskError, match="nested"):
            mask('{"x":' + "[" * depth + "]" * depth + "}", {path: "redact"})


def test_deep_nesting_within_the_bound_is_masked():
    body = '{"x":' * MAX_DEPTH + '"v"' + "}" * MAX_DEPTH
    assert mask(body, {"**.x": "redact"}) == body.replace('"v"', '"[REDACTED]"')


def test_an_error_holds_no_part_of_the_body():
    for body in (
        b'{"ssn": "078-05-1120", oops}',
        b'{"ssn": "078-05-1120 \xff"}',
        b'{"a": {"ssn": "078-05-1120", NaN}}',
    ):
        with pytest.raises(MaskError) as caught:
            mask(body, {"b": "redact"})
        assert "078" not in str(caught.value)
        assert caught.value.__context__ is None
