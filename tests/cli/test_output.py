from __future__ import annotations

import io
import json
import sys

import pytest

from policy_middleware.cli import output


class Terminal(io.StringIO):
    """A standard output that says it is a terminal."""

    def isatty(self) -> bool:
        return True


# No fixture: pytest puts its own standard output in place after the fixtures.
def terminal(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    made = Terminal()
    monkeypatch.setattr(sys, "stdout", made)
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)
    return made


@pytest.mark.parametrize(
    "unsafe", ["\x1b]0;owned\x07", "\x9b31m", "\x00", "\x7f", "\r", "\u202e", "\u2028", "\ud800"]
)
def test_nothing_that_a_terminal_obeys_survives_in_text(unsafe: str) -> None:
    shown = output.printable(f"a{unsafe}b")
    assert "\N{REPLACEMENT CHARACTER}" in shown
    assert not any(character in shown for character in "\x1b\x9b\x00\x07\x7f\r\u202e\u2028\ud800")


def test_text_of_every_language_is_shown_as_it_is() -> None:
    text = "naïve\u00a0café, 非, क्\u200dष, 👩\u200d🚒\nsecond line"
    assert output.printable(text) == text


def test_unsafe_characters_in_json_are_escaped_and_mean_the_same() -> None:
    data = {"reason": "a\x9b31m\u202eb\ud800", "é": ["\x1b", "\n"]}
    text = output.json_text(data)
    assert json.loads(text) == data
    assert "\x9b" not in text
    assert "\u202e" not in text
    assert "é" in text


def test_json_is_ascii_where_the_output_cannot_hold_more(monkeypatch: pytest.MonkeyPatch) -> None:
    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, encoding="ascii"))
    output.print_json({"reason": "naïve ☃"})
    sys.stdout.flush()
    assert json.loads(raw.getvalue().decode("ascii")) == {"reason": "naïve ☃"}


def test_a_pipe_gets_long_values_whole_on_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    long = "x" * 500
    output.print_table(("name", "reason"), [("acme", long)], empty="nothing")
    assert capsys.readouterr().out.splitlines()[-1] == f"acme   {long}"


def test_a_terminal_folds_long_values_and_loses_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = terminal(monkeypatch)
    monkeypatch.setenv("COLUMNS", "40")
    output.print_table(("name", "reason"), [("acme", "x" * 500)], empty="nothing")
    assert screen.getvalue().count("x") == 500


def test_effects_are_coloured_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = terminal(monkeypatch)
    output.print_fields({"effect": "deny"})
    assert "\x1b[31m" in screen.getvalue()


def test_no_color_means_no_escape_sequence_at_all(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = terminal(monkeypatch)
    monkeypatch.setenv("NO_COLOR", "1")
    output.print_fields({"effect": "deny"})
    output.print_table(("effect",), [("deny",)], empty="nothing")
    assert "\x1b" not in screen.getvalue()


def test_markup_in_a_value_is_shown_and_not_obeyed(capsys: pytest.CaptureFixture[str]) -> None:
    output.print_table(("id",), [("[red]rule[/red]",)], empty="nothing")
    assert "[red]rule[/red]" in capsys.readouterr().out


def test_an_empty_table_says_so_on_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    output.print_table(("id",), [], empty="nothing here")
    assert capsys.readouterr() == ("", "nothing here\n")


def test_times_are_shown_in_utc_to_the_second() -> None:
    assert output.moment(0.9) == "1970-01-01 00:00:00Z"
    assert output.moment(None) == "-"
