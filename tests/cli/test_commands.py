from __future__ import annotations

import logging

import click
import pytest

from policy_middleware.cli.commands import policyctl
from policy_middleware.cli.exit_codes import ExitCode, exit_code_of
from policy_middleware.model import errors
from policy_middleware.stores.publishing import UnknownRevision
from tests.cli.running import Shell

COMMANDS = [
    "schema", "check", "publish", "show", "list", "history",
    "rollback", "eval", "explain", "status", "approvals", "demo",
]  # fmt: skip


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(shell: Shell, command: str) -> None:
    said = shell(command, "-h")
    assert (said.code, said.err) == (0, "")
    assert said.out.startswith(f"Usage: policyctl {command} ")


def test_the_help_names_every_command_and_the_exit_codes(shell: Shell) -> None:
    said = shell("--help")
    assert all(f"\n  {command} " in said.out for command in COMMANDS)
    assert "5  the store cannot be reached" in said.out


def test_the_version_is_the_one_of_the_package(shell: Shell) -> None:
    assert shell("--version").out.startswith("policyctl, version ")


def test_nothing_prompts() -> None:
    def parameters(command: click.Command) -> list[click.Parameter]:
        nested = command.commands.values() if isinstance(command, click.Group) else ()
        return [*command.params, *(found for one in nested for found in parameters(one))]

    assert not [one for one in parameters(policyctl) if isinstance(one, click.Option) and one.prompt]


def test_every_option_says_what_it_is_for() -> None:
    def options(command: click.Command) -> list[click.Option]:
        nested = command.commands.values() if isinstance(command, click.Group) else ()
        own = [one for one in command.params if isinstance(one, click.Option)]
        return [*own, *(found for one in nested for found in options(one))]

    assert not [option.name for option in options(policyctl) if not option.help]


def test_an_unknown_command_is_a_usage_error(shell: Shell) -> None:
    said = shell("replace")
    assert (said.code, said.out) == (2, "")
    assert "No such command" in said.err


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (errors.DocumentError([errors.Problem("$", "no")]), ExitCode.INVALID_POLICY),
        (errors.NoUsablePolicy("no"), ExitCode.INVALID_POLICY),
        (errors.StoreUnavailable("no"), ExitCode.STORE_UNREACHABLE),
        (errors.SettingsError("no"), ExitCode.USAGE),
        (errors.ContextError("role", "no"), ExitCode.USAGE),
        (UnknownRevision("no"), ExitCode.USAGE),
        (errors.RevisionConflict("acme", None, "0" * 64), ExitCode.WOULD_CHANGE_OR_BE_DENIED),
        (errors.ApprovalError("self_approval", "no"), ExitCode.WOULD_CHANGE_OR_BE_DENIED),
        (errors.PolicyError("no"), ExitCode.UNEXPECTED),
    ],
)
def test_every_error_has_its_exit_code(error: errors.PolicyError, code: ExitCode) -> None:
    assert exit_code_of(error) is code


def test_a_setting_of_the_environment_that_is_wrong_is_a_usage_error(shell: Shell) -> None:
    said = shell("eval", "-t", "acme", "-i", '{"action": "x"}', POLICY_MAX_STALE="soon")
    assert said.code == 2
    assert "max_stale" in said.err


@pytest.mark.parametrize(
    ("url", "code", "sentence"),
    [
        ("nope://1", 2, "unknown scheme; known are memory://, file://"),
        ("memory://", 2, "lives inside one process, where no command can see it"),
        ("redis://127.0.0.1:1/not-a-number", 5, ""),
        ("file:///does/not/exist", 5, "No such file or directory"),
        (
            "redis://127.0.0.1:1",
            5,
            "Connection refused (--store URL or POLICY_STORE_URL names another store)",
        ),
    ],
)
def test_a_store_that_cannot_be_had_is_one_line_on_standard_error(
    shell: Shell, url: str, code: int, sentence: str
) -> None:
    said = shell("--store", url, "list")
    assert (said.code, said.out) == (code, "")
    assert sentence in said.err
    assert len(said.err.splitlines()) == 1


def test_what_the_library_logs_is_not_printed_beside_what_the_command_says(
    shell: Shell, capfd: pytest.CaptureFixture[str]
) -> None:
    shell("--store", "redis://127.0.0.1:1", "eval", "-t", "acme", "-i", '{"action": "x"}')
    logging.getLogger("policy_middleware.stores").error("noise")
    assert "noise" not in capfd.readouterr().err
