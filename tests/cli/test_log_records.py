"""`policyctl log tail`, `show`, `stats` and `export`."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from policy_middleware import PolicyEnforcer
from policy_middleware.decision_log.stream_log import StreamLog
from policy_middleware.stores.opening import open_store
from policy_middleware.stores.redis_store import RedisStore
from tests.cli.running import POLICY, PROGRAM, Shell
from tests.conftest import RedisPlace
from tests.decision_log.sealed import KEY

ROLES = ("reader", "support", "guest")


def _traffic(enforcer: PolicyEnforcer, requests: int = 6) -> list[str]:
    enforcer.publish("acme", POLICY)
    decided = [
        enforcer.decide(
            {
                "tenant": "acme",
                "user": f"u{number}",
                "role": ROLES[number % 3],
                "action": "document.read",
                "resource.rows": 1,
            }
        ).decision_id
        for number in range(requests)
    ]
    enforcer.decision_log.event("masked", decided[1], {"count": 2, "entities": {"EMAIL_ADDRESS": 2}}, "acme")
    return decided


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "decisions.jsonl"
    with PolicyEnforcer.from_url(
        "memory://", decision_log=f"file://{path}", decision_log_key=KEY
    ) as enforcer:
        _traffic(enforcer)
    return path


def test_tail_shows_the_last_records(shell: Shell, log: Path) -> None:
    said = shell("log", "tail", "-n", "3", "--file", str(log))
    assert said.code == 0
    head, *rows = said.out.splitlines()
    assert head.split()[:3] == ["time", "decision", "effect"]
    assert len(rows) == 3
    assert "log_closed" in rows[-1]


def test_show_narrows_by_what_records_say(shell: Shell, log: Path) -> None:
    said = shell("log", "show", "--file", str(log), "--effect", "mask", "-t", "acme", "--since", "1h")
    assert [row.split()[3] for row in said.out.splitlines()[1:]] == ["mask", "mask", "masked"]
    said = shell("log", "show", "--file", str(log), "--subject", "u0", "--action", "document.*", "-o", "json")
    (record,) = map(json.loads, said.out.splitlines())
    assert record["rule"] == "readers"
    assert (
        shell("log", "show", "--file", str(log), "--rule", "default", "--event", "gap").err.strip()
        == "no record fits"
    )


def test_show_tells_everything_of_a_decision(shell: Shell, log: Path) -> None:
    decision = json.loads(log.read_text().splitlines()[1])["decision_id"]
    said = shell("log", "show", decision, "--file", str(log))
    assert said.code == 0
    assert "Support sees masked data." in said.out
    assert '{"EMAIL_ADDRESS": 2}' in said.out or "EMAIL_ADDRESS: 2" in said.out
    assert shell("log", "show", "nobody-1", "--file", str(log)).code == 2


def test_an_export_of_a_sealed_log_is_still_proved(shell: Shell, log: Path, tmp_path: Path) -> None:
    exported = tmp_path / "exported.jsonl"
    exported.write_text(shell("log", "export", "--file", str(log)).out)
    assert exported.read_bytes() == log.read_bytes()
    assert shell("log", "verify", str(exported), "--key", KEY.hex()).code == 0


@pytest.mark.parametrize(("form", "count"), [("csv", 9), ("ocsf", 8), ("cloudevents", 8), ("opa", 6)])
def test_export_writes_a_line_a_record(shell: Shell, log: Path, form: str, count: int) -> None:
    said = shell("log", "export", "--format", form, "--file", str(log))
    assert said.code == 0
    assert len(said.out.splitlines()) == count


def test_stats_tell_the_story(shell: Shell, log: Path) -> None:
    said = shell("log", "stats", "--file", str(log))
    assert said.code == 0
    assert "6 decisions from " in said.out
    assert "2 allowed, 2 masked, 2 denied" in said.out
    assert "2 values masked in 1 response" in said.out
    data = shell("log", "stats", "--file", str(log), "-o", "json").data
    assert (data["decisions"], data["effects"]) == (6, {"allow": 2, "mask": 2, "deny": 2})
    assert data["masked"]["entities"] == {"EMAIL_ADDRESS": 2}


def test_the_story_is_told_without_a_terminal_obeying_it(shell: Shell, tmp_path: Path) -> None:
    evil = "\x1b]0;owned\x07\x1b[2J[red]\u202e\ud800\n"
    record = {
        "event": "decision",
        "decision_id": evil,
        "timestamp": evil,
        "tenant": evil,
        "effect": evil,
        "rule": evil,
        "reason": evil,
        "input": {"subject.id": evil, "action": evil},
        "observed": [{"rule": evil, "effect": evil}],
        "refusal": evil,
        "bundles": {evil: {"revision": evil}},
    }
    path = tmp_path / "evil.jsonl"
    path.write_text(
        "".join(json.dumps({**record, "event": event}) + "\n" for event in ("decision", evil, "approval_x"))
    )
    for command in (
        ("tail",),
        ("show",),
        ("show", evil),
        ("stats",),
        ("stats", "-o", "json"),
        ("export", "--format", "csv"),
    ):
        said = shell("log", *command, "--file", str(path))
        assert said.code == 0, said.err
        assert not {"\x1b", "\x07", "\u202e", "\ud800"} & set(said.out), command


def test_lines_that_are_no_records_are_passed_over_and_told(shell: Shell, log: Path) -> None:
    log.write_bytes(b'{"level":"info"}\nnot json\n' + log.read_bytes() + b'{"event":"deci')
    said = shell("log", "stats", "--file", str(log), "-o", "json")
    assert (said.data["decisions"], said.data["skipped_lines"]) == (6, 3)
    assert "passed over 3 lines that hold no record" in said.err


def test_a_log_is_read_from_standard_input(shell: Shell, log: Path) -> None:
    said = shell.process("log", "stats", "--file", "-", "-o", "json", stdin=log.read_bytes())
    assert said.data["decisions"] == 6


def test_an_empty_log_says_so(shell: Shell, tmp_path: Path) -> None:
    path = tmp_path / "empty.jsonl"
    path.touch()
    assert shell("log", "stats", "--file", str(path)).err.strip() == "the log holds no record that fits"
    assert shell("log", "tail", "--file", str(path)).code == 0


@pytest.mark.parametrize("when", ["yesterday", "0d", "2026-12-01T00:00:00"])
def test_a_moment_that_is_none_is_a_usage_error(shell: Shell, log: Path, when: str) -> None:
    assert shell("log", "show", "--file", str(log), "--since", when).code == 2


def test_the_stream_of_the_store_is_read_where_no_file_is_named(
    redis_shell: Shell, clean_redis: RedisPlace
) -> None:
    with PolicyEnforcer.from_url(clean_redis.url, key_prefix=clean_redis.key_prefix) as enforcer:
        decided = _traffic(enforcer)
    assert redis_shell("log", "stats", "-o", "json").data["decisions"] == 6
    assert redis_shell("log", "tail", "-n", "2").out.count("\n") == 3
    assert (
        redis_shell("log", "tail", "-n", "1", "--effect", "deny").out.splitlines()[1].split()[2] == decided[5]
    )
    assert redis_shell("log", "show", decided[0]).code == 0
    assert redis_shell("log", "show", "--since", "1h", "-o", "jsonl").out.count("\n") == 7


def test_a_store_without_a_stream_asks_for_the_file(shell: Shell, tmp_path: Path) -> None:
    said = shell("log", "tail", "--store", f"file://{tmp_path}")
    assert said.code == 2
    assert "--file FILE" in said.err


def test_a_store_out_of_reach_says_so(shell: Shell) -> None:
    assert shell("log", "tail", "--store", "redis://127.0.0.1:1/0").code == 5


@pytest.fixture
def following(log: Path) -> Iterator[subprocess.Popen[str]]:
    """`log tail -f` of the file, in a process of its own."""
    command = (PROGRAM, "log", "tail", "-f", "-n", "1", "--file", str(log), "-o", "json")
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        yield process
        process.kill()


def test_follow_shows_what_is_added_until_it_is_interrupted(
    following: subprocess.Popen[str], log: Path
) -> None:
    assert following.stdout is not None
    assert json.loads(following.stdout.readline())["event"] == "log_closed"
    log.rename(log.with_name("decisions-20260528T202640.250000Z.jsonl"))
    log.write_text('{"event":"added","decision_id":null}\n')
    assert json.loads(following.stdout.readline())["event"] == "added"
    following.send_signal(2)
    assert following.wait(10) == 0


def test_follow_of_a_stream_goes_on_when_the_server_is_back(clean_redis: RedisPlace) -> None:

    store = open_store(clean_redis.url, key_prefix=clean_redis.key_prefix)
    assert isinstance(store, RedisStore)
    log = StreamLog(store)
    key = store.keys.decisions()
    store.client.xadd(key, {"record": '{"event":"first"}'})
    assert [record["event"] for record in log.latest(5)] == ["first"]
    waits: list[str | None] = []

    def wait(trouble: str | None) -> None:
        waits.append(trouble)
        if len(waits) == 1:
            store.client.xadd(key, {"record": "cut"})
            store.client.xadd(key, {"record": '{"event":"second"}'})
            store.client.rename(key, f"{key}-away")
            store.client.set(key, "in the way")
        elif len(waits) == 2:
            store.client.rename(f"{key}-away", key)

    record = next(log.follow(wait))
    assert record["event"] == "second"
    assert waits[0] is None
    assert "cannot be read" in (waits[1] or "")
    assert log.skipped == 1
    store.close()
