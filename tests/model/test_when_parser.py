from __future__ import annotations

from typing import Any

import pytest

from policy_middleware.model.conditions import (
    ALWAYS,
    AllOf,
    AnyOf,
    Condition,
    Count,
    Leaf,
    Not,
    Operator,
    Reference,
)
from policy_middleware.model.count_parser import parse_count, parse_per
from policy_middleware.model.findings import FindingsError
from policy_middleware.model.when_parser import DEEPEST_WHEN, parse_approvers, parse_when

EQ, IN = Operator.EQ, Operator.IN


def findings_of(raw: Any, parse: Any = parse_when) -> dict[tuple[str | int, ...], str]:
    with pytest.raises(FindingsError) as caught:
        parse(raw)
    found = dict(caught.value.findings)
    assert len(found) == len(caught.value.findings)
    return found


@pytest.mark.parametrize(
    ("raw", "condition"),
    [
        ({}, ALWAYS),
        ({"action": "read"}, Leaf("action", EQ, "read")),
        ({"role": "dpo"}, Leaf("subject.roles", EQ, "dpo")),
        ({"roles": "dpo"}, Leaf("subject.roles", EQ, "dpo")),
        ({"user": "bea"}, Leaf("subject.id", EQ, "bea")),
        ({"tags": "pii"}, Leaf("resource.tags", EQ, "pii")),
        ({"resource_tags": "pii"}, Leaf("resource.tags", EQ, "pii")),
        ({"tenant_id": "acme"}, Leaf("tenant", EQ, "acme")),
        ({"context.vip": True}, Leaf("context.vip", EQ, True)),
        ({"resource.rows": 0}, Leaf("resource.rows", EQ, 0)),
        ({"resource.share": {"lt": 0.5}}, Leaf("resource.share", Operator.LT, 0.5)),
        ({"role": {"in": ["a", 1, True]}}, Leaf("subject.roles", IN, ("a", 1, True))),
        ({"tags": {"contains_all": ["a", "b"]}}, Leaf("resource.tags", Operator.CONTAINS_ALL, ("a", "b"))),
        ({"resource.rows": {"range": [1, 9.5]}}, Leaf("resource.rows", Operator.RANGE, (1, 9.5))),
        ({"resource.rows": {"range": ["a", "a"]}}, Leaf("resource.rows", Operator.RANGE, ("a", "a"))),
        ({"resource.rows": {"exists": False}}, Leaf("resource.rows", Operator.EXISTS, False)),
        ({"http.path": {"matches": "^/a"}}, Leaf("http.path", Operator.MATCHES, "^/a")),
        ({"environment.ip": {"cidr": "10.0.0.0/8"}}, Leaf("environment.ip", Operator.CIDR, "10.0.0.0/8")),
        ({"environment.ip": {"cidr": "2001:db8::1"}}, Leaf("environment.ip", Operator.CIDR, "2001:db8::1")),
        ({"environment.hour": {"lt": 24}}, Leaf("environment.hour", Operator.LT, 24)),
        ({"environment.weekday": {"in": [6, 7]}}, Leaf("environment.weekday", IN, (6, 7))),
        ({"user": {"eq": {"ref": "resource.owner"}}}, Leaf("subject.id", EQ, Reference("resource.owner"))),
        (
            {"resource.dept": {"not_in": {"ref": "role"}}},
            Leaf("resource.dept", Operator.NOT_IN, Reference("subject.roles")),
        ),
        ({"environment.time": {"gte": "1970-01-01T00:01:00Z"}}, Leaf("environment.time", Operator.GTE, 60.0)),
        (
            {"environment.time": {"range": ["1970-01-01T00:00:00Z", "1970-01-01T00:01:00Z"]}},
            Leaf("environment.time", Operator.RANGE, (0.0, 60.0)),
        ),
        ({"environment.time": {"exists": True}}, Leaf("environment.time", Operator.EXISTS, True)),
        (
            {"environment.time": {"lt": {"ref": "resource.embargo"}}},
            Leaf("environment.time", Operator.LT, Reference("resource.embargo")),
        ),
        (
            {"resource.rows": {"exists": True, "gte": 70}},
            AllOf((Leaf("resource.rows", Operator.EXISTS, True), Leaf("resource.rows", Operator.GTE, 70))),
        ),
        ({"not": {"action": "a"}}, Not(Leaf("action", EQ, "a"))),
        ({"any": [{"action": "a"}, {}]}, AnyOf((Leaf("action", EQ, "a"), ALWAYS))),
        (
            {"all": [{"action": "a"}], "role": "r"},
            AllOf((AllOf((Leaf("action", EQ, "a"),)), Leaf("subject.roles", EQ, "r"))),
        ),
    ],
)
def test_every_spelling_becomes_its_condition(raw: Any, condition: Condition) -> None:
    assert parse_when(raw).condition == condition


