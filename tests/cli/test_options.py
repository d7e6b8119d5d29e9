from __future__ import annotations

import pytest

from tests.cli.running import POLICY, Shell, body


@pytest.mark.parametrize(
    "arguments",
    [
        ("--tenant", "acme", "history", "-o", "json"),
        ("-o", "json", "history", "--tenant", "acme"),
        ("history", "acme", "-o", "json"),
        ("-o", "json", "-t", "acme", "history", "acme"),
    ],
)
def test_options_stand_before_or_after_the_command(redis_shell: Shell, arguments: tuple[str, ...]) -> None:
    redis_shell("publish", "acme", "-", stdin=body(POLICY))
    said = redis_shell(*arguments)
    assert said.code == 0
    assert [entry["document"] for entry in said.data] == ["acme"]


def test_options_reach_commands_of_a_group_from_either_side(redis_shell: Shell) -> None:
    for arguments in (
        ("-t", "acme", "-o", "json", "approvals", "list"),
        ("approvals", "-t", "acme", "-o", "json", "list"),
        ("approvals", "list", "-t", "acme", "-o", "json"),
    ):
        assert redis_shell(*arguments).data == []


def test_an_option_after_the_command_wins_over_one_before_it(shell: Shell) -> None:
    said = shell("--store", "nope://a", "list", "--store", "nope://b")
    assert "nope://b" in said.err


def test_an_option_before_the_command_wins_over_the_environment(shell: Shell) -> None:
    said = shell("--store", "nope://a", "list", POLICY_STORE_URL="nope://b")
    assert "nope://a" in said.err


def test_the_tenant_may_come_from_the_environment(redis_shell: Shell) -> None:
    redis_shell("publish", "acme", "-", stdin=body(POLICY))
    assert redis_shell("history", "-o", "json", POLICYCTL_TENANT="acme").data[0]["document"] == "acme"


def test_an_argument_wins_over_the_environment_but_two_names_contradict(redis_shell: Shell) -> None:
    assert redis_shell("history", "acme", "-o", "json", POLICYCTL_TENANT="globex").code == 0
    said = redis_shell("history", "acme", "-t", "globex")
    assert said.code == 2
    assert "'acme' and --tenant 'globex' contradict each other" in said.err


@pytest.mark.parametrize("command", ["history", "show"])
def test_a_command_that_needs_a_document_asks_for_its_name(shell: Shell, command: str) -> None:
    said = shell(command)
    assert said.code == 2
    assert f"which document? Write `policyctl {command} NAME" in said.err


@pytest.mark.parametrize("name", ["_nope", "a/b", "a{b}", "", "x" * 129, "a\x1b[31m"])
def test_a_name_that_is_no_document_never_reaches_a_key(shell: Shell, name: str) -> None:
    said = shell("history", name)
    assert said.code == 2
    assert "\x1b" not in said.err


@pytest.mark.parametrize("option", ["--author", "--note"])
@pytest.mark.parametrize("value", ["", "  ", "\udcff"])
def test_an_author_and_a_note_are_text(redis_shell: Shell, option: str, value: str) -> None:
    said = redis_shell("publish", "acme", "-", option, value, stdin=body(POLICY))
    assert said.code == 2
    assert redis_shell("list", "-o", "json").data == []


def test_the_author_is_the_user_unless_said_otherwise(
    redis_shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOGNAME", "dana")
    redis_shell("publish", "acme", "-", stdin=body(POLICY))
    redis_shell("publish", "globex", "-", "--author", "eve", stdin=body(POLICY))
    redis_shell("publish", "initech", "-", stdin=body(POLICY), POLICYCTL_AUTHOR="ci")
    rows = redis_shell("list", "-o", "json").data
    assert {row["document"]: row["author"] for row in rows} == {
        "acme": "dana",
        "globex": "eve",
        "initech": "ci",
    }


def test_a_user_without_a_name_is_a_number(redis_shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    def nameless() -> str:
        raise OSError("no such user")

    monkeypatch.setattr("getpass.getuser", nameless)
    redis_shell("publish", "acme", "-", stdin=body(POLICY))
    assert redis_shell("list", "-o", "json").data[0]["author"].startswith("uid ")
