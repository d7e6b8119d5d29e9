from __future__ import annotations

import json
import math
import tracemalloc
from collections import OrderedDict
from enum import IntEnum, StrEnum
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policy_middleware.model.errors import DocumentError
from policy_middleware.model.json_reading import JSON, json_path, kind_of, plain_json, read_json, shown

LIMIT = 1_000_000


def refusal_of(raw: bytes | str, limit: int = LIMIT) -> list[str]:
    with pytest.raises(DocumentError) as caught:
        read_json(raw, limit)
    return [str(problem) for problem in caught.value.problems]


SYNTAX = {
    b"": '$: is empty; a document without rules is written {"default": "deny", "rules": []}',
    b" \n": '$: is empty; a document without rules is written {"default": "deny", "rules": []}',
    b"\xff{}": "$: is not UTF-8 (byte 0xff); save it as UTF-8",
    b"\xff\xfe{\x00}\x00": "$: is UTF-16; save it as UTF-8",
    b'{"a": 1,}': "$: is not JSON (line 1, column 8): remove the comma before the closing bracket",
    b"[1,\n 2,\n]": "$: is not JSON (line 2, column 3): remove the comma before the closing bracket",
    b"{'a': 1}": '$: is not JSON (line 1, column 2): text is written in straight double quotes: "like this"',
    "{“a”: 1}".encode(): (
        '$: is not JSON (line 1, column 2): text is written in straight double quotes: "like this"'
    ),
    b'{"a": True}': "$: is not JSON (line 1, column 7): write true instead of True",
    b'{"a": None}': "$: is not JSON (line 1, column 7): write null instead of None",
    b'{"a": 1 // why\n}': (
        '$: is not JSON (line 1, column 9): JSON has no comments; a rule may carry a "note"'
    ),
    b'{"a": 1': "$: is not JSON (line 1, column 8): it ends too early; a closing bracket or quote is missing",
    b'{"a": 1}}': "$: is not JSON (line 1, column 9): something follows the end of the document",
    b'{"a": 1 "b": 2}': "$: is not JSON (line 1, column 9): expecting ',' delimiter",
    b'{"a": "x\ny"}': (
        "$: is not JSON (line 1, column 9): "
        "a quote is missing, or a line break inside text is not written \\n"
    ),
}


@pytest.mark.parametrize(("raw", "sentence"), SYNTAX.items(), ids=[str(raw) for raw in SYNTAX])
def test_text_that_is_not_json_is_refused_with_its_place_and_what_to_do(raw: bytes, sentence: str) -> None:
    assert refusal_of(raw) == [sentence]


VALUES = {
    '{"a": 1, "a": 2}': ["$.a: is given more than once; keep one"],
    '{"r": [{"b": 1, "c": 2, "b": 3, "c": 4}]}': [
        "$.r[0].b: is given more than once; keep one",
        "$.r[0].c: is given more than once; keep one",
    ],
    '{"a": {"x": 1, "x": 1}, "a b": [{"y": 1, "y": 2}]}': [
        "$.a.x: is given more than once; keep one",
        "$['a b'][0].y: is given more than once; keep one",
    ],
    '{"a": [NaN, Infinity, -Infinity]}': [
        "$.a[0]: is NaN, which JSON does not have",
        "$.a[1]: is Infinity, which JSON does not have",
        "$.a[2]: is -Infinity, which JSON does not have",
    ],
    '{"a": 1e999}': ["$.a: is a number of more than 64 bits; write it as text"],
    '{"a": 9223372036854775808}': ["$.a: is a number of more than 64 bits; write it as text"],
    '{"a": -9223372036854775809}': ["$.a: is a number of more than 64 bits; write it as text"],
    '{"a": ' + "9" * 100_000 + "}": ["$.a: is a number of more than 64 bits; write it as text"],
    '{"a": "\\ud800"}': ["$.a: holds half of a surrogate pair, which is not text"],
    '{"\\udfff": 1}': ["$: has a key that holds half of a surrogate pair, which is not text"],
    '{"a": "\ud800"}': ["$: holds half of a surrogate pair, which is not text"],
}


@pytest.mark.parametrize(("raw", "sentences"), VALUES.items(), ids=range(len(VALUES)))
def test_values_without_one_meaning_are_refused_with_their_paths(raw: str, sentences: list[str]) -> None:
    assert refusal_of(raw) == sentences


