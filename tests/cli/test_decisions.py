from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.running import BROKEN, GUARDRAIL, POLICY, Said, Shell, body
from tests.conftest import RedisPlace


def ask(shell: Shell, command: str, context: object, *options: str) -> Said:
    return shell(command, "-t", "acme", "-i", json.dumps(context), *options)


@pytest.fixture
def policy(shell: Shell) -> str:
    return shell.write("acme.json", POLICY)


@pytest.mark.parametrize(
    ("context", "effect", "code"),
    [
        ({"role": "reader", "action": "x"}, "allow", 0),
        ({"role": "support", "action": "x"}, "mask", 0),
        ({"role": "analyst", "action": "report.export", "resource.rows": 5000}, "require_approval", 6),
        ({"role": "guest", "action": "x"}, "deny", 6),
    ],
)
def test_the_exit_code_says_whether_the_request_would_run(
    shell: Shell, policy: str, context: object, effect: str, code: int
) -> None:
    for output in ("json", "table"):
        said = ask(shell, "eval", context, "--policy", policy, "-o", output)
        assert said.code == code
        assert said.err == ""
        assert effect in said.out


def test_a_decision_is_told_with_rule_obligations_and_revisions(shell: Shell, policy: str) -> None:
    decision = ask(shell, "eval", {"role": "support", "action": "x"}, "--policy", policy, "-o", "json").data
    assert decision["rule_id"] == "support"
    assert decision["document"] == "acme"
    assert decision["mask"] == {"fields": {"email": "redact"}}
    assert list(decision["revisions"]) == ["acme"]


def test_what_is_masked_and_who_must_approve_is_told_to_people(shell: Shell, policy: str) -> None:
    masked = ask(shell, "eval", {"role": "support", "action": "x"}, "--policy", policy)
    assert "email (redact)" in masked.out
    parked = ask(shell, "eval", {"action": "report.export", "resource.rows": 5000}, "--policy", policy)
    assert "1 approval for export" in parked.out


def test_a_rule_that_could_not_be_evaluated_says_so(shell: Shell, policy: str) -> None:
    said = ask(shell, "eval", {"action": "report.export"}, "--policy", policy)
    assert said.code == 6
    assert "a restricting rule could not be evaluated" in said.out


def test_observed_rules_are_told(shell: Shell) -> None:
    rule = {"id": "soon", "when": {"role": "reader"}, "effect": "deny", "reason": "Soon.", "mode": "observe"}
    path = shell.write("acme.json", {**POLICY, "rules": [rule, *POLICY["rules"]]})
    said = ask(shell, "eval", {"role": "reader", "action": "x"}, "--policy", path)
    assert said.code == 0
    assert "soon would deny" in said.out


def test_the_store_is_asked_when_no_file_is_given(redis_shell: Shell) -> None:
    redis_shell("publish", "acme", "-", stdin=body(POLICY))
    assert ask(redis_shell, "eval", {"role": "reader", "action": "x"}).code == 0
    redis_shell("publish", "_global", "-", stdin=body(GUARDRAIL))
    said = ask(redis_shell, "eval", {"role": "reader", "action": "x", "subject.type": "agent"})
    assert said.code == 6
    assert "rule no-agents of _global" in said.out


def test_asking_leaves_no_trace_in_the_store(redis_shell: Shell, clean_redis: RedisPlace) -> None:
    redis_shell("publish", "acme", "-", stdin=body(POLICY))
    before = sorted(clean_redis.client.scan_iter(f"{clean_redis.key_prefix}*"))
    ask(redis_shell, "eval", {"role": "reader", "action": "x"})
    ask(redis_shell, "explain", {"role": "reader", "action": "x"})
    assert sorted(clean_redis.client.scan_iter(f"{clean_redis.key_prefix}*")) == before


def test_a_tenant_without_a_document_is_denied(redis_shell: Shell) -> None:
    said = ask(redis_shell, "eval", {"role": "reader", "action": "x"}, "-o", "json")
    assert (said.code, said.data["matched"]) == (6, "missing_policy")


def test_the_settings_of_the_service_hold_here_too(redis_shell: Shell) -> None:
    redis_shell("publish", "_default", "-", stdin=body(POLICY))
    context = json.dumps({"tenant": "nobody", "role": "reader", "action": "x"})
    assert redis_shell("eval", "-i", context).code == 6
    assert redis_shell("eval", "-i", context, POLICY_ON_MISSING_POLICY="default").code == 0


def test_a_stored_document_that_is_not_valid_is_an_invalid_policy(
    redis_shell: Shell, clean_redis: RedisPlace
) -> None:
    clean_redis.client.set(clean_redis.keys.doc("acme"), body(BROKEN))
    said = ask(redis_shell, "eval", {"role": "reader", "action": "x"})
    assert (said.code, said.out) == (3, "")
    assert "$.rules[0].effect" in said.err