def test_types_of_operands_are_kept() -> None:
    [leaf] = [parse_when({"resource.rows": {"in": [1, 1.0, True, "1"]}}).condition]

    assert isinstance(leaf, Leaf)
    assert isinstance(leaf.operand, tuple)
    assert [type(value) for value in leaf.operand] == [int, float, bool, str]


SCALAR = "takes text, a number or true or false, not an object"
NO_NULL = 'null compares with nothing; an attribute that is missing is written {"exists": false}'
TIME_EXAMPLE = "2026-12-01T00:00:00Z"
UNKNOWN = (
    "is an unknown attribute; "
    "the first part must be one of action, context, environment, http, resource, subject, tenant"
)


@pytest.mark.parametrize(
    ("raw", "path", "sentence"),
    [
        ([], (), "must be an object of conditions, not a list"),
        ("x", (), "must be an object of conditions, not text"),
        ({"risk": 1}, ("risk",), f"{UNKNOWN} (an attribute of your own could be context.risk)"),
        ({"user.risk": 1}, ("user.risk",), f"{UNKNOWN} (an attribute of your own could be context.risk)"),
        ({"rle": 1}, ("rle",), "is an unknown attribute; did you mean 'role'?"),
        (
            {"a b": 1},
            ("a b",),
            "is not an attribute; its path is made of letters, digits, '_' and '-' between dots",
        ),
        (
            {"resource..x": 1},
            ("resource..x",),
            "is not an attribute; its path is made of letters, digits, '_' and '-' between dots",
        ),
        ({"resource": "x"}, ("resource",), "is a group of attributes; name one of them, such as resource.id"),
        (
            {"context": "x"},
            ("context",),
            "is a group of attributes; name one of them, such as context.channel",
        ),
        ({"action.name": "x"}, ("action.name",), "is AuthZEN's spelling of 'action'; write action"),
        ({"and": []}, ("and",), "is not a condition; did you mean 'all'?"),
        ({"or": []}, ("or",), "is not a condition; did you mean 'any'?"),
        ({"role": "a", "roles": "b"}, ("roles",), "means the same as 'role' beside it; keep one"),
        (
            {"resource.tags": "a", "tags": "b"},
            ("tags",),
            "means the same as 'resource.tags' beside it; keep one",
        ),
        ({"role": None}, ("role",), NO_NULL),
        ({"role": {"eq": None}}, ("role", "eq"), NO_NULL),
        ({"role": {"in": ["a", None]}}, ("role", "in", 1), NO_NULL),
        ({"role": ["a"]}, ("role",), 'is a list; to compare with several values write {"in": [...]}'),
        ({"role": {}}, ("role",), 'names no operator; write for example {"exists": true}'),
        ({"role": {"eq": ["a"]}}, ("role", "eq"), 'takes one value, not a list; write {"in": [...]}'),
        ({"role": {"ne": ["a"]}}, ("role", "ne"), 'takes one value, not a list; write {"not_in": [...]}'),
        (
            {"role": {"eq": {"a": 1}}},
            ("role", "eq"),
            'takes a value or {"ref": "another.attribute"}, not another object',
        ),
        (
            {"role": {"eq": {"ref": "x.y"}}},
            ("role", "eq", "ref"),
            f"{UNKNOWN} (an attribute of your own could be context.y)",
        ),
        (
            {"role": {"eq": {"ref": "user", "x": 1}}},
            ("role", "eq"),
            'takes a value or {"ref": "another.attribute"}, not another object',
        ),
        ({"role": {"prefix": {"ref": "user"}}}, ("role", "prefix"), "takes text, not an object"),
        (
            {"role": {"ref": "user"}},
            ("role", "ref"),
            'is not an operator; write {"eq": {"ref": "another.attribute"}}',
        ),
        ({"role": {"in": "a"}}, ("role", "in"), "takes a list, not text"),
        ({"role": {"in": []}}, ("role", "in"), "is an empty list; name at least one value"),
        (
            {"role": {"contains_all": []}},
            ("role", "contains_all"),
            "is an empty list; name at least one value",
        ),
        ({"role": {"in": [["a"]]}}, ("role", "in", 0), "must be text, a number or true or false, not a list"),
        ({"role": {"exists": 1}}, ("role", "exists"), "takes true or false, not a number"),
        (
            {"resource.rows": {"gt": True}},
            ("resource.rows", "gt"),
            "takes a number or text, not true or false",
        ),
        ({"resource.rows": {"gt": None}}, ("resource.rows", "gt"), "takes a number or text, not null"),
        (
            {"resource.rows": {"range": [1]}},
            ("resource.rows", "range"),
            "takes a list of two values, [lowest, highest]",
        ),
        (
            {"resource.rows": {"range": {"from": 1}}},
            ("resource.rows", "range"),
            "takes a list of two values, [lowest, highest]",
        ),
        (
            {"resource.rows": {"range": [2, 1]}},
            ("resource.rows", "range"),
            "is upside down: 2 is above 1, so nothing lies between them",
        ),
        (
            {"resource.rows": {"range": [1, "2"]}},
            ("resource.rows", "range"),
            "mixes a number and a text, which have no order",
        ),
        (
            {"resource.rows": {"range": [0, True]}},
            ("resource.rows", "range", 1),
            "takes numbers or texts, not true or false",
        ),
        ({"http.path": {"prefix": ""}}, ("http.path", "prefix"), "is empty, which every text begins with"),
        ({"http.path": {"prefix": 1}}, ("http.path", "prefix"), "takes text, not a number"),
        (
            {"http.path": {"matches": "("}},
            ("http.path", "matches"),
            "is not a usable pattern: unclosed group",
        ),
        ({"http.path": {"matches": 1}}, ("http.path", "matches"), "takes text, not a number"),
        (
            {"environment.ip": {"cidr": "10.0.0.1/8"}},
            ("environment.ip", "cidr"),
            "'10.0.0.1/8' has bits set behind its length; did you mean 10.0.0.0/8?",
        ),
        (
            {"environment.ip": {"cidr": "internal"}},
            ("environment.ip", "cidr"),
            "'internal' is not a network such as 10.0.0.0/8 or 2001:db8::/32",
        ),
        (
            {"environment.ip": {"cidr": ["10.0.0.0/8"]}},
            ("environment.ip", "cidr"),
            'takes one network; several are written {"any": [...]}',
        ),
        (
            {"environment.time": {"gt": 5}},
            ("environment.time", "gt"),
            f"must be a time such as '{TIME_EXAMPLE}', not a number",
        ),
        (
            {"environment.time": {"range": [TIME_EXAMPLE, "soon"]}},
            ("environment.time", "range", 1),
            f"'soon' is not an RFC 3339 time such as {TIME_EXAMPLE}",
        ),
        (
            {"environment.time": {"prefix": "2026"}},
            ("environment.time", "prefix"),
            "does not apply to a moment; write gt, gte, lt, lte or range",
        ),
        (
            {"environment.weekday": "monday"},
            ("environment.weekday",),
            "takes a number from 1 to 7, not 'monday'",
        ),
        (
            {"environment.weekday": {"in": [0, 1]}},
            ("environment.weekday", "in"),
            "0 never occurs; environment.weekday goes from 1 to 7 (UTC)",
        ),
        (
            {"environment.hour": {"range": [22, 6]}},
            ("environment.hour", "range"),
            "is upside down: 22 is above 6, so nothing lies between them",
        ),
        ({"environment.hour": True}, ("environment.hour",), "takes a number from 0 to 23, not true"),
        ({"role": {"==": 1}}, ("role", "=="), "is an unknown operator; did you mean 'eq'?"),
        ({"role": {"contains": 1}}, ("role", "contains"), "is an unknown operator; did you mean 'eq'?"),
        ({"role": {"prefx": "a"}}, ("role", "prefx"), "is an unknown operator; did you mean 'prefix'?"),
        ({"role": {"any": []}}, ("role", "any"), "stands around attributes, not inside one; move it out"),
        ({"role": {"zzz": 1}}, ("role", "zzz"), f"is an unknown operator; there are {', '.join(Operator)}"),
        ({"any": []}, ("any",), "takes a list of conditions, not an empty one"),
        ({"all": {}}, ("all",), "takes a list of conditions, not an object"),
        ({"any": [1]}, ("any", 0), "must be an object of conditions, not a number"),
        ({"not": [{}]}, ("not",), "must be an object of conditions, not a list"),
        (
            {"not": {"any": [{}, {"rle": 1}]}},
            ("not", "any", 1, "rle"),
            "is an unknown attribute; did you mean 'role'?",
        ),
    ],
)
def test_a_fault_is_reported_at_its_place_with_its_sentence(
    raw: Any, path: tuple[Any, ...], sentence: str
) -> None:
    assert findings_of(raw) == {path: sentence}


