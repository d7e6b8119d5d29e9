from __future__ import annotations

import json
from pathlib import Path

import pytest

from policy_middleware import PolicyEnforcer
from tests.cli.running import Shell
from tests.conftest import RedisPlace
from tests.decision_log.sealed import KEY, OTHER_KEY, sealed


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "decisions.jsonl"
    path.write_bytes(b"".join(sealed(12)))
    return path


def test_an_intact_log_is_proved(shell: Shell, log: Path) -> None:
    said = shell("log", "verify", str(log), "--key", KEY.hex())
    assert said.code == 0
    assert "13 lines: nothing found" in said.out
    assert "complete; record 13 closes it" in said.out


def test_one_flipped_byte_breaks_it(shell: Shell, log: Path) -> None:
    data = bytearray(log.read_bytes())
    data[len(data) // 2] ^= 1
    log.write_bytes(data)
    said = shell("log", "verify", str(log), "--key", KEY.hex(), "-o", "json")
    assert said.code == 7
    answer = json.loads(said.out)
    assert (answer["intact"], answer["proved"]) == (False, [])
    assert answer["findings"][0]["place"].startswith(str(log))


def test_a_cut_tail_is_found_against_the_anchor_that_was_written(
    shell: Shell, log: Path, tmp_path: Path
) -> None:
    anchor = str(tmp_path / "anchor.json")
    assert shell("log", "verify", str(log), "--key", KEY.hex(), "--write-anchor", anchor).code == 0
    log.write_bytes(b"".join(log.read_bytes().splitlines(keepends=True)[:-2]))
    assert shell("log", "verify", str(log), "--key", KEY.hex()).code == 0
    said = shell("log", "verify", str(log), "--key", KEY.hex(), "--anchor", anchor)
    assert said.code == 7
    assert "the tail is cut off" in said.out


def test_the_wrong_key_is_told_from_a_changed_record(shell: Shell, log: Path) -> None:
    said = shell("log", "verify", str(log), "--key", OTHER_KEY.hex())
    assert said.code == 7
    assert "none of those given" in said.out


@pytest.mark.parametrize("key", [None, "not hex", "abcd"])
def test_without_a_usable_key_the_usage_is_wrong(shell: Shell, log: Path, key: str | None) -> None:
    given = () if key is None else ("--key", key)
    assert shell("log", "verify", str(log), *given).code == 2


def test_the_stream_of_a_store_is_verified_where_no_file_is_named(
    redis_shell: Shell, clean_redis: RedisPlace
) -> None:
    with PolicyEnforcer.from_url(
        clean_redis.url, key_prefix=clean_redis.key_prefix, decision_log_key=KEY, decision_log="redis"
    ) as enforcer:
        for _ in range(5):
            enforcer.decide({"tenant": "acme", "user": "ana", "action": "report.read"})
    said = redis_shell("log", "verify", "--key", KEY.hex())
    assert said.code == 0, said.err
    assert "6 lines: nothing found" in said.out


def test_a_store_without_a_stream_says_so(shell: Shell) -> None:
    said = shell("log", "verify", "--key", KEY.hex(), "--store", "memory://")
    assert said.code == 2
    assert "lives inside one process" in said.err
