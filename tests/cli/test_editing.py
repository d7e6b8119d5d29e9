from __future__ import annotations

import json
import threading
from pathlib import Path

import pytest

from policy_middleware.enforcer import PolicyEnforcer
from policy_middleware.model.documents import revision_of
from policy_middleware.stores.paperwork import process_id
from tests.cli.running import BROKEN, POLICY, Said, Shell, body
from tests.conftest import RedisPlace
from tests.waiting import eventually

LOOSER = {**POLICY, "default": "allow"}
FIRST, SECOND = revision_of(body(POLICY)), revision_of(body(LOOSER))


def test_a_file_is_published_byte_for_byte_with_author_and_note(
    redis_shell: Shell, clean_redis: RedisPlace
) -> None:
    path = redis_shell.write("acme.json", b" " + body(POLICY) + b"\n")
    said = redis_shell("publish", path, "--author", "dana", "-m", "SEC-12")
    assert said.code == 0
    assert clean_redis.client.get(clean_redis.keys.doc("acme")) == b" " + body(POLICY) + b"\n"
    (entry,) = redis_shell("history", "acme", "-o", "json").data
    assert (entry["author"], entry["note"], entry["via"], entry["stored"]) == (
        "dana",
        "SEC-12",
        "publish",
        True,
    )


def test_people_are_told_what_replaced_what(redis_shell: Shell) -> None:
    first = redis_shell("publish", "acme", "-", stdin=body(POLICY))
    again = redis_shell("publish", "acme", "-", stdin=body(POLICY))
    second = redis_shell("publish", "acme", "-", stdin=body(LOOSER))
    assert first.out.startswith(f"acme: published {FIRST[:12]}, where there was no document\n")
    assert again.out.startswith(f"acme: unchanged, {FIRST[:12]} was stored already\n")
    assert second.out.startswith(f"acme: published {SECOND[:12]} in place of {FIRST[:12]}\n")
    assert len(redis_shell("history", "acme", "-o", "json").data) == 2


def test_programs_are_told_the_same(redis_shell: Shell) -> None:
    redis_shell("publish", "acme", "-", stdin=body(POLICY))
    said = redis_shell("publish", "acme", "-", "--author", "dana", "-o", "json", stdin=body(LOOSER))
    assert said.data == {
        "document": "acme",
        "before": FIRST,
        "after": SECOND,
        "changed": True,
        "author": "dana",
        "note": None,
        "processes": [],
    }


def test_publish_waits_until_the_processes_have_it_in_force(
    redis_shell: Shell, clean_redis: RedisPlace
) -> None:
    redis_shell("publish", "acme", "-", stdin=body(POLICY))
    with PolicyEnforcer.from_url(clean_redis.url, key_prefix=clean_redis.key_prefix) as enforcer:
        assert not enforcer.evaluate({"tenant": "acme", "role": "x", "action": "y"}).allowed
        store = enforcer.snapshots.store
        eventually(lambda: store.reports("acme"))
        said = redis_shell("publish", "acme", "-", stdin=body(LOOSER))
        assert f"in force in {process_id()}" in said.out
        assert enforcer.evaluate({"tenant": "acme", "role": "x", "action": "y"}).allowed


def test_an_invalid_document_changes_nothing(redis_shell: Shell) -> None:
    redis_shell("publish", "acme", "-", stdin=body(POLICY))
    said = redis_shell("publish", "acme", "-", stdin=body(BROKEN))
    assert (said.code, said.out) == (3, "")
    assert "the document for 'acme' is not valid, nothing was changed\n  $.rules[0].effect: " in said.err
    assert redis_shell("list", "-o", "json").data[0]["revision"] == FIRST


def test_a_document_with_a_thousand_problems_tells_the_first_ones(redis_shell: Shell) -> None:
    many = {**POLICY, "rules": [BROKEN["rules"][0] | {"id": f"r{number}"} for number in range(1000)]}
    said = redis_shell("publish", "acme", "-", stdin=body(many))
    assert said.code == 3
    assert len(said.err.splitlines()) == 52
    assert said.err.endswith("and 950 more\n")


