from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from policy_middleware.authoring.positions import SourceMap
from policy_middleware.model.json_reading import json_path

TREES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=12,
)

TEXT = """{
  "default": "deny",
  "rules": [
    {"id": "a",
     "when": {"resource.rows": {"gte": 1},
              "it's": 1}},
    {"id": "b"}
  ]
}"""


def everything(tree: Any, path: tuple[str | int, ...] = ()) -> dict[tuple[str | int, ...], Any]:
    inner = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    return {path: tree} | {
        key: one for step, value in inner for key, one in everything(value, (*path, step)).items()
    }


@given(TREES, st.sampled_from([None, 1, 3]), st.booleans(), st.sampled_from(["", "\ufeff", "\n  "]))
def test_the_span_of_every_value_holds_exactly_that_value(
    tree: Any, indent: int | None, ascii_: bool, before: str
) -> None:
    text = before + json.dumps(tree, indent=indent, ensure_ascii=ascii_)
    source = SourceMap(text)
    values = everything(tree)
    assert source.spans.keys() == values.keys()
    for path, span in source.spans.items():
        assert json.loads(text[span.start : span.end]) == values[path]
        if path and isinstance(path[-1], str):
            assert span.key_start is not None
            assert json.loads(text[span.key_start : span.start].rstrip().removesuffix(":")) == path[-1]
        assert source.line(json_path(path)) == text.count("\n", 0, span.begin) + 1


def test_lines_are_those_of_the_keys() -> None:
    source = SourceMap(TEXT)
    assert source.line("$.default") == 2
    assert source.line("$.rules[0].when") == 5
    assert source.line("$.rules[0].when['resource.rows'].gte") == 5
    assert source.line('$.rules[0].when["it\'s"]') == 6
    assert source.line("$.rules[1].id") == 7


def test_what_is_missing_stands_where_its_owner_does() -> None:
    source = SourceMap(TEXT)
    assert source.line("$.rules[1].mask.fields") == 7
    assert source.line("$.rules[0].when['resource.owner'].eq") == 5
    assert source.line("$.combine") == 1


def test_deeply_nested_text_has_places() -> None:
    depth = 900
    source = SourceMap("[" * depth + "]" * depth)
    assert len(source.spans) == depth
