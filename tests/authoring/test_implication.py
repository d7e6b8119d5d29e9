from __future__ import annotations

from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from policy_middleware.authoring.implication import (
    Reading,
    alternatives,
    can_count,
    can_count_together,
    follows,
    impossible_attributes,
    unknown_when_missing,
)
from policy_middleware.evaluation.reference import holds
from policy_middleware.model.conditions import Condition, Leaf, Operator
from policy_middleware.model.context import RequestContext
from policy_middleware.model.when_parser import parse_when
from tests.authoring.strategies import few, requests, whens

READINGS = st.sampled_from(Reading)


def when(raw: Any) -> Condition:
    return parse_when(raw).condition


def implied(
    premise: Any, conclusion: Any, given_: Reading = Reading.HOLDS, wanted: Reading = Reading.HOLDS
) -> bool:
    return follows(when(premise), when(conclusion), given_, wanted)


@settings(max_examples=120, deadline=None)
@given(
    st.one_of(few, whens),
    st.one_of(few, whens),
    READINGS,
    READINGS,
    st.lists(requests(), min_size=5, max_size=9),
)
def test_whatever_is_claimed_to_follow_does_so_for_every_request(
    premise: Condition, conclusion: Condition, given_: Reading, wanted: Reading, asked: list[RequestContext]
) -> None:
    assume(follows(premise, conclusion, given_, wanted))
    for request in asked:
        if holds(premise, request) in given_.value:
            assert holds(conclusion, request) in wanted.value


@settings(max_examples=120, deadline=None)
@given(st.one_of(few, whens), READINGS, st.lists(requests(), min_size=5, max_size=9))
def test_what_is_claimed_never_to_count_does_not(
    condition: Condition, reading: Reading, asked: list[RequestContext]
) -> None:
    assume(not can_count(condition, reading))
    assert all(holds(condition, request) not in reading.value for request in asked)


@settings(max_examples=100, deadline=None)
@given(few, READINGS)
def test_a_condition_follows_from_itself(condition: Condition, reading: Reading) -> None:
    assume(alternatives(condition) is not None)
    assert follows(condition, condition, reading, reading)


@pytest.mark.parametrize(
    ("premise", "conclusion"),
    [
        ({"action": "document.read"}, {"action": {"prefix": "document."}}),
        ({"action": {"prefix": "document.read"}}, {"action": {"prefix": "document."}}),
        ({"action": "a.b"}, {"action": {"matches": r"^a\."}}),
        ({"action": {"matches": "^a"}}, {"action": {"matches": "^a"}}),
        ({"action": "a", "role": "x"}, {"role": {"in": ["x", "y"]}}),
        ({"role": {"contains_all": ["x", "y"]}}, {"role": "x"}),
        ({"role": "x"}, {}),
        ({"action": {"in": ["a", "b"]}}, {"action": {"not_in": ["c", "d"]}}),
        ({"resource.rows": {"gte": 10}}, {"resource.rows": {"gt": 9}}),
        ({"resource.rows": {"range": [3, 5]}}, {"resource.rows": {"gte": 1, "lte": 9}}),
        ({"resource.rows": {"gte": 1}}, {"resource.rows": {"exists": True}}),
        ({"environment.ip": {"cidr": "10.1.0.0/16"}}, {"environment.ip": {"cidr": "10.0.0.0/8"}}),
        ({"environment.hour": {"gte": 18}}, {"environment.hour": {"not_in": [1, 2, 3]}}),
        ({"any": [{"action": "a"}, {"action": "b"}]}, {"action": {"in": ["a", "b", "c"]}}),
        ({"action": "a"}, {"any": [{"role": "x"}, {"action": "a"}]}),
        ({"not": {"role": {"in": ["x", "y"]}}}, {"not": {"role": "x"}}),
        ({"user": {"eq": {"ref": "resource.owner"}}}, {"user": {"eq": {"ref": "resource.owner"}}}),
        ({}, {"action": {"exists": True}}),
    ],
)
def test_what_people_see_at_a_glance_is_proved(premise: Any, conclusion: Any) -> None:
    assert implied(premise, conclusion)