def test_a_dry_run_tells_whether_something_would_change(redis_shell: Shell) -> None:
    redis_shell("publish", "acme", "-", stdin=body(POLICY))
    same = redis_shell("publish", "-n", "acme", "-", stdin=body(POLICY))
    other = redis_shell("publish", "acme", "-", "--dry-run", "-o", "json", stdin=body(LOOSER))
    assert (same.code, same.out) == (0, f"acme: would stay at {FIRST[:12]}\n")
    assert other.code == 6
    assert other.data == {"document": "acme", "before": FIRST, "after": SECOND, "would_change": True}
    assert redis_shell("list", "-o", "json").data[0]["revision"] == FIRST


def test_a_dry_run_finds_an_invalid_document(redis_shell: Shell) -> None:
    assert redis_shell("publish", "-n", "acme", "-", stdin=body(BROKEN)).code == 3


@pytest.mark.parametrize("expected", [FIRST, FIRST[:8], FIRST[:12].upper()])
def test_the_expected_revision_may_be_shortened(redis_shell: Shell, expected: str) -> None:
    redis_shell("publish", "acme", "-", stdin=body(POLICY))
    said = redis_shell("publish", "acme", "-", "--expected-revision", expected, stdin=body(LOOSER))
    assert said.code == 0


@pytest.mark.parametrize("options", [(), ("--dry-run",)])
@pytest.mark.parametrize("expected", [FIRST, FIRST[:12], "none", "f" * 64])
def test_another_revision_than_the_expected_one_is_a_conflict(
    redis_shell: Shell, expected: str, options: tuple[str, ...]
) -> None:
    redis_shell("publish", "acme", "-", stdin=body(POLICY))
    redis_shell("publish", "acme", "-", stdin=body(LOOSER))
    said = redis_shell("publish", "acme", "-", "--expected-revision", expected, *options, stdin=body(POLICY))
    assert (said.code, said.out) == (6, "")
    assert f"document 'acme' is at revision {SECOND[:12]}" in said.err
    assert redis_shell("list", "-o", "json").data[0]["revision"] == SECOND


def test_a_revision_that_only_a_bare_set_has_put_there_can_be_expected(
    redis_shell: Shell, clean_redis: RedisPlace
) -> None:
    clean_redis.client.set(clean_redis.keys.doc("acme"), body(POLICY))
    said = redis_shell("publish", "acme", "-", "--expected-revision", FIRST[:12], stdin=body(LOOSER))
    assert said.code == 0
    assert [entry["via"] for entry in redis_shell("history", "acme", "-o", "json").data] == ["publish", "SET"]


