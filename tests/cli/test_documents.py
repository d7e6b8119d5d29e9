from __future__ import annotations

import hashlib
import json
from pathlib import Path

from jsonschema import Draft202012Validator  # type: ignore[import-untyped]  # it ships no types

from policy_middleware.model.documents import parse_document
from tests.cli.running import BROKEN, GUARDRAIL, POLICY, Shell, body


def test_the_schema_is_printed_whatever_the_output_is_and_accepts_a_policy(shell: Shell) -> None:
    said = shell("schema")
    Draft202012Validator.check_schema(said.data)
    Draft202012Validator(said.data).validate(POLICY)


def test_a_valid_document_is_named_with_its_size_and_revision(shell: Shell) -> None:
    path = shell.write("acme.json", POLICY)
    said = shell("check", path)
    revision = hashlib.sha256(Path(path).read_bytes()).hexdigest()[:12]
    assert (said.code, said.err) == (0, "")
    assert said.out == f"{path}: valid as 'acme', 3 rules, revision {revision}\n"


def test_every_problem_is_told_by_path_on_standard_error(shell: Shell) -> None:
    broken = {**POLICY, "rules": [{"id": "a", "when": {"rol": 1}, "effect": "permit", "reason": ""}]}
    said = shell("check", shell.write("acme.json", broken))
    assert (said.code, said.out) == (3, "")
    assert "$.rules[0].when" in said.err
    assert "$.rules[0].effect" in said.err
    assert "$.rules[0].reason" in said.err


def test_one_invalid_document_among_valid_ones_decides_the_exit_code(shell: Shell) -> None:
    good, bad = shell.write("acme.json", POLICY), shell.write("globex.json", BROKEN)
    said = shell("check", good, bad)
    assert said.code == 3
    assert good in said.out
    assert bad in said.err


def test_findings_are_data_under_json(shell: Shell) -> None:
    good, bad = shell.write("acme.json", POLICY), shell.write("globex.json", BROKEN)
    said = shell("check", good, bad, "-o", "json")
    assert said.code == 3
    assert [(finding["file"], finding["valid"]) for finding in said.data] == [(good, True), (bad, False)]
    assert said.data[1]["problems"][0]["path"] == "$.rules[0].effect"


def test_a_guardrail_is_checked_by_its_own_rules(shell: Shell) -> None:
    assert shell("check", shell.write("_global.json", GUARDRAIL)).code == 0
    assert shell("check", shell.write("_global.json", POLICY)).code == 3
    assert shell("check", "-t", "_global", shell.write("draft.json", POLICY)).code == 3


def test_the_name_of_a_file_wins_over_the_environment_but_not_over_an_option(shell: Shell) -> None:
    path = shell.write("_global.json", GUARDRAIL)
    assert shell("check", path, POLICYCTL_TENANT="acme").code == 0
    assert shell("check", path, "-t", "acme").code == 3


def test_warnings_are_told_and_do_not_make_a_document_invalid(shell: Shell) -> None:
    starred = {**POLICY, "rules": [{**POLICY["rules"][0], "when": {"role": "*"}}]}
    said = shell("check", shell.write("acme.json", starred))
    assert said.code == 0
    assert "warning: $.rules[0].when" in said.err


def test_migrate_prints_a_document_that_means_the_same(shell: Shell) -> None:
    bare = [{"conditions": {"role": "viewer"}, "action": "deny", "reason": "No."}]
    said = shell("migrate", "-", stdin=body(bare))
    assert said.code == 0
    assert json.loads(said.out)["default"] == "allow"
    assert parse_document(said.out, name="acme").rules[0].effect == "deny"


def test_migrate_refuses_what_is_not_valid(shell: Shell) -> None:
    said = shell("migrate", "-", stdin=body(BROKEN))
    assert (said.code, said.out) == (3, "")
    assert "$.rules[0].effect" in said.err