def test_drafts_of_guardrails_are_asked_together_with_the_tenants(shell: Shell, policy: str) -> None:
    guardrail = shell.write("_global.json", GUARDRAIL)
    context = {"role": "reader", "action": "x", "subject.type": "agent"}
    said = ask(shell, "eval", context, "--policy", policy, "--policy", guardrail, "-o", "json")
    assert (said.data["document"], said.data["rule_id"]) == ("_global", "no-agents")
    assert set(said.data["revisions"]) == {"_global", "acme"}


def test_two_drafts_for_one_document_are_a_usage_error(shell: Shell, policy: str) -> None:
    said = ask(shell, "eval", {"action": "x"}, "--policy", policy, "--policy", policy)
    assert said.code == 2
    assert "both stand for 'acme'" in said.err


def test_a_draft_that_is_not_valid_is_told_with_its_path(shell: Shell) -> None:
    said = ask(shell, "eval", {"action": "x"}, "--policy", shell.write("draft.json", BROKEN))
    assert said.code == 3
    assert "$.rules[0].effect" in said.err


@pytest.mark.parametrize(
    ("context", "sentence"),
    [
        ({"action": "x", "rol": "a"}, "rol: is an unknown attribute; did you mean 'role'?"),
        ({"role": "a"}, "action: is missing"),
        ({"action": "x", "tenant": "_global"}, "tenant: must be"),
        ({"action": "x", "resource": {"rows": [[1]]}}, "resource"),
    ],
)
def test_a_context_that_cannot_be_asked_is_a_usage_error(
    shell: Shell, policy: str, context: object, sentence: str
) -> None:
    said = ask(shell, "eval", context, "--policy", policy)
    assert (said.code, said.out) == (2, "")
    assert sentence in said.err


def test_a_context_without_a_tenant_asks_for_one(shell: Shell, policy: str) -> None:
    said = shell("eval", "--policy", policy, "-i", '{"action": "x"}')
    assert said.code == 2
    assert "which tenant?" in said.err


def test_every_rule_is_explained_with_the_comparison_that_settled_it(shell: Shell, policy: str) -> None:
    said = ask(shell, "explain", {"role": "guest", "action": "x"}, "--policy", policy)
    assert said.code == 0
    assert "default of acme" in said.out
    assert 'subject.roles is "guest"; eq "reader" is false' in said.out
    assert 'action is "x"; eq "report.export" is false' in said.out
    assert said.out.count("does not match") == 3


def test_a_missing_attribute_is_explained_as_missing(shell: Shell, policy: str) -> None:
    said = ask(shell, "explain", {"action": "report.export"}, "--policy", policy)
    assert "resource.rows is missing; gte 1000 is indeterminate" in said.out
    assert "restricts, because it cannot be evaluated" in said.out


def test_an_attribute_compared_with_another_shows_both(shell: Shell) -> None:
    rule = {
        "id": "own",
        "when": {"resource.owner": {"eq": {"ref": "subject.id"}}},
        "effect": "allow",
        "reason": "Own.",
    }
    path = shell.write("acme.json", {**POLICY, "rules": [rule]})
    said = ask(shell, "explain", {"action": "x", "resource.owner": "ana", "user": "bob"}, "--policy", path)
    assert 'resource.owner is "ana"; eq subject.id ("bob") is false' in said.out


def test_an_explanation_is_data_under_json(shell: Shell, policy: str) -> None:
    said = ask(shell, "explain", {"role": "reader", "action": "x"}, "--policy", policy, "-o", "json")
    assert said.data["outcome"]["rule_id"] == "readers"
    assert [rule["standing"] for rule in said.data["documents"][0]["rules"]] == [
        "decides",
        "not_reached",
        "not_reached",
    ]


def test_an_explanation_of_hostile_values_is_safe_to_print(shell: Shell, policy: str) -> None:
    context = {"role": "\x1b[2J\u202e", "action": "[red]x[/red]"}
    said = ask(shell, "explain", context, "--policy", policy)
    assert not any(character in said.out for character in "\x1b\u202e")
    assert "[red]x[/red]" in said.out


def test_a_directory_can_be_asked(shell: Shell, tmp_path: Path) -> None:
    shell.write("acme.json", POLICY)
    said = ask(shell, "eval", {"role": "reader", "action": "x"}, "--store", f"file://{tmp_path}")
    assert said.code == 0


def test_what_was_counted_is_told(shell: Shell) -> None:
    count = {"effect": "deny", "per": ["subject.id"], "within": "1h", "gte": 3}
    rule = {"id": "locked", "when": {"count": count}, "effect": "deny", "reason": "Locked out."}
    path = shell.write("acme.json", {**POLICY, "rules": [rule, *POLICY["rules"]]})
    asked = {"role": "reader", "action": "x", "user": "ann"}
    what = "count of effect deny per subject.id within 1h except acme/locked"
    assert f"0 is the {what}" in ask(shell, "eval", asked, "--policy", path).out
    assert ask(shell, "eval", asked, "--policy", path, "-o", "json").data["facts"] == {what: 0}
    assert f"{what} is 0; gte 3 is false" in ask(shell, "explain", asked, "--policy", path).out.replace(
        "\n", " "
    )
    nobody = {"role": "reader", "action": "x"}
    assert f"unknown is the {what}" in ask(shell, "eval", nobody, "--policy", path).out
