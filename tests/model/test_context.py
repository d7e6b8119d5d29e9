from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from enum import Enum, IntEnum, StrEnum
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policy_middleware.model import context as context_module
from policy_middleware.model.context import RequestContext, attribute_value, parse_time
from policy_middleware.model.errors import ContextError

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
LEAST = {"tenant": "acme", "action": "read"}
NO_TENANT = "tenant: must be 1-128 characters of A-Za-z0-9._:@- that do not start with '_'"
UNKNOWN = (
    "is an unknown attribute; "
    "the first part must be one of action, context, environment, http, resource, subject, tenant"
)
INCOMPARABLE = "cannot be compared; give text, a number, a boolean or a list of these"


def attributes_of(**given: Any) -> dict[str, Any]:
    return dict(RequestContext.from_mapping(LEAST | given, now=0.0).attributes)


def refusal_of(given: Any) -> str:
    with pytest.raises(ContextError) as caught:
        RequestContext.from_mapping(given)
    assert str(caught.value).startswith(f"{caught.value.attribute}: ")
    return str(caught.value)


def test_the_spellings_of_the_decision_record_become_canonical_paths() -> None:
    given = {
        "tenant_id": "acme",
        "role": "viewer",
        "action": "document.delete",
        "tags": ["pii"],
        "user": "bea",
    }

    found = RequestContext.from_mapping(given, now=5.0)

    assert (found.tenant, found.now) == ("acme", 5.0)
    assert found.attributes == {
        "tenant": "acme",
        "subject.roles": "viewer",
        "subject.id": "bea",
        "subject.type": "user",
        "action": "document.delete",
        "resource.tags": ("pii",),
    }


def test_an_authzen_request_becomes_the_same_attributes() -> None:
    found = RequestContext.from_mapping(
        {
            "tenant": "acme",
            "subject": {"type": "user", "id": "bea", "properties": {"roles": ["a"], "unit": {"id": 7}}},
            "action": {"name": "read", "properties": {"method": "GET"}},
            "resource": {"type": "document", "id": "d1", "properties": {"tags": []}},
            "context": {"risk": 0.5, "nothing": None},
        },
        now=0.0,
    )

    assert found.attributes == {
        "tenant": "acme",
        "subject.type": "user",
        "subject.id": "bea",
        "subject.roles": ("a",),
        "subject.unit.id": 7,
        "action": "read",
        "action.method": "GET",
        "resource.type": "document",
        "resource.id": "d1",
        "resource.tags": (),
        "context.risk": 0.5,
    }


def test_roles_type_and_tags_are_always_present() -> None:
    assert attributes_of() == {
        **LEAST,
        "subject.roles": (),
        "subject.type": "user",
        "resource.tags": (),
    }


def test_none_is_a_missing_attribute_and_no_second_spelling() -> None:
    assert "context.x" not in attributes_of(**{"context.x": None})
    assert attributes_of(role=None, roles="a")["subject.roles"] == "a"


def test_an_empty_list_is_present_but_empty() -> None:
    found = RequestContext.from_mapping(LEAST | {"context.x": []})

    assert found.values("context.x") == ()
    assert found.values("context.y") is None


def test_values_are_sets_whatever_they_were_given_as() -> None:
    found = RequestContext.from_mapping(LEAST | {"context.a": 1, "context.b": ("x", True)})

    assert found.values("context.a") == (1,)
    assert found.values("context.b") == ("x", True)
    assert set(attributes_of(tags={"a", "b"})["resource.tags"]) == {"a", "b"}


class Colour(StrEnum):
    RED = "red"


class OldColour(str, Enum):  # noqa: UP042  # as written before StrEnum  # what code from before StrEnum uses
    RED = "red"


class Level(IntEnum):
    HIGH = 3


class SafeText(str):
    __slots__ = ()


class Ratio(float):
    __slots__ = ()