def test_the_largest_numbers_of_64_bits_are_read_exactly() -> None:
    assert read_json("[9223372036854775807, -9223372036854775808]", LIMIT) == [2**63 - 1, -(2**63)]


def test_a_byte_order_mark_is_skipped() -> None:
    assert read_json(b'\xef\xbb\xbf{"a": "\xc3\xa9"}', LIMIT) == {"a": "é"}


def test_surrogate_pairs_are_read_as_the_character_they_stand_for() -> None:
    assert read_json('"\\ud83d\\ude00"', LIMIT) == "😀"


def test_a_text_of_exactly_the_limit_is_read_and_one_byte_more_is_refused() -> None:
    assert read_json('"é"', 4) == "é"
    assert refusal_of('"é"', 3) == ["$: is 4 bytes long; at most 3 are accepted"]


@pytest.mark.parametrize("raw", ["[" * 200_000, '{"a":' * 200_000, "[" * 100_000 + "]" * 100_000])
def test_bottomless_nesting_is_refused_instead_of_crashing(raw: str) -> None:
    assert refusal_of(raw, 2_000_000) == ["$: is nested too deeply to be read"]


json_values: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)


@given(json_values)
def test_reading_agrees_with_the_standard_library_on_plain_json(value: Any) -> None:
    text = json.dumps(value)

    assert read_json(text, LIMIT) == json.loads(text)


@given(json_values)
def test_python_data_is_copied_as_it_is(value: Any) -> None:
    assert plain_json(value) == value


class Colour(StrEnum):
    RED = "red"


class Level(IntEnum):
    HIGH = 3


def test_python_data_is_reduced_to_plain_json_types() -> None:
    data = OrderedDict({"a": (1, 2), "b": Colour.RED, "c": Level.HIGH, Colour.RED: None})

    tree = plain_json(data)

    assert tree == {"a": [1, 2], "b": "red", "c": 3, "red": None}
    assert isinstance(tree, dict)
    assert [type(tree["b"]), type(tree["c"])] == [str, int]


def test_python_data_that_json_cannot_say_is_refused_with_its_paths() -> None:
    data = {"a": {1: "x"}, "b": [b"x", math.nan], "c": {2}, "d": 2**63, "e": "\ud800"}

    with pytest.raises(DocumentError) as caught:
        plain_json(data)

    assert [str(problem) for problem in caught.value.problems] == [
        "$.a: has the key 1, which is not text",
        "$.b[0]: is a Python bytes, which JSON does not have",
        "$.b[1]: is not a finite number",
        "$.c: is a Python set, which JSON does not have",
        "$.d: is a number of more than 64 bits; write it as text",
        "$.e: holds half of a surrogate pair, which is not text",
    ]


def test_python_data_that_contains_itself_is_refused() -> None:
    data: list[Any] = []
    data.append(data)

    with pytest.raises(DocumentError, match="is nested deeper than 64 levels"):
        plain_json(data)


def test_paths_are_written_like_jsonpath() -> None:
    assert json_path(()) == "$"
    assert (
        json_path(("rules", 2, "when", "resource.rows", "in", 0)) == "$.rules[2].when['resource.rows'].in[0]"
    )


@pytest.mark.parametrize(
    ("value", "named"),
    [
        (None, "null"),
        (True, "true or false"),
        (1, "a number"),
        (1.5, "a number"),
        ("x", "text"),
        ([], "a list"),
        ({}, "an object"),
        (b"", "a Python bytes"),
    ],
)
def test_kinds_of_values_are_named_as_json_names_them(value: object, named: str) -> None:
    assert kind_of(value) == named


@pytest.mark.parametrize(
    ("value", "quoted"),
    [("it's", '"it\'s"'), (True, "true"), (1.5, "1.5"), ([1], "a list"), ("x" * 99, "'" + "x" * 56 + "...")],
)
def test_scalars_are_quoted_and_shortened_in_sentences(value: JSON, quoted: str) -> None:
    assert shown(value) == quoted


def test_many_values_far_down_do_not_take_a_path_each() -> None:
    depth = 300
    raw = b"[" * depth + b'"\\ud83d\\ude00"' + b',""' * 20_000 + b"]" * depth
    tracemalloc.start()
    try:
        read_json(raw, LIMIT)
        assert tracemalloc.get_traced_memory()[1] < 20_000_000
    finally:
        tracemalloc.stop()
