from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]  # it ships no types

from policy_middleware.model.conditions import Operator
from policy_middleware.model.documents import parse_document
from policy_middleware.model.errors import DocumentError
from policy_middleware.model.schema import document_schema
from policy_middleware.model.vocabulary import ALIASES, RESERVED_ATTRIBUTES
from tests.model.documents import ACME, RECORD, document, rule
from tests.model.strategies import documents

SCHEMA = document_schema()
VALIDATOR = Draft202012Validator(SCHEMA)
UNTIL = {"valid_until": "2026-12-01T00:00:00Z"}


def test_the_schema_is_itself_valid_and_plain_json() -> None:
    Draft202012Validator.check_schema(SCHEMA)
    assert json.loads(json.dumps(SCHEMA)) == SCHEMA


VALID: list[Any] = [
    ACME,
    RECORD,
    [],
    document(),
    {"rules": []},
    {"rules": [rule(**UNTIL)]},
    document(rule(effect=..., action="deny", when=..., conditions={"role": "a"})),
    document(rule(effect="require_approval")),
    document(rule(when={"environment.time": {"range": ["2026-12-01T00:00:00Z", "2026-12-02T00:00:00Z"]}})),
]


@pytest.mark.parametrize("raw", VALID, ids=range(len(VALID)))
def test_valid_documents_satisfy_the_schema(raw: Any) -> None:
    parse_document(raw, name="_incident" if isinstance(raw, dict) and "default" not in raw else "acme")

    assert list(VALIDATOR.iter_errors(raw)) == []


INVALID: dict[str, Any] = {
    "no default beside an allow rule": document(rule(effect="allow"), default=...),
    "an unknown default": document(default="mask"),
    "a null default": document(default=None),
    "an unknown key": document(ruels=[]),
    "no rules": document(rules=...),
    "another version": document(schema=2),
    "a rule without an id": document(rule(id=...)),
    "an id with a space": document(rule(id="a b")),
    "no reason": document(rule(reason=...)),
    "an empty reason": document(rule(reason="  ")),
    "no condition": document(rule(when=...)),
    "two conditions": document(rule(conditions={})),
    "two effects": document(rule(action="deny")),
    "an unknown effect": document(rule(effect="dney")),
    "an unknown key of a rule": document(rule(enbled=True)),
    "an unknown root": document(rule(when={"risk": 1})),
    "a group of attributes": document(rule(when={"resource": "x"})),
    "a list as a value": document(rule(when={"role": ["a"]})),
    "null as a value": document(rule(when={"role": None})),
    "no operator": document(rule(when={"role": {}})),
    "an unknown operator": document(rule(when={"role": {"equals": "a"}})),
    "an operand of another type": document(rule(when={"role": {"in": "a"}})),
    "an empty list of operands": document(rule(when={"role": {"in": []}})),
    "a range of three": document(rule(when={"resource.rows": {"range": [1, 2, 3]}})),
    "a number for exists": document(rule(when={"role": {"exists": 1}})),
    "a reference to nowhere": document(rule(when={"role": {"eq": {"ref": "x"}}})),
    "a reference where none is possible": document(rule(when={"role": {"prefix": {"ref": "user"}}})),
    "a fault deep inside": document(rule(when={"not": {"any": [{"all": [{"rle": 1}]}]}})),
    "an empty any": document(rule(when={"any": []})),
    "a mask without its block": document(rule(effect="mask")),
    "a mask on another effect": document(rule(mask={"fields": {"a": "drop"}})),
    "an approval on another effect": document(rule(approval={})),
    "a null approval": document(rule(effect="require_approval", approval=None)),
    "a limit on a deny rule": document(rule(limit={"per": ["user"], "within": "1h", "max": 1})),
    "an empty mask": document(rule(effect="mask", mask={"fields": {}})),
    "an unknown mask operator": document(rule(effect="mask", mask={"fields": {"a": "hsh"}})),
    "a broken field path": document(rule(effect="mask", mask={"fields": {"a..b": "drop"}})),
    "a duration as a number": document(rule(effect="require_approval", approval={"expires_in": 60})),
    "an unknown key of an approval": document(rule(effect="require_approval", approval={"aprovers": {}})),
    "a count without a comparison": document(
        rule(when={"count": {"effect": "deny", "per": ["user"], "within": "1h"}})
    ),
    "text": "x",
    "an entry that is no rule": [1],
}


@pytest.mark.parametrize("raw", INVALID.values(), ids=INVALID.keys())
def test_obvious_faults_are_seen_by_the_schema_and_by_the_parser(raw: Any) -> None:
    assert not VALIDATOR.is_valid(raw)
    with pytest.raises(DocumentError):
        parse_document(json.dumps(raw), name="acme")


@given(documents())
def test_every_valid_document_satisfies_the_schema(raw: Any) -> None:
    assert list(VALIDATOR.iter_errors(raw)) == []


def test_editors_are_offered_every_operator_with_its_meaning() -> None:
    operators = SCHEMA["$defs"]["comparison"]["then"]["properties"]

    assert set(operators) == {operator.value for operator in Operator}
    assert all(described["description"].endswith(".") for described in operators.values())


def test_editors_are_offered_every_known_attribute() -> None:
    assert set(SCHEMA["$defs"]["when"]["properties"]) >= {*RESERVED_ATTRIBUTES, *ALIASES, "all", "any", "not"}


def test_keys_of_rules_and_documents_are_described() -> None:
    for name in ("document", "rule", "mask", "approval", "limit", "fieldmask"):
        described = SCHEMA["$defs"][name]["properties"]
        assert {key for key, schema in described.items() if "description" not in schema} == set()


def test_nothing_python_specific_is_left_in_the_schema() -> None:
    text = json.dumps(SCHEMA)

    assert "Model" not in text
    assert '"null"' not in text
    assert '"definition"' not in text
