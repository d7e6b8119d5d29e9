"""Data on standard output, as a table for people or JSON for programs; everything else on standard error.

Whatever comes from a store or a file may carry escape sequences, so nothing is written to a terminal before
`printable` (or, for JSON, `json_text`) has seen it.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Final

import click
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from policy_middleware.model.printing import UNSAFE, printable

_WIDE: Final = 10_000
"""Columns where there is no terminal: a pipe never truncates."""

EFFECT_STYLES: Final[Mapping[str, str]] = {
    "allow": "green",
    "mask": "cyan",
    "require_approval": "yellow",
    "deny": "red",
}


def json_text(data: object) -> str:
    """Return data as indented JSON in which everything unsafe is escaped."""
    text = json.dumps(data, indent=2, ensure_ascii=False, default=str)
    return "\n".join(UNSAFE.sub(lambda match: f"\\u{ord(match[0]):04x}", line) for line in text.split("\n"))


def print_json(data: object) -> None:
    """Print data as JSON."""
    text = json_text(data)
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        text = json.dumps(data, indent=2, default=str)
    click.echo(text)


def print_table(columns: Sequence[str], rows: Iterable[Sequence[object]], *, empty: str) -> None:
    """Print rows below their headings; `empty` goes to standard error when there are none."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False, highlight=False)
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*(_cell(value) for value in row))
    if table.row_count:
        _print_table(table)
    else:
        note(empty)


def print_fields(fields: Mapping[str, object]) -> None:
    """Print names and values, one pair a line."""
    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in fields.items():
        table.add_row(_cell(name), _cell(value))
    _print_table(table)


def _print_table(table: Table) -> None:
    out = console()
    with out.capture() as captured:
        out.print(table)
    # Rich fills every line up to the width of the table, which is noise to whatever reads a pipe.
    click.echo("\n".join(line.rstrip() for line in captured.get().rstrip("\n").split("\n")))


def say(sentence: str) -> None:
    """Tell the person what came of the command."""
    click.echo(printable(sentence))


def note(message: str) -> None:
    """Tell the person something that is not data."""
    click.echo(printable(message), err=True)


def counted(number: int, noun: str) -> str:
    """Return `1 rule`, `2 rules`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def moment(seconds: float | None) -> str:
    """Return a time for people: UTC, to the second."""
    if seconds is None:
        return "-"
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%SZ")


def console() -> Console:
    """Return a console on standard output; only terminals get colours, and none where NO_COLOR is set."""
    return Console(
        file=sys.stdout,
        width=None if sys.stdout.isatty() else _WIDE,
        highlight=False,
        color_system=None if os.environ.get("NO_COLOR") else "auto",
    )


def _cell(value: object) -> Text:
    if value is None or value == "":
        return Text("-", style="dim")
    text = printable(str(value))
    # Text instead of markup: a rule named "[red]" is shown, not obeyed.
    return Text(text, EFFECT_STYLES.get(text, ""))