def test_of_two_who_publish_over_one_revision_at_once_one_is_told_of_the_conflict(
    redis_shell: Shell,
) -> None:
    redis_shell("publish", "acme", "-", stdin=body(POLICY))
    said: list[Said] = []

    def publish(number: int) -> None:
        document = body({**POLICY, "description": f"by {number}"})
        arguments = ("publish", "acme", "-", "--expected-revision", FIRST)
        said.append(redis_shell.process(*arguments, stdin=document))

    threads = [threading.Thread(target=publish, args=(number,)) for number in (1, 2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(one.code for one in said) == [0, 6]
    assert len(redis_shell("history", "acme", "-o", "json").data) == 2


def test_a_file_that_is_named_after_nothing_has_to_be_named(shell: Shell) -> None:
    said = shell("publish", shell.write("a policy.json", POLICY))
    assert said.code == 2
    assert "which document?" in said.err


def test_an_environment_that_contradicts_the_name_of_the_file_is_not_guessed_about(
    redis_shell: Shell,
) -> None:
    path = redis_shell.write("globex.json", POLICY)
    said = redis_shell("publish", path, POLICYCTL_TENANT="acme")
    assert said.code == 2
    assert "is named after 'globex', but POLICYCTL_TENANT is 'acme'" in said.err
    assert redis_shell("publish", "acme", path, POLICYCTL_TENANT="acme").code == 0
    assert redis_shell("publish", "-t", "globex", path, POLICYCTL_TENANT="acme").code == 0
    assert redis_shell("publish", "-", stdin=body(POLICY), POLICYCTL_TENANT="acme").code == 0


def test_a_wrong_number_of_arguments_is_a_usage_error(shell: Shell) -> None:
    assert shell("publish", "a", "b", "c").code == 2
    assert shell("rollback").code == 2


def test_a_rollback_puts_a_revision_in_force_again(redis_shell: Shell) -> None:
    redis_shell("publish", "acme", "-", stdin=body(POLICY))
    redis_shell("publish", "acme", "-", stdin=body(LOOSER))
    said = redis_shell("rollback", "acme", FIRST[:8], "--author", "dana")
    assert said.code == 0
    assert said.out.startswith(f"acme: rolled back to {FIRST[:12]} in place of {SECOND[:12]}\n")
    newest = redis_shell("history", "acme", "-o", "json").data[0]
    assert (newest["via"], newest["author"], newest["note"]) == ("rollback", "dana", f"back to {FIRST[:12]}")
    assert json.loads(redis_shell("show", "acme").out) == POLICY


def test_a_rollback_can_be_tried_first(redis_shell: Shell) -> None:
    redis_shell("publish", "acme", "-", stdin=body(POLICY))
    redis_shell("publish", "acme", "-", stdin=body(LOOSER))
    said = redis_shell("rollback", "-n", "-t", "acme", FIRST)
    assert (said.code, said.out) == (6, f"acme: would change from {SECOND[:12]} to {FIRST[:12]}\n")
    assert redis_shell("list", "-o", "json").data[0]["revision"] == SECOND


def test_an_ambiguous_revision_lists_what_it_may_mean(redis_shell: Shell, clean_redis: RedisPlace) -> None:
    redis_shell("publish", "acme", "-", stdin=body(POLICY))
    for revision in ("abcd" + "1" * 60, "abcd" + "2" * 60):
        clean_redis.client.xadd(
            clean_redis.keys.history("acme"), {"revision": revision, "body": body(POLICY), "via": "publish"}
        )
    said = redis_shell("rollback", "acme", "abcd")
    assert (said.code, said.out) == (2, "")
    assert "'abcd' names more than one revision of 'acme': abcd22222222, abcd11111111" in said.err.replace(
        "abcd11111111, abcd22222222", "abcd22222222, abcd11111111"
    )


@pytest.mark.parametrize("revision", ["ffff", "ff", "", "*"])
def test_a_revision_that_is_not_in_the_history_is_a_usage_error(redis_shell: Shell, revision: str) -> None:
    redis_shell("publish", "acme", "-", stdin=body(POLICY))
    assert redis_shell("rollback", "acme", revision).code == 2


def test_a_rollback_to_what_is_not_valid_today_is_refused(
    redis_shell: Shell, clean_redis: RedisPlace
) -> None:
    redis_shell("publish", "acme", "-", stdin=body(POLICY))
    clean_redis.client.xadd(
        clean_redis.keys.history("acme"), {"revision": "abcd" * 16, "body": body(BROKEN), "via": "publish"}
    )
    for options in ((), ("-n",)):
        said = redis_shell("rollback", "acme", "abcd", *options)
        assert said.code == 3
        assert "$.rules[0].effect" in said.err


def test_documents_of_a_directory_are_published_and_rolled_back_too(shell: Shell, tmp_path: Path) -> None:
    store = tmp_path / "store"
    store.mkdir()
    url = f"file://{store}"
    shell("--store", url, "publish", "acme", "-", stdin=body(POLICY))
    said = shell("--store", url, "publish", "acme", "-", stdin=body(LOOSER))
    assert "processes that watch the directory have it in force within a second" in said.out
    assert shell("--store", url, "rollback", "acme", FIRST[:8]).code == 0
    assert (store / "acme.json").read_bytes() == body(POLICY)
