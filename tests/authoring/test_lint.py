from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings

from policy_middleware.authoring.findings import Code, Severity
from policy_middleware.authoring.lint import lint_document, problem_lines
from policy_middleware.model.documents import parse_document
from policy_middleware.model.errors import DocumentError
from tests.authoring.linting import NOW, codes, document, lint, only, rule
from tests.model.strategies import documents

EXAMPLES = sorted((Path(__file__).parents[2] / "examples" / "policies").glob("*.json"))


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_examples_give_no_findings_but_what_a_missing_number_means(path: Path) -> None:
    found = lint_document(path.read_bytes(), name=path.stem, now=NOW)
    assert [(one.code, one.rule) for one in found] == (
        [(Code.MISSING_ATTRIBUTE, "mass-export-needs-dpo")] if path.stem == "acme" else []
    )


def test_a_clean_document_gives_no_findings() -> None:
    assert lint(document(rule("a", "allow", {"role": "staff"}), rule("b", "mask", {"role": "support"}))) == []


@settings(max_examples=100, deadline=None)
@given(documents())
def test_every_valid_document_can_be_linted_and_keeps_the_warnings_of_validation(raw: Any) -> None:
    text = json.dumps(raw, indent=1)
    found = lint_document(text, name="acme", now=NOW)
    paths = [one.path for one in found]
    lines = text.count("\n") + 1
    assert all(one.line is not None and 1 <= one.line <= lines for one in found)
    for warning in parse_document(text, name="acme").warnings:
        assert any(warning.startswith((f"{path}: ", f"{path}.")) for path in paths), warning


def test_findings_come_in_the_order_of_the_text_with_their_lines() -> None:
    raw = """{"default": "deny", "rules": [
      {"id": "a", "effect": "allow", "reason": "No.",
       "when": {"action": {"eq": "doc.*"}}},
      {"id": "b", "effect": "deny",
       "valid_until": "2020-01-01T00:00:00Z",
       "when": {"role": "guest"}, "reason": "Guests have to register first."}
    ]}"""
    found = lint_document(raw, name="acme", now=NOW)
    assert [(one.line, one.code, one.rule) for one in found] == [
        (2, Code.REASON_TOO_SHORT, "a"),
        (3, Code.STAR_IN_EQUALITY, "a"),
        (5, Code.EXPIRED, "b"),
    ]
    assert found[1].path == "$.rules[0].when.action.eq"


def test_python_data_has_paths_and_no_lines() -> None:
    [found] = lint_document([rule("a", "deny", {"role": "guest"})], name="acme", now=NOW)
    assert (found.code, found.path, found.line) == (Code.IMPLICIT_DEFAULT, "$", None)


def test_a_bare_list_is_read_with_the_paths_and_keys_of_its_author() -> None:
    found = lint([{"conditions": {"tags": "p*"}, "action": "deny", "reason": "Not for you today."}])
    assert [(one.code, one.path) for one in found] == [
        (Code.IMPLICIT_DEFAULT, "$"),
        (Code.STAR_IN_EQUALITY, "$[0].conditions.tags"),
    ]


def test_a_byte_order_mark_does_not_move_lines() -> None:
    raw = b"\xef\xbb\xbf" + json.dumps([rule("a", "deny", {"role": "g*"})], indent=1).encode()
    assert {one.line for one in lint_document(raw, name="acme", now=NOW)} == {1, 5}


def test_findings_are_plain_data_for_programs() -> None:
    found = only(document(rule("a", "allow", {"role": "x*"})), Code.STAR_IN_EQUALITY)
    assert found.as_dict() == {
        "code": "PM101",
        "severity": "warning",
        "rule": "a",
        "path": "$.rules[0].when.role",
        "line": 8,
        "message": "'x*' is compared letter by letter: the star stands for itself.",
        "remedy": 'Write {"prefix": "x"} if everything that begins with it is meant.',
    }


def test_an_invalid_document_is_refused_as_everywhere() -> None:
    with pytest.raises(DocumentError):
        lint({"rules": []})


def test_the_problems_of_an_invalid_document_have_lines() -> None:
    raw = '{\n"rules": [\n{"id": "a", "when": {\n"rolle": "x"}, "effect": "deny", "reason": "R r."}]}'
    with pytest.raises(DocumentError) as caught:
        parse_document(raw, name="acme")
    lines = dict(
        zip((one.path for one in caught.value.problems), problem_lines(raw, caught.value), strict=True)
    )
    assert lines == {"$.default": 1, "$.rules[0].when.rolle": 4}


@pytest.mark.parametrize("raw", [b"{", b"\xff", b"", "null,"])
def test_what_is_not_json_has_no_lines(raw: bytes | str) -> None:
    with pytest.raises(DocumentError) as caught:
        parse_document(raw, name="acme")
    assert problem_lines(raw, caught.value) == [None]


def test_repeated_keys_have_lines() -> None:
    raw = '{\n"default": "deny",\n"default": "allow", "rules": []}'
    with pytest.raises(DocumentError) as caught:
        parse_document(raw, name="acme")
    assert problem_lines(raw, caught.value) == [3]


def test_codes_are_unique_and_every_severity_is_in_use() -> None:
    assert len({code.value for code in Code}) == len(Code)
    assert {code.severity for code in Code} == set(Severity)


def test_guardrails_have_no_default_to_remark_on() -> None:
    assert codes({"rules": [rule("a", "deny", {})]}, "_global") == []
