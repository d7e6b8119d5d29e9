from __future__ import annotations

import json
import threading
import time
from typing import Any

import pytest

from policy_middleware.enforcer import PolicyEnforcer
from policy_middleware.model.documents import parse_document
from policy_middleware.model.policy import Rule
from policy_middleware.model.times import format_time
from policy_middleware.stores.paperwork import process_id
from tests.cli.running import POLICY, Said, Shell, body
from tests.conftest import RedisPlace
from tests.waiting import eventually

REASON = ("--reason", "Agents are off for now.")


def on(shell: Shell, *arguments: str) -> Said:
    return shell("incident", "on", "agent.*", "--until", "2h", *REASON, *arguments)


def rules(shell: Shell) -> tuple[Rule, ...]:
    said = shell("show", "_incident")
    if said.code == 2:  # there is no document: that is how an emergency ends
        return ()
    return parse_document(said.out, name="_incident").rules


def listed(shell: Shell) -> list[Any]:
    data = shell("incident", "list", "-o", "json").data
    assert isinstance(data, list)
    return data


def test_an_incident_is_switched_on_told_recorded_and_off_again(store_shell: Shell) -> None:
    before = time.time()
    said = on(store_shell, "--author", "dana", "--note", "INC-42")
    assert (said.code, said.err) == (0, "")
    assert said.out.startswith("_incident: published ")
    assert "incident-agent: deny agent.* for every tenant until " in said.out
    assert "`policyctl incident off incident-agent` ends it earlier\n" in said.out
    [rule] = rules(store_shell)
    assert rule.valid_until is not None
    assert before + 7199 <= rule.valid_until <= time.time() + 7200
    assert (rule.reason, rule.note) == ("Agents are off for now.", "INC-42")
    [entry] = store_shell("history", "_incident", "-o", "json").data
    assert (entry["author"], entry["note"]) == ("dana", "INC-42")
    off = store_shell("incident", "off", "incident-agent")
    assert off.code == 0
    assert off.out.startswith("_incident: removed; it was ")
    assert "no emergency rule is on\n" in off.out
    assert rules(store_shell) == ()
    assert store_shell("history", "_incident", "-o", "json").data[0]["note"] == "incident off incident-agent"


def test_switching_off_can_be_undone(store_shell: Shell) -> None:
    on(store_shell)
    undo = store_shell("incident", "off", "-o", "json").data["undo"]
    assert store_shell(*undo.split()[1:]).code == 0
    assert [rule.id for rule in rules(store_shell)] == ["incident-agent"]


def test_saying_it_again_changes_the_rule(store_shell: Shell) -> None:
    on(store_shell)
    on(store_shell, "--effect", "require_approval", "--approver-role", "lead", "--only-tenant", "acme")
    on(store_shell, "--effect", "require_approval", "--approver-role", "lead")
    assert [(rule.id, rule.effect.value) for rule in rules(store_shell)] == [
        ("incident-agent-2", "require_approval"),
        ("incident-agent", "require_approval"),
    ]


def test_off_without_an_id_ends_them_all(store_shell: Shell) -> None:
    on(store_shell)
    store_shell(
        "incident",
        "on",
        "*",
        "--until",
        "2099-01-01T00:00:00Z",
        "--effect",
        "mask",
        "--field",
        "**.email",
        *REASON,
    )
    assert len(rules(store_shell)) == 2
    assert "still there: 1" in store_shell("incident", "off", "incident-all").out
    assert store_shell("incident", "off").code == 0
    assert rules(store_shell) == ()
    assert store_shell("incident", "off").code == 0


def test_nothing_is_on_where_nothing_is_stored(store_shell: Shell) -> None:
    assert store_shell("incident", "list").err == "no emergency rule is on\n"
    assert store_shell("incident", "off").out == "no emergency rule is on\n"
    assert store_shell("incident", "off", "-o", "json").data["changed"] is False
    said = store_shell("incident", "off", "x")
    assert said.code == 2
    assert "no emergency rule 'x' is on, and no other" in said.err


def test_the_list_tells_what_is_on_and_what_is_over(redis_shell: Shell, clean_redis: RedisPlace) -> None:
    rule = {"when": {"action": "a"}, "effect": "deny", "reason": "Not now."}
    document = {
        "rules": [
            {**rule, "id": "on", "valid_until": "2099-01-01T00:00:00Z"},
            {**rule, "id": "over", "valid_until": "2020-01-01T00:00:00Z"},
            {
                **rule,
                "id": "later",
                "valid_from": "2098-01-01T00:00:00Z",
                "valid_until": "2099-01-01T00:00:00Z",
            },
            {**rule, "id": "off", "enabled": False, "valid_until": "2099-01-01T00:00:00Z"},
            {**rule, "id": "seen", "mode": "observe", "valid_until": "2099-01-01T00:00:00Z"},
        ]
    }
    clean_redis.client.set(clean_redis.keys.doc("_incident"), body(document))
    assert [(one["id"], one["standing"]) for one in listed(redis_shell)] == [
        ("on", "on"),
        ("over", "over"),
        ("later", "not yet"),
        ("off", "off"),
        ("seen", "observed"),
    ]
    assert "2099-01-01 00:00:00Z" in redis_shell("incident", "list").out


