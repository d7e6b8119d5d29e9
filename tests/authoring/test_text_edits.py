from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policy_middleware.authoring.text_edits import (
    add_first_member,
    add_item,
    add_member,
    remove,
    replace_value,
)

ITEMS = st.dictionaries(st.text(max_size=3), st.integers() | st.text(max_size=4), min_size=1, max_size=3)
LAYOUTS = st.sampled_from(
    [{}, {"indent": 2}, {"indent": 4}, {"separators": (",", ":")}, {"ensure_ascii": False, "indent": 1}]
)
TREES = st.fixed_dictionaries({"id": st.text(max_size=3), "rules": st.lists(ITEMS, max_size=3)})


@given(TREES, LAYOUTS, st.data())
def test_an_item_that_is_added_and_removed_again_leaves_no_trace(
    tree: Any, layout: Any, data: st.DataObject
) -> None:
    text = json.dumps(tree, **layout)
    index = data.draw(st.integers(0, len(tree["rules"])))
    added = add_item(text, ("rules",), index, {"new": [1]})
    assert json.loads(added)["rules"] == [*tree["rules"][:index], {"new": [1]}, *tree["rules"][index:]]
    assert remove(added, ("rules", index)) == text


@given(ITEMS, LAYOUTS, st.data())
def test_a_member_that_is_added_and_removed_again_leaves_no_trace(
    tree: Any, layout: Any, data: st.DataObject
) -> None:
    text = json.dumps(tree, **layout)
    anchor = data.draw(st.sampled_from(list(tree)))
    added = add_member(text, (anchor,), "a new one", False)
    keys = list(tree)
    assert list(json.loads(added)) == [
        *keys[: keys.index(anchor) + 1],
        "a new one",
        *keys[keys.index(anchor) + 1 :],
    ]
    assert remove(added, ("a new one",)) == text


@given(ITEMS, LAYOUTS)
def test_a_first_member_comes_first(tree: Any, layout: Any) -> None:
    text = json.dumps(tree, **layout)
    assert list(json.loads(add_first_member(text, (), "a new one", 1))) == ["a new one", *tree]


@given(TREES, LAYOUTS)
def test_a_value_is_replaced_where_it_stands(tree: Any, layout: Any) -> None:
    text = json.dumps(tree, **layout)
    assert json.loads(replace_value(text, ("rules",), [1])) == {**tree, "rules": [1]}


@pytest.mark.parametrize(
    ("text", "added"),
    [
        ('{"id": "a", "when": {}}', '{"id": "a", "enabled": false, "when": {}}'),
        ('{"id":"a","when":{}}', '{"id":"a","enabled":false,"when":{}}'),
        ('{\n  "id": "a",\n  "when": {}\n}', '{\n  "id": "a",\n  "enabled": false,\n  "when": {}\n}'),
        ('{ "id" : "a" , "when": {}}', '{ "id" : "a", "enabled" : false , "when": {}}'),
        ('{\n  "id": "a"\n}', '{\n  "id": "a",\n  "enabled": false\n}'),
    ],
)
def test_a_new_member_is_laid_out_like_its_neighbours(text: str, added: str) -> None:
    assert add_member(text, ("id",), "enabled", False) == added


def test_a_new_item_is_indented_like_the_others() -> None:
    text = '{\n  "rules": [\n    {"id": "a"}\n  ]\n}'
    assert add_item(text, ("rules",), 1, {"id": "b", "n": 1}) == (
        '{\n  "rules": [\n    {"id": "a"},\n    {\n      "id": "b",\n      "n": 1\n    }\n  ]\n}'
    )
    assert add_item('{\n  "rules": []\n}', ("rules",), 0, {"id": "b"}) == (
        '{\n  "rules": [\n    {\n      "id": "b"\n    }\n  ]\n}'
    )
