"""`policyctl log tail`, `show` and `export`: the records themselves."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final

import click

from policy_middleware.cli.log_options import (
    TABLE,
    export_name,
    format_option,
    log_options,
    open_log,
    selection_options,
)
from policy_middleware.cli.log_table import heading, in_full, line
from policy_middleware.cli.output import note, print_fields, say
from policy_middleware.cli.places import StorePlace
from policy_middleware.decision_log.exports import EXPORTS, Export
from policy_middleware.decision_log.reading import LogSource, ReadRecord, UnknownDecision
from policy_middleware.decision_log.selection import Selection

LOOK_AGAIN_SECONDS: Final = 0.25


@click.command()
@click.option(
    "-n", "--number", default=20, show_default=True, type=click.IntRange(0, 100_000), help="How many."
)
@click.option("-f", "--follow", is_flag=True, help="Go on with what is added, until Ctrl-C.")
@selection_options
@log_options
@format_option(TABLE)
def tail(
    number: int, follow: bool, selection: Selection, log_file: Path | None, place: StorePlace, output: str
) -> None:
    """Show the last records, and with -f those that come.

    Goes on across the rotation of a file, and when a store that was away is back.
    """
    with open_log(log_file, place) as source:
        latest = source.latest(number, selection.takes if selection else None)
        tell = _teller(output)
        for record in latest:
            tell(record)
        if not follow:
            return
        try:
            for record in source.follow(_Pause()):
                if selection.takes(record):
                    tell(record)
        except KeyboardInterrupt:
            return


@click.command()
@click.argument("decision_ids", nargs=-1, metavar="[DECISION_ID]...")
@selection_options
@log_options
@format_option(TABLE)
def show(
    decision_ids: tuple[str, ...], selection: Selection, log_file: Path | None, place: StorePlace, output: str
) -> None:
    """Show records, oldest first; of decisions that are named, everything and what became of them."""
    selection.decisions += decision_ids
    with open_log(log_file, place) as source:
        records = _selected(source, selection)
        if not (decision_ids and output == TABLE):
            _tell_all(records, output)
            return
        found = 0
        for record in records:
            if found:
                say("")
            print_fields(in_full(record))
            found += 1
    if not found:
        raise UnknownDecision(f"no record of {', '.join(map(repr, decision_ids))}: {LOST_FROM_LOG}")


@click.command()
@selection_options
@log_options
@format_option("jsonl")
def export(selection: Selection, log_file: Path | None, place: StorePlace, output: str) -> None:
    """Write records for another program, one a line, oldest first.

    `jsonl` gives lines as they were written, so that a sealed log stays one. `csv` is safe to open in a
    spreadsheet. `ocsf` is for a SIEM (API Activity 6003, version 1.6.0), `cloudevents` for an event bus,
    `opa` for what reads OPA's decision log: decisions only.
    """
    with open_log(log_file, place) as source:
        _tell_all(_selected(source, selection), output)


LOST_FROM_LOG: Final = "it may be in an older file (--file FILE), or gone from the capped stream"


def _selected(source: LogSource, selection: Selection) -> Iterable[ReadRecord]:
    # What became of a decision is written after it, so nothing is missed by beginning at `since`.
    return filter(selection.takes, source.records(selection.since))


def _tell_all(records: Iterable[ReadRecord], output: str) -> None:
    tell = _teller(output)
    told = False
    for record in records:
        tell(record)
        told = True
    if not told:
        note("no record fits")


def _teller(output: str) -> Callable[[ReadRecord], None]:
    """Return what writes records in a format, one by one; a heading comes before the first."""
    form = Export(line, heading()) if output == TABLE else EXPORTS[export_name(output)]
    pending = [form.header] if form.header is not None else []

    def tell(record: ReadRecord) -> None:
        text = form.line(record)
        if text is not None:
            for above in pending:
                click.echo(above)
            pending.clear()
            click.echo(text)

    return tell


class _Pause:
    """Waits between two looks, and tells once when the log is out of reach, and when it is back."""

    def __init__(self) -> None:
        self._trouble: str | None = None

    def __call__(self, trouble: str | None) -> None:
        if trouble != self._trouble and (trouble is None or self._trouble is None):
            note("the log can be read again" if trouble is None else f"{trouble}; trying again")
        self._trouble = trouble
        time.sleep(LOOK_AGAIN_SECONDS)