def test_a_dry_run_changes_nothing(store_shell: Shell) -> None:
    assert on(store_shell, "-n").code == 6
    assert listed(store_shell) == []
    on(store_shell)
    assert store_shell("incident", "off", "-n").code == 6
    assert len(listed(store_shell)) == 1


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--until", "soon"), "'soon' is neither like 30m, 2h or 3d nor like "),
        (("--until", "2020-01-01T00:00:00Z"), "'2020-01-01T00:00:00Z' is over"),
        (("--until", "1h", "--effect", "allow"), "'allow' is not one of"),
        (("--until", "1h", "--effect", "mask"), "--effect mask needs --field"),
        (("--until", "1h", "--field", "a"), "--field belongs to --effect mask"),
        (("--until", "1h", "--approver-role", "a"), "--approver-role belongs to --effect require_approval"),
        (("--until", "1h", "--only-tenant", "_x"), "'_x' is no tenant id"),
        (("--until", "1h", "--reason", " "), "this is empty"),
        ((), "Missing option '--until'"),
    ],
)
def test_wrong_usage_is_told_in_a_sentence(shell: Shell, arguments: tuple[str, ...], sentence: str) -> None:
    said = shell("incident", "on", "agent.*", *REASON, *arguments)
    assert (said.code, said.out) == (2, "")
    assert sentence in said.err


def test_an_incident_for_one_tenant_is_never_taken_for_one_of_all(store_shell: Shell) -> None:
    for arguments in (("-t", "acme", "incident", "on"), ("incident", "-t", "acme", "on")):
        said = store_shell(*arguments, "a", "--until", "1h", *REASON)
        assert said.code == 2
        assert "--only-tenant TENANT" in said.err
    assert listed(store_shell) == []
    said = on(store_shell, "--only-tenant", "acme", "--only-tenant", "globex")
    assert "for tenants acme, globex until" in said.out


def test_an_invalid_rule_is_refused_and_nothing_is_stored(store_shell: Shell) -> None:
    said = store_shell("incident", "on", "a", "--until", "1h", "--reason", "two\nlines")
    assert said.code == 3
    assert "holds a line break" in said.err
    assert listed(store_shell) == []


def test_nonsense_is_never_edited_and_can_be_ended(redis_shell: Shell, clean_redis: RedisPlace) -> None:
    key = clean_redis.keys.doc("_incident")
    on(redis_shell)
    first = redis_shell("history", "_incident", "-o", "json").data[0]["revision"]
    clean_redis.client.set(key, b"nonsense")
    said = on(redis_shell)
    assert said.code == 6
    assert "what is stored as _incident is not valid ($: is not JSON" in said.err
    assert "policyctl rollback _incident REVISION" in said.err
    assert clean_redis.client.get(key) == b"nonsense"
    assert redis_shell("incident", "list").code == 3
    assert redis_shell("rollback", "_incident", first[:12]).code == 0
    clean_redis.client.set(key, b"nonsense")
    assert redis_shell("incident", "off").code == 0
    assert rules(redis_shell) == ()


def test_incidents_declared_at_the_same_time_are_all_kept(redis_shell: Shell) -> None:
    actions = [f"action{number}" for number in range(5)]
    together = threading.Barrier(len(actions))
    codes: list[int] = []

    def declare(action: str) -> None:
        together.wait(20)
        codes.append(redis_shell.process("incident", "on", action, "--until", "1h", *REASON).code)

    threads = [threading.Thread(target=declare, args=(action,)) for action in actions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert codes == [0] * len(actions)
    assert sorted(rule.id for rule in rules(redis_shell)) == [f"incident-{action}" for action in actions]


def test_an_incident_is_in_force_everywhere_before_the_command_ends(
    redis_shell: Shell, clean_redis: RedisPlace
) -> None:
    redis_shell("publish", "acme", "-", stdin=body(POLICY))
    request = {"tenant": "acme", "action": "agent.run", "role": "reader"}
    with PolicyEnforcer.from_url(clean_redis.url, key_prefix=clean_redis.key_prefix) as enforcer:
        assert enforcer.evaluate(request).allowed
        on(redis_shell)
        eventually(lambda: not enforcer.evaluate(request).allowed)
        eventually(lambda: bool(clean_redis.client.exists(clean_redis.keys.status("_incident"))))
        said = redis_shell("incident", "off", "incident-agent")
        assert f"in force in {process_id()}" in said.out
        assert enforcer.evaluate(request).allowed


def test_an_incident_switched_on_by_a_bare_set_is_switched_off_by_command(
    redis_shell: Shell, clean_redis: RedisPlace
) -> None:
    until = format_time(time.time() + 3600)
    by_hand = {
        "rules": [
            {"id": "inc", "when": {}, "effect": "deny", "reason": "Closed for now.", "valid_until": until}
        ]
    }
    clean_redis.client.set(clean_redis.keys.doc("_incident"), json.dumps(by_hand))
    assert [one["id"] for one in listed(redis_shell)] == ["inc"]
    assert redis_shell("incident", "off", "inc").code == 0
    entries = redis_shell("history", "_incident", "-o", "json").data
    assert [entry["via"] for entry in entries] == ["delete", "SET"]
