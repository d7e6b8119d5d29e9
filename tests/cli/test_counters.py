from __future__ import annotations

from policy_middleware.enforcer import PolicyEnforcer
from tests.cli.running import Shell
from tests.counters.policies import LOCK_OUT, asking


def lock_out(shell: Shell, subject: str) -> None:
    path = shell.write("acme.json", LOCK_OUT)
    assert shell("publish", "acme", path).code == 0
    with PolicyEnforcer.from_url(
        shell.environment["POLICY_STORE_URL"],
        key_prefix=shell.environment["POLICY_KEY_PREFIX"],
        decision_log="redis",
    ) as enforcer:
        for _ in range(3):
            enforcer.decide(asking("payroll", subject=subject))


def test_a_locked_out_user_is_looked_up_let_in_again_and_that_is_on_record(redis_shell: Shell) -> None:
    lock_out(redis_shell, "eve")
    whose = ("-t", "acme", "-i", '{"user": "eve"}')
    question = ("eval", "-t", "acme", "-i", '{"user": "eve", "action": "read"}')
    assert redis_shell(*question).code == 6
    shown = redis_shell("counters", "show", *whose)
    assert "acme/locked" in shown.out
    assert "gte 3" in shown.out
    assert redis_shell("counters", "show", "locked", *whose, "-o", "json").data[0]["number"] == 3
    reset = redis_shell("counters", "reset", "locked", *whose, "--author", "dana", "--note", "she called")
    assert (reset.code, reset.err) == (0, "")
    assert reset.out.startswith("set back to 0 from 3: count of effect deny per subject.id within 1h")
    assert redis_shell(*question).code == 0
    said = redis_shell("log", "tail", "-o", "jsonl").out
    assert '"counters_reset"' in said
    assert '"dana"' in said
    assert '"she called"' in said


def test_what_cannot_be_looked_up_is_a_usage_error(redis_shell: Shell) -> None:
    lock_out(redis_shell, "eve")
    unknown = redis_shell("counters", "show", "staff", "-t", "acme", "-i", "{}")
    assert (unknown.code, "'staff'" in unknown.err) == (2, True)
    whose = redis_shell("counters", "reset", "locked", "-t", "acme", "-i", "{}")
    assert (whose.code, "subject.id" in whose.err) == (2, True)


def test_counters_in_the_memory_of_processes_are_out_of_reach(shell: Shell) -> None:
    said = shell("counters", "show", "-t", "acme", "-i", "{}", "--store", f"file://{shell.directory}")
    assert said.code == 2
    assert "own memory" in said.err
