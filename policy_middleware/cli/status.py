"""The command that answers "did it take?"."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Final

import click

from policy_middleware.cli.exit_codes import ExitCode
from policy_middleware.cli.options import document_option, name_and_rest, output_option, store_options
from policy_middleware.cli.output import moment, note, print_json, print_table
from policy_middleware.cli.places import StorePlace
from policy_middleware.cli.stored import NO_DOCUMENTS, problem_of
from policy_middleware.cli.uptake import Standing, Uptake, uptakes
from policy_middleware.model.documents import revision_of
from policy_middleware.model.errors import short_revision
from policy_middleware.model.times import format_duration
from policy_middleware.model.vocabulary import RESERVED_DOCUMENTS
from policy_middleware.stores.protocol import Store

WATCH_SECONDS: Final = 0.5
"""Time between two looks of `--watch`."""


@dataclass(frozen=True, slots=True)
class DocumentStanding:
    """What is stored of one document (None: nothing), what is wrong with it, and who made what of it.

    `waiting` is the number of seconds for which it has been stored, where that is known and somebody does not
    have it in force.
    """

    name: str
    stored: str | None
    problem: str | None
    processes: Sequence[Uptake]
    waiting: float | None = None

    @property
    def concerns(self) -> bool:
        """False for a document that is nowhere: neither stored nor held."""
        return (
            self.stored is not None
            or self.problem is not None
            or any(one.report.revision or one.report.rejected_because for one in self.processes)
        )

    @property
    def settled(self) -> bool:
        """True when what is stored is valid and in force in every process that is heard of."""
        return self.problem is None and all(
            one.standing in (Standing.IN_FORCE, Standing.SILENT) for one in self.processes
        )


@click.command()
@click.argument("words", metavar="[NAME]", nargs=-1)
@click.option("-w", "--watch", is_flag=True, help="Go on until Ctrl-C, and say what changes.")
@document_option
@store_options
@output_option
def status(words: tuple[str, ...], watch: bool, tenant: str | None, place: StorePlace, output: str) -> None:
    """Compare what is stored with what each process has in force.

    Without NAME: of all documents. Exits with 6 when a process has something else in force, or when what is
    stored was refused, with the place and the reason. A process tells of a document once a request needed it.
    """
    name, _ = name_and_rest(words, (), tenant)
    with place.store() as store:
        for warning in store.warnings():
            note(f"warning: {warning}")
        if watch:
            _watch(store, name, output)
            return
        found = standings(store, name)
    _print(found, output)
    if not all(one.settled for one in found):
        sys.exit(ExitCode.WOULD_CHANGE_OR_BE_DENIED)


def _watch(store: Store, name: str | None, output: str) -> None:
    """Print how documents stand whenever that has changed; the time a process was last heard is no change."""
    shown: object = None
    try:
        while True:
            found = standings(store, name)
            current = [
                (
                    one.name,
                    one.stored,
                    one.problem,
                    [(each.report.process, each.standing) for each in one.processes],
                )
                for one in found
            ]
            if current != shown:
                shown = current
                note(moment(time.time()))
                _print(found, output)
            time.sleep(WATCH_SECONDS)
    except KeyboardInterrupt:
        return


def standings(store: Store, name: str | None = None) -> list[DocumentStanding]:
    """Return how a document stands, or all that are stored or held somewhere; raises StoreUnavailable."""
    return [one for one in _standings(store, name) if one.concerns or name is not None]


def _print(found: Sequence[DocumentStanding], output: str) -> None:
    if output == "json":
        print_json([_as_dict(one) for one in found])
        return
    print_table(
        ("document", "stored", "process", "standing", "for", "in force", "last heard", "refused because"),
        (row for one in found for row in _rows(one)),
        empty=NO_DOCUMENTS,
    )


def _standings(store: Store, name: str | None) -> Iterable[DocumentStanding]:
    """Yield how each document stands; a shared one that is gone may still be in force somewhere."""
    there = set(store.names())
    names = [name] if name is not None else sorted(there | RESERVED_DOCUMENTS)
    reading = store.read(names)
    now = time.time()
    for one in names:
        body = reading.bodies[one]
        stored = None if body is None else revision_of(body)
        problem = problem_of(reading, one) if one in there else None
        found = DocumentStanding(one, stored, problem, uptakes(store.reports(one), stored, now))
        yield found if found.settled else replace(found, waiting=_stored_for(store, found, now))


def _stored_for(store: Store, document: DocumentStanding, now: float) -> float | None:
    """Return for how long the stored revision has been there; None for one that no history knows of."""
    latest = store.history(document.name, 1)
    if not latest or (document.stored or revision_of(b"")) != latest[0].revision:
        return None
    return max(0.0, now - latest[0].published_at)


def _lag(document: DocumentStanding, process: Uptake) -> float | None:
    """Return for how many seconds a process has not followed."""
    return document.waiting if process.standing in (Standing.BEHIND, Standing.REFUSED) else None


def _rows(one: DocumentStanding) -> Iterable[tuple[object, ...]]:
    stored = short_revision(one.stored)
    if not one.processes:
        yield one.name, stored, None, None, None, None, None, one.problem
    for process in one.processes:
        report = process.report
        yield (
            one.name,
            stored,
            report.process,
            process.standing.value,
            None if (lag := _lag(one, process)) is None else format_duration(max(1, round(lag))),
            short_revision(report.revision),
            moment(report.at),
            report.rejected_because or one.problem,
        )


def _as_dict(one: DocumentStanding) -> dict[str, object]:
    return {
        "document": one.name,
        "stored": one.stored,
        "problem": one.problem,
        "settled": one.settled,
        "processes": [
            {**process.as_dict(), "behind_for_seconds": _lag(one, process)} for process in one.processes
        ],
    }