@pytest.mark.parametrize(
    ("premise", "conclusion"),
    [
        ({"role": "x"}, {"role": {"ne": "y"}}),  # somebody may be both
        ({"action": {"prefix": "document"}}, {"action": {"prefix": "document."}}),
        ({"resource.rows": {"gte": 1}}, {"resource.rows": {"gte": 2}}),
        ({"resource.owner": True}, {"resource.owner": 1}),
        ({"resource.rows": {"eq": 5}}, {"resource.rows": {"gte": 1}}),  # a list may hold 5 and 0
        ({"not": {"resource.owner": "a"}}, {"resource.owner": {"ne": "a"}}),  # it may be missing
        ({"action": {"prefix": "a"}}, {"action": {"matches": "^a"}}),  # true, but beyond what is proved
        ({"environment.ip": {"cidr": "10.0.0.0/8"}}, {"environment.ip": {"cidr": "10.1.0.0/16"}}),
        ({}, {"resource.rows": {"exists": True}}),
        ({}, {"not": {"resource.tags": {"contains_all": ["a", "b"]}}}),
        ({"resource.tags": "c"}, {"not": {"resource.tags": {"contains_all": ["a", "b"]}}}),
    ],
)
def test_what_does_not_follow_or_cannot_be_told_is_not_claimed(premise: Any, conclusion: Any) -> None:
    assert not implied(premise, conclusion)


def test_a_condition_that_may_hold_does_not_make_another_hold() -> None:
    many_rows = {"resource.rows": {"gte": 1000}}
    assert implied(many_rows, many_rows)
    assert not implied(many_rows, many_rows, Reading.MAY_HOLD, Reading.HOLDS)
    assert implied(many_rows, many_rows, Reading.MAY_HOLD, Reading.MAY_HOLD)


@pytest.mark.parametrize(
    ("raw", "attributes"),
    [
        ({"all": [{"action": "a"}, {"action": "b"}]}, ["action"]),
        ({"tenant": {"eq": "a", "not_in": ["a"]}}, ["tenant"]),
        ({"resource.rows": {"lt": 5, "gt": 9}}, ["resource.rows"]),
        ({"resource.rows": {"exists": False, "gte": 1}}, ["resource.rows"]),
        ({"environment.hour": {"gte": 18, "lte": 6}}, ["environment.hour"]),
        (
            {"environment.time": {"gte": "2026-01-02T00:00:00Z", "lt": "2026-01-01T00:00:00Z"}},
            ["environment.time"],
        ),
        ({"role": "x", "not": {"role": {"in": ["x", "y"]}}}, ["subject.roles"]),
        (
            {"environment.ip": {"cidr": "10.0.0.0/8"}, "not": {"environment.ip": {"cidr": "10.0.0.0/8"}}},
            ["environment.ip"],
        ),
        ({"action": {"prefix": "a.", "eq": "b.c"}}, ["action"]),
        ({"action": {"prefix": "a.", "lt": "a"}}, ["action"]),
    ],
)
def test_contradictions_are_found_and_named(raw: Any, attributes: list[str]) -> None:
    assert not can_count(when(raw), Reading.HOLDS)
    assert impossible_attributes(when(raw)) == attributes


@pytest.mark.parametrize(
    "raw",
    [
        {"all": [{"role": "a"}, {"role": "b"}]},
        {"resource.rows": {"gte": 9, "lte": 9}},
        {"all": [{"resource.owner": 1}, {"resource.owner": True}]},
        {"action": {"prefix": "a.", "matches": "b"}},
    ],
)
def test_what_some_request_satisfies_is_no_contradiction(raw: Any) -> None:
    assert can_count(when(raw), Reading.HOLDS)


def test_two_conditions_about_different_actions_never_count_together() -> None:
    assert not can_count_together(when({"action": "a"}), when({"action": {"prefix": "b"}}), Reading.MAY_HOLD)
    assert can_count_together(when({"role": "a"}), when({"role": "b"}), Reading.HOLDS)


def test_conditions_with_too_many_alternatives_prove_nothing() -> None:
    choice = {"any": [{"resource.a": 1}, {"resource.b": 1}]}
    many = {"all": [{"any": [{f"resource.a{n}": 1}, {f"resource.b{n}": 1}]} for n in range(12)]}
    assert implied(choice, choice)
    assert not implied(many, many)
    assert can_count(when(many), Reading.HOLDS)


def test_attributes_that_leave_a_condition_unknown_are_named() -> None:
    assert unknown_when_missing(when({"resource.rows": {"gte": 1}, "role": "x"})) == ["resource.rows"]
    assert unknown_when_missing(when({"resource.rows": {"gte": 1, "exists": True}})) == []
    assert unknown_when_missing(when({"resource.owner": {"ne": {"ref": "resource.id"}}})) == [
        "resource.id",
        "resource.owner",
    ]
    assert unknown_when_missing(when({"resource.owner": {"eq": {"ref": "resource.id"}}})) == []
    assert unknown_when_missing(Leaf("resource.rows", Operator.NE, 1)) == ["resource.rows"]
