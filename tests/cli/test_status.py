from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable, Iterator

import pytest

from policy_middleware.enforcer import PolicyEnforcer
from policy_middleware.model.documents import revision_of
from policy_middleware.stores.paperwork import process_id
from tests.cli.running import BROKEN, GUARDRAIL, POLICY, PROGRAM, Shell, body
from tests.conftest import RedisPlace
from tests.servers import Server
from tests.waiting import eventually

CONTEXT = {"tenant": "acme", "role": "reader", "action": "document.read"}


@pytest.fixture
def service(redis_shell: Shell, clean_redis: RedisPlace) -> Iterator[PolicyEnforcer]:
    """A process that holds the document of acme and has told so."""
    redis_shell("publish", "acme", "-", stdin=body(POLICY))
    with PolicyEnforcer.from_url(clean_redis.url, key_prefix=clean_redis.key_prefix) as enforcer:
        enforcer.evaluate(CONTEXT)
        eventually(lambda: enforcer.snapshots.store.reports("acme"))
        yield enforcer


@pytest.mark.usefixtures("service")
def test_a_process_that_follows_is_in_force(redis_shell: Shell) -> None:
    said = redis_shell("status", "acme", "-o", "json")
    assert said.code == 0
    (standing,) = said.data
    assert (standing["stored"], standing["problem"], standing["settled"]) == (
        revision_of(body(POLICY)),
        None,
        True,
    )
    (process,) = standing["processes"]
    assert (process["process"], process["standing"]) == (process_id(), "in force")
    assert process["behind_for_seconds"] is None


@pytest.mark.usefixtures("service")
def test_a_refused_revision_is_shown_with_its_path_and_sentence(
    redis_shell: Shell, clean_redis: RedisPlace
) -> None:
    clean_redis.client.set(clean_redis.keys.doc("acme"), body(BROKEN))
    eventually(lambda: redis_shell("status", "acme", "-o", "json").data[0]["processes"][0]["rejected"])
    said = redis_shell("status", "acme")
    assert said.code == 6
    assert revision_of(body(BROKEN))[:12] in said.out
    assert revision_of(body(POLICY))[:12] in said.out
    assert "$.rules[0].effect: " in said.out
    (standing,) = redis_shell("status", "acme", "-o", "json").data
    assert standing["processes"][0]["rejected"] == revision_of(body(BROKEN))


def test_a_process_that_lags_behind_is_shown(redis_shell: Shell, clean_redis: RedisPlace) -> None:
    redis_shell("publish", "acme", "-", stdin=body(POLICY))
    at = str(clean_redis.client.time()[0])
    report = '{"revision": "' + "0" * 64 + '", "at": ' + at + "}"
    clean_redis.client.hset(clean_redis.keys.status("acme"), "web:7", report)
    said = redis_shell("status", "acme", "-o", "json")
    assert said.code == 6
    (process,) = said.data[0]["processes"]
    assert process["standing"] == "behind"
    assert 0 <= process["behind_for_seconds"] < 60


def test_since_when_a_process_lags_is_unknown_of_what_no_history_knows(
    redis_shell: Shell, clean_redis: RedisPlace
) -> None:
    clean_redis.client.set(clean_redis.keys.doc("acme"), body(POLICY))
    at = str(clean_redis.client.time()[0])
    report = '{"revision": "' + "0" * 64 + '", "at": ' + at + "}"
    clean_redis.client.hset(clean_redis.keys.status("acme"), "web:7", report)
    (process,) = redis_shell("status", "acme", "-o", "json").data[0]["processes"]
    assert (process["standing"], process["behind_for_seconds"]) == ("behind", None)


def test_a_process_that_was_killed_long_ago_does_not_count(
    redis_shell: Shell, clean_redis: RedisPlace
) -> None:
    redis_shell("publish", "acme", "-", stdin=body(POLICY))
    report = '{"revision": "' + "0" * 64 + '", "at": 1000000}'
    clean_redis.client.hset(clean_redis.keys.status("acme"), "web:7", report)
    clean_redis.client.hset(clean_redis.keys.status("acme"), "web:8", "not json \x1b[31m")
    said = redis_shell("status", "acme")
    assert said.code == 0
    assert said.out.count("silent") == 2
    assert "\x1b" not in said.out


def test_what_is_stored_and_not_valid_is_told_before_any_process_meets_it(
    redis_shell: Shell, clean_redis: RedisPlace
) -> None:
    clean_redis.client.set(clean_redis.keys.doc("acme"), b'{"rules": [')
    said = redis_shell("status")
    assert said.code == 6
    assert "$: is not JSON" in said.out


def test_a_guardrail_that_is_gone_but_still_held_is_shown(
    redis_shell: Shell, service: PolicyEnforcer, clean_redis: RedisPlace
) -> None:
    service.publish("_global", GUARDRAIL)
    clean_redis.client.delete(clean_redis.keys.doc("_global"))
    eventually(lambda: any(one.name == "_global" and one.missing for one in service.snapshots.status()))
    said = redis_shell("status", "-o", "json")
    assert said.code == 6
    standings = {standing["document"]: standing for standing in said.data}
    assert standings["_global"]["stored"] is None
    published = service.snapshots.store.history("_global")[0]
    assert standings["_global"]["processes"][0]["in_force"] == published.revision


def test_a_store_without_documents_has_nothing_to_compare(redis_shell: Shell) -> None:
    said = redis_shell("status")
    assert (said.code, said.out) == (0, "")
    assert "no documents" in said.err


def test_a_server_that_may_evict_policies_is_warned_about(
    new_server: Callable[..., Server], shell: Shell
) -> None:
    server = new_server("--maxmemory-policy", "allkeys-lru")
    said = shell("--store", server.url, "status")
    assert said.code == 0
    assert "warning: " in said.err
    assert "maxmemory-policy is allkeys-lru" in said.err


def test_watching_says_what_became_of_a_bare_set(redis_shell: Shell, clean_redis: RedisPlace) -> None:
    key = clean_redis.keys.doc("acme")
    with PolicyEnforcer.from_url(clean_redis.url, key_prefix=clean_redis.key_prefix) as enforcer:
        enforcer.publish("acme", POLICY)
        enforcer.evaluate({"tenant": "acme", "action": "x"})
        watching = subprocess.Popen(
            [PROGRAM, "status", "--watch", "acme"],
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, **redis_shell.environment},
        )
        assert watching.stdout is not None
        try:
            assert any("in force" in line and "acme" in line for line in watching.stdout)
            clean_redis.client.set(key, "nonsense")
            assert any("refused" in line for line in watching.stdout)
        finally:
            watching.send_signal(signal.SIGINT)
            watching.stdout.read()
            watching.stdout.close()
            assert watching.wait(10) == 0
