"""Random rules over few attributes, and requests as adapters describe them."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from policy_middleware.model.conditions import Condition
from policy_middleware.model.context import RequestContext
from policy_middleware.model.times import moment_seconds
from policy_middleware.model.vocabulary import HOUR, TIME, WEEKDAY
from tests.evaluation.strategies import ATTRIBUTES, PREFIXES, TEXTS, TIMES, conditions, leaves, scalars

MANY = ("subject.roles", "resource.tags", "resource.rows")
SINGLE = ("subject.id", "environment.ip")

texts = st.sampled_from([*TEXTS, *(prefix + "z" for prefix in PREFIXES), "10.0.0.255", "ffff::1"])
values = st.one_of(scalars, texts, st.floats(-10, 10))
whens: st.SearchStrategy[Condition] = conditions(leaves((*ATTRIBUTES, TIME, HOUR, WEEKDAY)))
few: st.SearchStrategy[Condition] = conditions(leaves(("action", "resource.rows", "resource.tags")))
"""Conditions over so few attributes that they often imply or exclude each other."""


@st.composite
def requests(draw: st.DrawFn) -> RequestContext:
    """Draw a request: tenant, action, roles and tags are there, single attributes have one value."""
    given: dict[str, object] = {
        "tenant": "acme",
        "action": draw(texts),
        "subject.type": "user",
        "subject.roles": (),
        "resource.tags": (),
    }
    for name in MANY:
        if draw(st.integers(0, 3)):
            given[name] = draw(st.lists(values, max_size=3).map(tuple) | values)
    for name in SINGLE:
        if draw(st.integers(0, 3)):
            given[name] = draw(values)
    now = draw(st.sampled_from(TIMES)) + draw(st.sampled_from([0, 0.5, 3600 * 7]))
    return RequestContext("acme", given, now)  # type: ignore[arg-type]  # scalars and tuples of them


ROWS = "resource.rows"
MENU: list[dict[str, Any]] = [
    {},
    {"action": "a"},
    {"action": {"in": ["a", "b"]}},
    {"action": {"prefix": "a"}},
    {"role": "x"},
    {"role": {"in": ["x", "y"]}},
    {"role": {"not_in": ["x"]}},
    {ROWS: {"gte": 5}},
    {ROWS: {"gte": 9}},
    {ROWS: {"exists": True, "lt": 9}},
    {"action": "a", ROWS: {"gte": 5}},
    {"any": [{"action": "b"}, {"role": "y"}]},
    {"not": {ROWS: {"gte": 9}}},
]
"""Conditions that often meet, exclude and imply each other."""
MENU_MOMENTS = ["2027-01-01T00:00:00Z", "2027-02-01T00:00:00Z"]
MASKS = [{"fields": {"a": "redact"}}, {"fields": {"a": "drop"}}, {"fields": {"a": "redact", "b": "redact"}}]


@st.composite
def json_rules(draw: st.DrawFn, rule_id: str, effects: tuple[str, ...]) -> dict[str, Any]:
    """Draw a rule as canonical JSON data."""
    effect = draw(st.sampled_from(effects))
    optional: dict[str, st.SearchStrategy[Any]] = {
        "enabled": st.booleans(),
        "mode": st.sampled_from(["enforce", "observe"]),
        "valid_from": st.sampled_from(MENU_MOMENTS[:1]),
        "valid_until": st.sampled_from(MENU_MOMENTS[1:]),
    }
    chosen = {key: draw(values) for key, values in optional.items() if draw(st.integers(0, 4)) == 0}
    if effect == "mask":
        chosen["mask"] = draw(st.sampled_from(MASKS))
    return {
        "id": rule_id,
        "when": draw(st.sampled_from(MENU)),
        "effect": effect,
        "reason": "Not today.",
        **chosen,
    }


@st.composite
def json_documents(draw: st.DrawFn) -> dict[str, Any]:
    """Draw a document of up to four rules, called r0 to r5."""
    effects = draw(
        st.sampled_from([("allow", "deny"), ("allow", "mask"), ("allow", "deny", "mask", "require_approval")])
    )
    ids = draw(st.lists(st.sampled_from([f"r{number}" for number in range(6)]), max_size=4, unique=True))
    return {
        "default": draw(st.sampled_from(["allow", "deny"])),
        "combine": draw(st.sampled_from(["first_match", "most_restrictive"])),
        "rules": [draw(json_rules(rule_id, effects)) for rule_id in ids],
    }


@st.composite
def small_requests(draw: st.DrawFn) -> RequestContext:
    """Draw a request in which the conditions of the menu hold, fail or cannot be evaluated."""
    given: dict[str, Any] = {
        "tenant": "acme",
        "action": draw(st.sampled_from(["a", "b", "ab", "c"])),
        "subject.roles": draw(st.sampled_from([(), ("x",), ("y",), ("x", "y"), ("z",)])),
    }
    rows = draw(st.sampled_from([None, 1, 5, 7, 9, (1, 9), (), "text"]))
    if rows is not None:
        given[ROWS] = rows
    moments = [moment_seconds(one) for one in MENU_MOMENTS]
    return RequestContext("acme", given, draw(st.sampled_from([moments[0] - 1, *moments])))
