"""Conditions survive being stored; what is not a stored condition is refused."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from policy_middleware.model.condition_codec import MAX_DEPTH, condition_from_json, condition_to_json
from policy_middleware.model.conditions import (
    ALWAYS,
    REFERENCE_OPERATORS,
    AllOf,
    AnyOf,
    Condition,
    Count,
    Leaf,
    Not,
    Operator,
    Reference,
)

attributes = st.sampled_from(
    ["subject.roles", "subject.id", "tenant", "resource.tags", "context.x-1", "action"]
)
scalars = st.one_of(
    st.text(st.characters(exclude_categories=["Cs"]), max_size=5),
    st.booleans(),
    st.integers(),
    st.floats(allow_nan=False, allow_infinity=False),
)
leaves = st.one_of(
    st.builds(
        Leaf, attributes, st.sampled_from(Operator), scalars | st.lists(scalars, max_size=3).map(tuple)
    ),
    st.builds(
        Leaf, attributes, st.sampled_from(sorted(REFERENCE_OPERATORS)), st.builds(Reference, attributes)
    ),
)
counts = st.builds(
    Count,
    st.lists(attributes, max_size=2).map(tuple),
    st.floats(1, 1e6),
    st.sampled_from([Operator.GT, Operator.GTE, Operator.LT, Operator.LTE, Operator.EQ]),
    st.integers(0, 100),
    effect=st.just("deny"),
)
conditions: st.SearchStrategy[Condition] = st.recursive(
    leaves | counts,
    lambda parts: st.one_of(
        st.builds(AllOf, st.lists(parts, max_size=3).map(tuple)),
        st.builds(AnyOf, st.lists(parts, max_size=3).map(tuple)),
        st.builds(Not, parts),
    ),
    max_leaves=8,
)


@settings(max_examples=200)
@given(conditions)
def test_a_condition_survives_being_stored(condition: Condition) -> None:
    again = condition_from_json(json.loads(json.dumps(condition_to_json(condition))))
    assert again == condition
    assert repr(again) == repr(condition), "1, 1.0 and true stay what they were"


def test_a_stored_condition_reads_like_a_policy() -> None:
    condition = AllOf(
        (
            Leaf("subject.roles", Operator.IN, ("dpo", "ciso")),
            Not(Leaf("subject.id", Operator.EQ, Reference("resource.owner"))),
        )
    )
    assert condition_to_json(condition) == {
        "all": [
            {"subject.roles": {"in": ["dpo", "ciso"]}},
            {"not": {"subject.id": {"eq": {"ref": "resource.owner"}}}},
        ]
    }
    assert condition_from_json({"all": []}) == ALWAYS


COUNT = {"per": ["subject.id"], "within": 60, "effect": "deny", "gte": 3}


@pytest.mark.parametrize(
    "data",
    [
        None,
        "all",
        [],
        {},
        {"subject.id": {"eq": "a"}, "tenant": {"eq": "b"}},
        {"role": {"eq": "dpo"}},
        {"colour": {"eq": "red"}},
        {1: {"eq": "a"}},
        {"subject.id": "a"},
        {"subject.id": {}},
        {"subject.id": {"eq": "a", "ne": "b"}},
        {"subject.id": {"like": "a"}},
        {"subject.id": {"eq": None}},
        {"subject.id": {"eq": float("nan")}},
        {"subject.id": {"in": [["a"]]}},
        {"subject.id": {"eq": {"ref": "nowhere"}}},
        {"subject.id": {"eq": {"ref": "tenant", "more": 1}}},
        {"subject.id": {"prefix": {"ref": "tenant"}}},
        {"all": {}},
        {"any": "x"},
        {"not": []},
        {"count": []},
        {"count": COUNT | {"per": "subject.id"}},
        {"count": COUNT | {"within": "1h"}},
        {"count": COUNT | {"lte": 5}},
        {"count": COUNT | {"rule": "r"}},
        {"count": COUNT | {"gte": True}},
        {"count": COUNT | {"effect": 1}},
        {"count": {key: value for key, value in COUNT.items() if key != "effect"}},
    ],
)
def test_anything_else_is_refused(data: object) -> None:
    with pytest.raises(ValueError):
        condition_from_json(data)


def test_what_nests_too_deep_is_refused_before_the_stack_is() -> None:
    data: dict[str, object] = {"all": []}
    for _ in range(MAX_DEPTH + 1):
        data = {"not": data}
    with pytest.raises(ValueError, match="deeper"):
        condition_from_json(data)
