from __future__ import annotations

import os
import pty
import subprocess

import pytest

from tests.cli.running import POLICY, PROGRAM, Shell
from tests.conftest import RedisPlace


def on_terminal(shell: Shell, *arguments: str, **environment: str) -> str:
    """Run the program on a terminal and return what it wrote there."""
    ours, theirs = pty.openpty()
    environment = {**shell.environment, "TERM": "xterm-256color", "COLUMNS": "100", **environment}
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("POLICY", "NO_"))}
    process = subprocess.Popen(
        (PROGRAM, *arguments), stdin=theirs, stdout=theirs, stderr=theirs, env={**inherited, **environment}
    )
    os.close(theirs)
    written = b""
    while True:
        try:
            chunk = os.read(ours, 65536)
        except OSError:  # Linux: the last writer has closed its side
            break
        if not chunk:
            break
        written += chunk
    os.close(ours)
    process.wait(10)
    return written.decode()


def test_a_stored_escape_sequence_never_reaches_the_terminal(
    redis_shell: Shell, clean_redis: RedisPlace
) -> None:
    clean_redis.client.set(clean_redis.keys.doc("acme"), b'{"a": "\x1b]0;owned\x07\xc2\x9b2J\xff"}\n')
    clean_redis.client.hset(
        clean_redis.keys.status("acme"), "web\x1b[2J:1", '{"because": "\\u001b[2J", "at": 4102444800}'
    )
    for arguments in (("show", "acme"), ("list",), ("status",), ("status", "-o", "json")):
        written = on_terminal(redis_shell, *arguments, NO_COLOR="1")
        assert not any(character in written for character in "\x1b\x07\x9b"), arguments


@pytest.mark.parametrize(("setting", "coloured"), [({}, True), ({"NO_COLOR": "1"}, False)])
def test_colours_are_for_terminals_that_want_them(
    shell: Shell, setting: dict[str, str], coloured: bool
) -> None:
    policy = shell.write("acme.json", POLICY)
    ask = ("eval", "--policy", policy, "-t", "acme", "-i", '{"action": "x"}')
    assert ("\x1b[31m" in on_terminal(shell, *ask, **setting)) is coloured
    assert "\x1b" not in shell.process(*ask).out


def test_nothing_waits_for_an_answer_on_a_terminal(shell: Shell) -> None:
    assert "which document?" in on_terminal(shell, "history")
