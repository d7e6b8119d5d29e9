"""What is read in one step is read as strictly as item by item, and holds nothing that is to be masked."""

from __future__ import annotations

import pytest

from policy_middleware.masking import Masker
from policy_middleware.masking.json_body import MAX_DEPTH, rewrite
from policy_middleware.masking.selection import Place
from policy_middleware.model.errors import MaskError


def root(**fields: str) -> Place:
    spec = {"fields": {path.replace("__", "**."): operator for path, operator in fields.items()}}
    found = Masker.from_spec(spec)._selector.root()
    assert found is not None
    return found


def rewritten(text: str, **fields: str) -> str:
    return rewrite(text, root(**fields))[0]


@pytest.mark.parametrize(
    "text",
    [
        '{"a":1,}',
        '{"x":1,}',
        '{"a":1,"x":1,}',
        '{"x":1,"a":[1],}',
        '{"a":1,"b":2 ,\n}',
        '{"a":[1,],"x":1}',
        '{"a":{"b":1,},"x":1}',
        '{"a":[[1],],"x":1}',
        '{"x":[1,]}',
        '{"x":[[],]}',
        '{"x":{"a":[],}}',
        '{,"x":1}',
        '{"a":{,"b":1},"x":1}',
        '{"a":[,1],"x":1}',
        '{"a":[1 2],"x":1}',
        '{"a":[1}],"x":1}',
        '{"a":{"b":1],"x":1}',
        '{"a":{1:1},"x":1}',
        '{"a":{"b"},"x":1}',
        '{"a":[01],"x":1}',
        '{"a":["\t"],"x":1}',
        '{"a":["\\x"],"x":1}',
        '{"a":[NaN],"x":1}',
        "[[1],]",
        "[[],[],]",
        "[[[1],[2]],,[1]]",
        "[[[1],[2]]",
        "[[[1],[2]]]]",
        "[[[1}]]",
    ],
)
def test_what_is_stepped_over_is_strict_json(text):
    for path in ("x", "__x", "__*", "[*].x", "[*][*]"):
        for operator in ("redact", "nullify", "drop"):
            with pytest.raises(MaskError, match="not valid JSON"):
                rewritten(text, **{path: operator})


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('{"a":{"x":1},"x":1}', '{"a":{"x":0},"x":0}'),
        ('{"a":{"b":1,"x":1}}', '{"a":{"b":1,"x":0}}'),
        ('{"a":{"\\u0078":1}}', '{"a":{"\\u0078":0}}'),
        ('{"a":[1,{"x":1}],"x":[1]}', '{"a":[1,{"x":0}],"x":[0]}'),
        ('{"a":[],"b":{},"c":[1],"d":{"e":[]},"x":{}}', '{"a":[],"b":{},"c":[1],"d":{"e":[]},"x":{}}'),
        ('[[[{"x":1}],2],[[[]]],{"x":2}]', '[[[{"x":0}],2],[[[]]],{"x":0}]'),
        ('[ [ [ ] , [ 1 ] ] , [ [ {"x" : 1} ] ] ]', '[ [ [ ] , [ 1 ] ] , [ [ {"x" : 0} ] ] ]'),
        (
            '{"a":"\\"x\\":1","b":["x","]","}"],"x":"]"}',
            '{"a":"\\"x\\":1","b":["x","]","}"],"x":"[REDACTED]"}',
        ),
    ],
)
def test_nothing_that_is_to_be_masked_is_stepped_over(text, expected):
    assert rewritten(text, __x="redact") == expected


def test_everything_below_is_masked_at_once_and_counted_one_by_one():
    text = '{"x": {"k:": ["k:", "k:", 1, true, null, -1.5e3], "n" : {}, "m" :\n"]"}, "k": "k:"}'
    written, masked = rewrite(text, root(x="redact"))
    expected = (
        '{"x": {"k:": ["[REDACTED]", "[REDACTED]", 0, false, null, 0], "n" : {}, "m" :\n"[REDACTED]"},'
        ' "k": "k:"}'
    )
    assert written == expected
    assert masked.total() == 7


@pytest.mark.parametrize("path", ["__x", "__*", "x"])
@pytest.mark.parametrize(
    ("opening", "closing", "most"),
    [
        ("[", "]", MAX_DEPTH - 1),
        ('{"a":', "}", MAX_DEPTH - 1),
        ('[{"a":', "}]", (MAX_DEPTH - 1) // 2),
        ("[[], [[1]], ", "]", MAX_DEPTH - 3),
    ],
)
def test_live_containers_are_refused_right_past_the_bound_however_they_are_read(path, opening, closing, most):
    rewritten('{"x":' + opening * most + "1" + closing * most + "}", **{path: "redact"})
    with pytest.raises(MaskError, match="nested deeper than 100"):
        rewritten('{"x":' + opening * (most + 1) + "1" + closing * (most + 1) + "}", **{path: "redact"})


@pytest.mark.parametrize("inner", ["[]", "{}", "[1]", '{"a":1}'])
def test_a_container_right_past_the_bound_is_not_stepped_over(inner):
    for opening, closing in (("[", "]"), ('{"a":', "}")):
        within = opening * (MAX_DEPTH - 1) + inner + closing * (MAX_DEPTH - 1)
        assert rewritten(within, __x="redact") == within
        with pytest.raises(MaskError, match="nested deeper than 100"):
            rewritten(opening * MAX_DEPTH + inner + closing * MAX_DEPTH, __x="redact")


def test_brackets_in_texts_are_no_nesting():
    text = '{"x": ["' + "[" * 200 + '"]}'
    assert rewritten(text, x="redact") == '{"x": ["[REDACTED]"]}'


def test_paths_that_ask_for_different_things_below_are_followed_one_by_one():
    text = '{"c": {"a": 1, "ssn": "12345678", "n": {"ssn": "87654321"}}}'
    expected = '{"c": {"a": 0, "ssn": "[REDACTED]", "n": {"ssn": null}}}'
    assert rewritten(text, **{"c": "redact", "c.n.ssn": "nullify"}) == expected