@pytest.mark.parametrize(
    ("value", "plain"),
    [
        (Colour.RED, "red"),
        (OldColour.RED, "red"),
        (SafeText("x"), "x"),
        (Level.HIGH, 3),
        (Ratio(0.5), 0.5),
        ([Colour.RED, Level.HIGH, 1.5, True], ("red", 3, 1.5, True)),
    ],
)
def test_kinds_of_text_and_numbers_are_reduced_to_plain_ones(value: object, plain: Any) -> None:
    reduced: Any = attribute_value("context.x", value)

    assert reduced == plain
    assert type(reduced) is type(plain)
    if isinstance(reduced, tuple):
        assert [type(item) for item in reduced] == [type(item) for item in plain]


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({}, NO_TENANT),
        ({"tenant": 7}, NO_TENANT),
        (
            {"tenant": "_global"},
            NO_TENANT,
        ),
        (
            {"tenant": ["acme"]},
            NO_TENANT,
        ),
        ({"tenant": "acme"}, "action: is missing; every request asks for one action, given as text"),
        (LEAST | {"action": 7}, "action: is missing; every request asks for one action, given as text"),
        (LEAST | {"action": ["a"]}, "action: is missing; every request asks for one action, given as text"),
        (LEAST | {"tenant_id": "acme"}, "tenant_id: is a second spelling of 'tenant'; give it once"),
        (LEAST | {"role": "a", "roles": "b"}, "roles: is a second spelling of 'subject.roles'; give it once"),
        (
            LEAST | {"role": "a", "subject": {"roles": "b"}},
            "subject.roles: is a second spelling of 'subject.roles'; give it once",
        ),
        (
            LEAST | {"action.name": "b"},
            "action.name: is a second spelling of 'action'; give it once",
        ),
        (
            LEAST | {"risk": 1},
            (f"risk: {UNKNOWN} (an attribute of your own could be context.risk)"),
        ),
        (
            LEAST | {"risks": {"a": 1}},
            (f"risks: {UNKNOWN} (an attribute of your own could be context.risks)"),
        ),
        (
            LEAST | {"subject": "bea"},
            "subject: is a group of attributes; name one of them, such as subject.id",
        ),
        (LEAST | {1: "x"}, "1: is not the name of an attribute, which is text"),
        (
            LEAST | {"context.x": object()},
            f"context.x: a value of type object {INCOMPARABLE}",
        ),
        (
            LEAST | {"context.x": [Decimal(1)]},
            f"context.x: a value of type Decimal {INCOMPARABLE}",
        ),
        (
            LEAST | {"context.x": [[1]]},
            f"context.x: a value of type list {INCOMPARABLE}",
        ),
        (
            LEAST | {"context.x": [None]},
            (
                "context.x: a value of type NoneType cannot be compared; "
                "give text, a number, a boolean or a list of these"
            ),
        ),
        (
            LEAST | {"context.x": math.nan},
            "context.x: NaN and infinities cannot be compared; leave the attribute out instead",
        ),
        (
            LEAST | {"context": {"x": [math.inf]}},
            "context.x: NaN and infinities cannot be compared; leave the attribute out instead",
        ),
    ],
)
@pytest.mark.parametrize("seen_before", [False, True])
def test_what_cannot_be_evaluated_is_refused_by_name(
    given: Any, sentence: str, seen_before: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(context_module, "_PATHS", type(context_module._PATHS)())
    if seen_before:
        RequestContext.from_mapping(LEAST | {"role": "a", "context.x": 1})

    assert refusal_of(given) == sentence


def test_nesting_has_a_bottom() -> None:
    loop: dict[str, Any] = {}
    loop["a"] = loop

    assert refusal_of(LEAST | {"context": loop}).endswith("is nested deeper than 8 levels")


def test_names_that_no_rule_can_spell_do_no_harm_inside_a_subject() -> None:
    found = attributes_of(subject={"id": "bea", "claims": {"https://example.com/roles": ["a"]}})

    assert found["subject.id"] == "bea"
    assert found["subject.claims.https://example.com/roles"] == ("a",)


@pytest.mark.parametrize(
    "moment", [NOON.timestamp(), "2026-11-22T12:00:00Z", NOON, NOON.astimezone(timezone(timedelta(hours=5)))]
)
@pytest.mark.parametrize("nested", [False, True])
def test_the_time_of_a_context_is_its_clock(moment: object, nested: bool) -> None:
    given: dict[str, Any] = {"environment": {"time": moment}} if nested else {"environment.time": moment}

    found = RequestContext.from_mapping(LEAST | given)

    assert found.now == NOON.timestamp()
    assert "environment.time" not in found.attributes


def test_a_given_clock_wins_over_the_time_of_the_context() -> None:
    assert (
        RequestContext.from_mapping(LEAST | {"environment.time": "2026-11-22T12:00:00Z"}, now=7.0).now == 7.0
    )


def test_without_a_time_the_clock_of_the_machine_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.time", lambda: 42.0)

    assert RequestContext.from_mapping(LEAST).now == 42.0


def test_hour_and_weekday_follow_from_the_clock_and_cannot_be_given() -> None:
    sunday = RequestContext.from_mapping(
        LEAST | {"environment.hour": 3, "environment": {"weekday": 2}}, now=NOON.timestamp()
    )

    assert sunday.values("environment.time") == (NOON.timestamp(),)
    assert sunday.values("environment.hour") == (12,)
    assert sunday.values("environment.weekday") == (7,)
    assert not {"environment.hour", "environment.weekday"} & set(sunday.attributes)


@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        ("soon", "t: 'soon' is not an RFC 3339 time such as 2026-12-01T00:00:00Z"),
        (datetime(2026, 1, 1), "t: a time needs an offset, such as the Z of 2026-12-01T00:00:00Z"),
        (True, "t: True is not a time"),
        (math.inf, "t: inf is not a time"),
        ([1], "t: [1] is not a time"),
    ],
)
def test_what_is_not_a_time_is_refused(value: object, sentence: str) -> None:
    with pytest.raises(ContextError) as caught:
        parse_time("t", value)

    assert str(caught.value) == sentence


def test_the_memory_for_spellings_is_bounded() -> None:
    for number in range(10_000):
        RequestContext.from_mapping(LEAST | {f"context.x{number}": 1})

    assert len(context_module._PATHS) <= 4096


scalars = st.one_of(st.text(), st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False))
paths = st.sampled_from(["context.a", "resource.rows", "subject.unit", "http.method", "action.x"])


@given(st.dictionaries(paths, scalars | st.lists(scalars, max_size=3), max_size=5))
def test_flat_and_nested_spellings_make_the_same_context(given: dict[str, Any]) -> None:
    nested: dict[str, Any] = {"tenant": "acme", "action": {"name": "read"}}
    for path, value in given.items():
        root, _, rest = path.partition(".")
        nested.setdefault(root, {})[rest] = value

    flat = RequestContext.from_mapping(LEAST | given, now=0.0)

    assert RequestContext.from_mapping(nested, now=0.0) == flat
    assert RequestContext.from_mapping(LEAST | given, now=0.0) == flat
    for path, value in given.items():
        assert flat.attributes[path] == (tuple(value) if isinstance(value, list) else value)