def test_all_faults_are_reported_at_once() -> None:
    raw = {"role": {"eq": None, "foo": 1}, "any": [{"x": 1}, {"action": []}], "not": 1}

    assert list(findings_of(raw)) == [
        ("role", "eq"),
        ("role", "foo"),
        ("any", 0, "x"),
        ("any", 1, "action"),
        ("not",),
    ]


def test_nesting_is_limited_whatever_it_is_made_of() -> None:
    fits: Any = {}
    for _ in range(DEEPEST_WHEN):
        fits = {"not": fits}

    assert parse_when(fits).condition is not ALWAYS
    assert list(findings_of({"any": [fits]}).values()) == ["is nested deeper than 32 levels"]


def test_nesting_far_beyond_the_limit_is_reported_once() -> None:
    deep: Any = {}
    for _ in range(5000):
        deep = {"all": [deep]}

    assert list(findings_of(deep).values()) == ["is nested deeper than 32 levels"]


@pytest.mark.parametrize("raw", [{"action": "a*"}, {"action": {"in": ["b", "*"]}}, {"action": {"ne": "*"}}])
def test_a_star_where_values_are_compared_is_a_warning(raw: Any) -> None:
    [(path, sentence)] = parse_when(raw).warnings

    assert path[0] == "action"
    assert sentence == "'*' is compared as a character; for a pattern write prefix or matches"


