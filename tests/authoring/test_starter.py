from __future__ import annotations

import json

import pytest
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]  # it ships no types

from policy_middleware.authoring.lint import lint_document
from policy_middleware.authoring.starter import SCHEMA_FILE, starter_bytes, starter_document
from policy_middleware.evaluation.reference import evaluate_document
from policy_middleware.model.context import RequestContext
from policy_middleware.model.documents import canonical_json, parse_document
from policy_middleware.model.schema import document_schema
from tests.authoring.linting import NOW


def test_the_starter_is_valid_canonical_and_without_remarks() -> None:
    raw = starter_bytes("acme", owner="dana")
    assert lint_document(raw, name="acme", now=NOW) == []
    assert canonical_json(raw, name="acme") == raw
    Draft202012Validator(document_schema()).validate(json.loads(raw))


def test_the_starter_names_its_schema_and_explains_every_rule() -> None:
    document = starter_document("acme", owner="dana")
    assert document["$schema"] == f"./{SCHEMA_FILE}"
    assert "acme" in str(document["description"])
    assert all(rule.note for rule in parse_document(document, name="acme").rules)


@pytest.mark.parametrize(
    ("role", "action", "effect"),
    [
        ("guest", "document.delete", "deny"),
        ("guest", "document.read", "allow"),
        ("support", "customer.read", "mask"),
        ("staff", "report.export", "require_approval"),
        ("nobody", "document.read", "deny"),
    ],
)
def test_the_starter_shows_every_effect(role: str, action: str, effect: str) -> None:
    document = parse_document(starter_document("acme", owner="dana"), name="acme")
    context = RequestContext.from_mapping(
        {"tenant": "acme", "role": [role], "action": action, "tags": ["pii"]}
    )
    outcome = evaluate_document(document, context).outcome
    assert outcome is not None
    assert outcome.effect.value == effect


def test_the_starter_is_for_a_tenant() -> None:
    with pytest.raises(ValueError, match="_global"):
        starter_document("_global", owner="dana")
