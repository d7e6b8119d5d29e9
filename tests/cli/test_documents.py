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
    path = shell.write("acme.json", {**POLICY, "rules": POLICY["rules"][:1]})
    said = shell("check", path)
    revision = hashlib.sha256(Path(path).read_bytes()).hexdigest()[:12]
    assert (said.code, said.err) == (0, "")
    assert said.out == f"{path}: valid as 'acme', 1 rule, revision {revision}\n"


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


STARRED = {**POLICY, "rules": [{**POLICY["rules"][0], "when": {"role": "*"}}]}
HIDDEN = {
    **POLICY,
    "rules": [
        POLICY["rules"][0],
        {**POLICY["rules"][0], "id": "no-readers", "effect": "deny", "reason": "Readers may not read today."},
    ],
}


def test_remarks_are_told_with_line_code_and_remedy_and_fail_only_when_asked_to(shell: Shell) -> None:
    path = shell.write("acme.json", json.dumps(STARRED, indent=1).encode())
    said = shell("check", path)
    assert said.code == 0
    assert said.err == (
        "  line 8: warning PM101: '*' is compared letter by letter: the star stands for itself.\n"
        "    Write prefix or matches if a pattern is meant.\n"
    )
    assert shell("check", path, "--strict").code == 3


def test_what_cannot_have_been_meant_always_fails(shell: Shell) -> None:
    said = shell("check", shell.write("acme.json", HIDDEN))
    assert said.code == 3
    assert "valid as 'acme'" in said.out
    assert "error PM201: Rule 'no-readers' never decides" in said.err


def test_remarks_for_your_information_never_fail(shell: Shell) -> None:
    said = shell("check", "--strict", shell.write("acme.json", POLICY))
    assert said.code == 0
    assert "info PM103: A request without 'resource.rows'" in said.err


def test_remarks_are_data_under_json(shell: Shell) -> None:
    [said] = shell("check", shell.write("acme.json", STARRED), "-o", "json").data
    assert (said["valid"], said["rules"], said["problems"]) == (True, 1, [])
    assert [(one["code"], one["line"], one["rule"]) for one in said["findings"]] == [("PM101", 1, "readers")]


def test_problems_are_told_with_their_lines(shell: Shell) -> None:
    broken = json.dumps(BROKEN, indent=1).encode()
    said = shell("check", shell.write("acme.json", broken))
    line = broken.split(b"\n").index(b'   "effect": "permit",') + 1
    assert f"  line {line}: $.rules[0].effect: " in said.err


def test_what_is_no_json_at_all_is_told_without_a_line_of_its_own(shell: Shell) -> None:
    said = shell("check", "-", stdin=b"{")
    assert (said.code, said.err.count("\n")) == (3, 2)
    assert "  $: is not JSON (line 1, column 2)" in said.err


def test_migrate_tells_what_it_assumed(shell: Shell) -> None:
    bare = [{"conditions": {"role": "viewer"}, "action": "deny", "reason": "No."}]
    said = shell("migrate", "-", stdin=body(bare))
    assert 'standard input: the default is "allow"' in said.err
    assert "rule 1 had no id and is called" in said.err
    assert shell("migrate", "-", stdin=said.out.encode()).out == said.out


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


def test_names_are_compared_with_the_routes_of_an_application(shell: Shell) -> None:
    rule = {"id": "a", "when": {"action": {"in": ["customer.read", "customer.reed"]}, "tags": "piii"}}
    document = {**POLICY, "rules": [{**rule, "effect": "allow", "reason": "Staff reads customers."}]}
    path = shell.write("acme.json", document)
    root = str(Path(__file__).parents[2])
    said = shell.process("check", path, "--app", "examples.fastapi_service:app", "--strict", PYTHONPATH=root)
    assert said.code == 3
    assert (
        "warning PM601: The application knows no action 'customer.reed'.\n    Did you mean 'customer.read'?"
        in said.err
    )
    assert "warning PM602: The application knows no tag 'piii'." in said.err
    assert shell("check", path, "--app", "examples.nowhere:app").code == 2
