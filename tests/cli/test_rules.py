from __future__ import annotations

import json
import threading
from typing import Any

import pytest

from policy_middleware.enforcer import PolicyEnforcer
from policy_middleware.model.documents import parse_document, revision_of
from policy_middleware.stores.paperwork import process_id
from tests.cli.running import POLICY, Shell, body
from tests.conftest import RedisPlace
from tests.waiting import eventually

LAID_OUT = json.dumps(POLICY, indent=2).encode()


def stored_rules(shell: Shell) -> dict[str, tuple[bool, bool]]:
    """Return whether each stored rule is enabled and observed."""
    rules = parse_document(shell("show", "acme").out, name="acme").rules
    return {rule.id: (rule.enabled, rule.observe) for rule in rules}


@pytest.mark.parametrize(
    ("switch", "opposite", "stands", "sentence"),
    [
        (
            "disable",
            "enable",
            (False, False),
            "Rule 'readers' (allow) is switched off. Access can only become narrower.",
        ),
        (
            "observe",
            "enforce",
            (True, True),
            "Rule 'readers' (allow) is only observed now. Access can only become narrower.",
        ),
    ],
)
def test_a_switch_is_told_recorded_and_undone_by_its_opposite(
    store_shell: Shell, switch: str, opposite: str, stands: tuple[bool, bool], sentence: str
) -> None:
    store_shell("publish", "acme", "-", stdin=LAID_OUT)
    said = store_shell("rule", switch, "acme", "readers", "--author", "dana", "-m", "SEC-7")
    assert (said.code, said.err) == (0, "")
    assert sentence in said.out
    assert f"`policyctl rule {opposite} acme readers` undoes this\n" in said.out
    assert stored_rules(store_shell)["readers"] == stands
    newest = store_shell("history", "acme", "-o", "json").data[0]
    assert (newest["author"], newest["note"]) == ("dana", "SEC-7")
    store_shell("rule", opposite, "-t", "acme", "readers")
    assert store_shell("show", "acme").out.encode() == LAID_OUT
    assert store_shell("history", "acme", "-o", "json").data[0]["note"] == f"rule {opposite} readers"


def test_a_rule_that_stands_like_that_already_stays(store_shell: Shell) -> None:
    store_shell("publish", "acme", "-", stdin=LAID_OUT)
    said = store_shell("rule", "enable", "acme", "readers")
    assert said.code == 0
    assert said.out.startswith(f"acme: unchanged, {revision_of(LAID_OUT)[:12]} was stored already\n")
    assert "undoes" not in said.out


def test_a_dry_run_changes_nothing(store_shell: Shell) -> None:
    store_shell("publish", "acme", "-", stdin=LAID_OUT)
    assert store_shell("rule", "disable", "acme", "readers", "-n").code == 6
    assert store_shell("rule", "enable", "acme", "readers", "-n").code == 0
    assert store_shell("show", "acme").out.encode() == LAID_OUT


def test_unknown_rules_and_documents_are_usage_errors(store_shell: Shell) -> None:
    said = store_shell("rule", "disable", "acme", "readers")
    assert (said.code, said.out) == (2, "")
    assert "there is no document 'acme'; `policyctl list` shows which there are" in said.err
    store_shell("publish", "acme", "-", stdin=LAID_OUT)
    said = store_shell("rule", "disable", "acme", "reader")
    assert said.code == 2
    assert "'acme' has no rule 'reader'; did you mean 'readers'?" in said.err


def test_programs_get_the_change_and_how_to_undo_it(redis_shell: Shell) -> None:
    redis_shell("publish", "acme", "-", stdin=LAID_OUT)
    said: Any = redis_shell("rule", "disable", "acme", "readers", "-o", "json").data
    assert (said["rule"], said["access"], said["changed"]) == ("readers", "narrower", True)
    assert said["undo"] == "policyctl rule enable acme readers"


def test_nonsense_in_the_store_is_not_edited(redis_shell: Shell, clean_redis: RedisPlace) -> None:
    clean_redis.client.set(clean_redis.keys.doc("acme"), b"nonsense")
    said = redis_shell("rule", "disable", "acme", "readers")
    assert said.code == 3
    assert "the document for 'acme' is not valid, nothing was changed" in said.err
    assert clean_redis.client.get(clean_redis.keys.doc("acme")) == b"nonsense"


def test_a_key_of_another_type_is_not_edited(redis_shell: Shell, clean_redis: RedisPlace) -> None:
    clean_redis.client.hset(clean_redis.keys.doc("acme"), "a", "b")
    assert redis_shell("rule", "disable", "acme", "readers").code != 0
    assert clean_redis.client.hgetall(clean_redis.keys.doc("acme")) == {b"a": b"b"}


def test_edits_at_the_same_time_are_all_kept(redis_shell: Shell) -> None:
    rules = [{**POLICY["rules"][0], "id": f"r{number}"} for number in range(6)]
    redis_shell("publish", "acme", "-", stdin=body({**POLICY, "rules": rules}))
    together = threading.Barrier(len(rules))
    codes: list[int] = []

    def disable(rule_id: str) -> None:
        together.wait(20)
        said = redis_shell.process("rule", "disable", "acme", rule_id)
        codes.append(said.code)

    threads = [threading.Thread(target=disable, args=(rule["id"],)) for rule in rules]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert codes == [0] * len(rules)
    assert set(stored_rules(redis_shell).values()) == {(False, False)}
    assert len(redis_shell("history", "acme", "-o", "json").data) == 1 + len(rules)


def test_the_processes_that_have_it_in_force_are_named(redis_shell: Shell, clean_redis: RedisPlace) -> None:
    redis_shell("publish", "acme", "-", stdin=LAID_OUT)
    request = {"tenant": "acme", "action": "a.b", "role": "reader"}
    with PolicyEnforcer.from_url(clean_redis.url, key_prefix=clean_redis.key_prefix) as enforcer:
        assert enforcer.evaluate(request).allowed
        eventually(lambda: bool(clean_redis.client.exists(clean_redis.keys.status("acme"))))
        said = redis_shell("rule", "disable", "acme", "readers")
        assert f"in force in {process_id()}" in said.out
        assert not enforcer.evaluate(request).allowed
