from __future__ import annotations

from pathlib import Path

import pytest

from policy_middleware import PolicyEnforcer
from policy_middleware.cli.commands import policyctl
from tests.cli.running import Shell
from tests.conftest import RedisPlace

DOCUMENT = {
    "schema": 1,
    "default": "allow",
    "rules": [
        {
            "id": "big-export",
            "when": {"action": "report.export"},
            "effect": "deny",
            "reason": "Exports are off.",
            "mode": "observe",
        }
    ],
}


def _traffic(enforcer: PolicyEnforcer) -> None:
    enforcer.publish("acme", DOCUMENT)
    for user in ("ana", "bob", "ana"):
        enforcer.decide({"tenant": "acme", "user": user, "action": "report.export"})
    enforcer.decide({"tenant": "acme", "user": "ana", "action": "report.read"})


def test_the_command_is_there() -> None:
    assert "observed" in policyctl.commands


def test_what_would_have_been_is_read_from_the_store(redis_shell: Shell, clean_redis: RedisPlace) -> None:
    with PolicyEnforcer.from_url(clean_redis.url, key_prefix=clean_redis.key_prefix) as enforcer:
        _traffic(enforcer)
    said = redis_shell("observed", "--since", "1h")
    assert said.code == 0
    assert "would have denied 3 of 4 requests; since yesterday: 3" in said.out
    assert "big-export" in said.out
    assert "ana, bob" in said.out
    assert redis_shell("observed", "-t", "globex").err.strip() == "nothing would have been different"
    data = redis_shell("observed", "-o", "json").data
    assert data["decisions"] == 4
    assert data["would_have"][0]["subjects"] == {"ana": 2, "bob": 1}


def test_what_would_have_been_is_read_from_a_file(shell: Shell, tmp_path: Path) -> None:
    path = tmp_path / "decisions.jsonl"
    with PolicyEnforcer.from_url("memory://", decision_log=f"file://{path}") as enforcer:
        _traffic(enforcer)
    said = shell("observed", "--log", str(path))
    assert "would have denied 3 of 4 requests" in said.out


@pytest.mark.parametrize("since", ["yesterday", "0d", "5"])
def test_a_bad_duration_is_a_usage_error(shell: Shell, since: str) -> None:
    assert shell("observed", "--since", since).code == 2