@pytest.mark.parametrize("raw", [{"action": {"matches": "a*"}}, {"action": {"prefix": "*"}}, {"action": "a"}])
def test_a_star_elsewhere_is_no_warning(raw: Any) -> None:
    assert parse_when(raw).warnings == ()


def test_approvers_are_described_by_their_own_attributes() -> None:
    assert parse_approvers({"role": "dpo", "subject.unit": {"eq": {"ref": "user"}}}).condition == AllOf(
        (Leaf("subject.roles", EQ, "dpo"), Leaf("subject.unit", EQ, Reference("subject.id")))
    )


def test_approvers_cannot_be_asked_about_the_request() -> None:
    sentence = "is not the approver's; name role, user or another attribute under subject"

    assert findings_of(
        {"action": "a", "not": {"role": {"eq": {"ref": "resource.owner"}}}, "count": {}}, parse_approvers
    ) == {
        ("action",): sentence,
        ("not", "role", "eq", "ref"): sentence,
        ("count",): "cannot be asked of an approver",
    }


def test_a_count_is_read() -> None:
    raw: Any = {"effect": "deny", "per": ["user", "resource.id"], "within": "1h", "gte": 3}

    expected = Count(("subject.id", "resource.id"), 3600.0, Operator.GTE, 3, effect="deny")
    assert parse_count(raw) == expected
    assert parse_when({"count": raw}).condition == expected


@pytest.mark.parametrize(
    ("changes", "path", "sentence"),
    [
        ({"effect": ...}, (), "needs exactly one of effect, rule, event to say what is counted"),
        ({"rule": "r1"}, (), "needs exactly one of effect, rule, event to say what is counted"),
        ({"gte": ...}, (), "needs exactly one of gt, gte, lt, lte, eq to say how many there are"),
        ({"lt": 9}, (), "needs exactly one of gt, gte, lt, lte, eq to say how many there are"),
        (
            {"effect": "dney"},
            ("effect",),
            "'dney' is not an effect; write allow, mask, require_approval, deny",
        ),
        ({"effect": 1}, ("effect",), "must be a name, not a number"),
        ({"gte": "3"}, ("gte",), "takes a whole number from 0"),
        ({"gte": True}, ("gte",), "takes a whole number from 0"),
        ({"gte": -1}, ("gte",), "takes a whole number from 0"),
        ({"gte": 100_001}, ("gte",), "is 100001; counters are kept up to 100000"),
        ({"within": ...}, ("within",), "is missing"),
        ({"within": 60}, ("within",), "must be a duration such as '30m' or '4h', not a number"),
        ({"per": ...}, ("per",), "is missing"),
        ({"per": []}, ("per",), 'takes a list of attributes, such as ["subject.id"]'),
        ({"per": ["subject.id", "user"]}, ("per", 1), "names 'subject.id' a second time"),
        ({"per": [1]}, ("per", 0), "is a number, not an attribute"),
        ({"per": ["subject"]}, ("per", 0), "is a group of attributes; name one of them, such as subject.id"),
        (
            {"windw": "1h"},
            ("windw",),
            "is an unknown key; count has effect, eq, event, gt, gte, lt, lte, per, rule, within",
        ),
    ],
)
def test_a_fault_in_a_count_is_reported_at_its_place(
    changes: Any, path: tuple[Any, ...], sentence: str
) -> None:
    given = {"effect": "deny", "per": ["subject.id"], "within": "1h", "gte": 3} | changes
    raw = {key: value for key, value in given.items() if value is not ...}

    assert findings_of(raw, parse_count) == {path: sentence}


def test_attributes_to_count_by_are_canonical() -> None:
    assert parse_per(["user", "tenant_id", "context.device"]) == ("subject.id", "tenant", "context.device")
