from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.running import BROKEN, POLICY, PROGRAM, Shell, body
from tests.servers import Server, free_port


def test_the_installed_program_keeps_data_and_messages_apart(redis_shell: Shell) -> None:
    published = redis_shell.process("publish", "acme", "-", "-o", "json", stdin=body(POLICY))
    assert (published.code, published.err) == (0, "")
    assert published.data["changed"] is True
    broken = redis_shell.process("publish", "acme", "-", "-o", "json", stdin=body(BROKEN))
    assert (broken.code, broken.out) == (3, "")
    assert "$.rules[0].effect" in broken.err


def test_python_m_is_the_same_program(redis_shell: Shell) -> None:
    said = redis_shell.process("-m", "policy_middleware", "list", program=sys.executable)
    assert said.code == 0
    wrong = redis_shell.process("-m", "policy_middleware", "nope", program=sys.executable)
    assert wrong.code == 2
    assert wrong.err.startswith("Usage: python -m policy_middleware")


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("schema",), 0),
        (("nope",), 2),
        (("check", "missing.json"), 2),
        (("check", "-"), 3),
        (("--store", "redis://127.0.0.1:1", "status"), 5),
        (("eval", "--policy", "acme.json", "-t", "acme", "-i", '{"action": "x"}'), 6),
    ],
)
def test_exit_codes_reach_the_shell_without_a_traceback(
    shell: Shell, arguments: tuple[str, ...], code: int
) -> None:
    shell.write("acme.json", POLICY)
    said = shell.process(*arguments)
    assert said.code == code
    assert "Traceback" not in said.err


def test_an_unreachable_store_is_one_sentence(shell: Shell) -> None:
    url = f"redis://:secret@127.0.0.1:{free_port()}"
    for arguments in (
        ("list",),
        ("publish", "acme", "-"),
        ("status", "acme"),
        ("eval", "-t", "acme", "-i", '{"action": "x"}'),
        ("approvals", "list", "-t", "acme"),
    ):
        said = shell.process("--store", url, *arguments, stdin=body(POLICY))
        assert (said.code, said.out) == (5, "")
        assert "Connection refused" in said.err
        assert "secret" not in said.err
        assert len(said.err.splitlines()) == 1


def test_a_wrong_password_is_told_as_such_and_never_repeated(
    new_server: Callable[..., Server], shell: Shell
) -> None:
    server = new_server(password="right")
    said = shell.process("--store", f"redis://:wr0ng@127.0.0.1:{server.port}", "list")
    assert (said.code, said.out) == (5, "")
    assert "check user and password" in said.err
    assert "wr0ng" not in said.err


def test_an_output_that_lacks_a_letter_gets_its_escape(shell: Shell) -> None:
    rule = {"id": "a", "when": {}, "effect": "deny", "reason": "Größe ☃"}
    shell.write("acme.json", {**POLICY, "rules": [rule]})
    ask = ("eval", "--policy", "acme.json", "-t", "acme", "-i", '{"action": "x"}')
    table = shell.process(*ask, PYTHONIOENCODING="latin-1")
    data = shell.process(*ask, "-o", "json", PYTHONIOENCODING="latin-1")
    assert (table.code, data.code) == (6, 6)
    assert "Gr\N{REPLACEMENT CHARACTER}\N{REPLACEMENT CHARACTER}e \\u2603" in table.out
    assert data.data["reason"] == "Größe ☃"


def test_a_reader_that_closes_the_pipe_early_gets_no_traceback(redis_shell: Shell) -> None:
    redis_shell("publish", "acme", "-", stdin=body({**POLICY, "description": "x" * 500_000}))
    environment = {**os.environ, **redis_shell.environment}
    with subprocess.Popen(
        (PROGRAM, "show", "acme"), stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.read(1)
        process.stdout.close()
        assert b"Traceback" not in process.stderr.read()


def test_bytes_that_are_no_text_in_an_argument_are_a_usage_error(redis_shell: Shell) -> None:
    said = subprocess.run(
        (os.fsencode(PROGRAM), b"publish", b"acme", b"-", b"--note", b"\xff"),
        input=body(POLICY),
        capture_output=True,
        env={**os.environ, **redis_shell.environment},
        check=False,
    )
    assert said.returncode == 2
    assert b"not valid UTF-8" in said.stderr


@pytest.mark.parametrize("missing", ["click", "rich"])
def test_without_the_extra_there_is_one_line_that_names_it(shell: Shell, missing: str) -> None:
    program = (
        "import sys; from importlib.abc import MetaPathFinder\n"
        "class Blocked(MetaPathFinder):\n"
        "    def find_spec(self, name, path, target=None):\n"
        f"        if name.partition('.')[0] == {missing!r}: raise ModuleNotFoundError(name, name=name)\n"
        "sys.meta_path.insert(0, Blocked())\n"
        "from policy_middleware.cli import main; main(['list'])\n"
    )
    said = shell.process("-c", program, program=sys.executable)
    assert (said.code, said.out) == (1, "")
    assert said.err == (
        'policyctl: the command line needs an optional dependency: pip install "policy-middleware[cli]"\n'
    )


def test_a_module_that_is_missing_for_another_reason_is_not_explained_away(shell: Shell) -> None:
    program = (
        "import sys; sys.modules['redis'] = None\nfrom policy_middleware.cli import main; main(['list'])\n"
    )
    said = shell.process("-c", program, program=sys.executable)
    assert said.code == 1
    assert "policy-middleware[cli]" not in said.err


def test_flask_and_django_hand_their_own_name_on(shell: Shell) -> None:
    program = "from policy_middleware.cli import main; main(['nope'], prog_name='flask policy')"
    said = shell.process("-c", program, program=sys.executable)
    assert said.code == 2
    assert said.err.startswith("Usage: flask policy ")


def test_json_of_every_reading_command_parses(redis_shell: Shell, tmp_path: Path) -> None:
    redis_shell("publish", "acme", "-", stdin=body(POLICY))
    for arguments in (("list",), ("history", "acme"), ("status",), ("approvals", "list", "-t", "acme")):
        assert isinstance(redis_shell.process(*arguments, "-o", "json").data, list)
    assert json.loads(redis_shell.process("show", "acme").out) == POLICY
