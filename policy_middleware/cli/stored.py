"""Commands that read what a store holds."""

from __future__ import annotations

import sys
from collections.abc import Sequence

import click

from policy_middleware.cli.options import (
    document_option,
    name_and_rest,
    output_option,
    required_name,
    store_options,
)
from policy_middleware.cli.output import moment, print_json, print_table
from policy_middleware.cli.places import StorePlace
from policy_middleware.model.documents import parse_document, revision_of
from policy_middleware.model.errors import DocumentError, short_revision
from policy_middleware.model.printing import printable
from policy_middleware.settings import EnforcerSettings
from policy_middleware.stores.protocol import UNKNOWN_AUTHOR, VIA_SET, Store, StoredRevision, StoreReading
from policy_middleware.stores.publishing import UnknownRevision, find_revision

NO_DOCUMENTS = "no documents; `policyctl publish NAME FILE` adds one"


@click.command()
@click.argument("words", metavar="[NAME]", nargs=-1)
@document_option
@click.option("--revision", help="A revision of the history, by its first digits.")
@store_options
def show(words: tuple[str, ...], tenant: str | None, revision: str | None, place: StorePlace) -> None:
    """Print a stored document, byte for byte.

    On a terminal, control characters are replaced.
    """
    name, _ = name_and_rest(words, (), tenant)
    name = required_name(name)
    with place.store() as store:
        body = (
            store.read([name]).bodies[name] if revision is None else find_revision(store, name, revision).body
        )
    if body is None:
        raise UnknownRevision(f"there is no document {name!r}; `policyctl list` shows which there are")
    if sys.stdout.isatty():
        click.echo(printable(body.decode(errors="replace")).rstrip("\n"))
    else:
        click.echo(body, nl=False)


@click.command("list")
@store_options
@output_option
def list_documents(place: StorePlace, output: str) -> None:
    """List the documents of a store, who put them there, and whether they are valid."""
    with place.store() as store:
        names = store.names()
        reading = store.read(names)
        rows = [_row(store, reading, name) for name in names]
    if output == "json":
        print_json(rows)
        return
    print_table(
        ("document", "revision", "rules", "default", "author", "published", "valid"),
        (
            (
                row["document"],
                row["revision"] and short_revision(str(row["revision"])),
                row["rules"],
                row["default"],
                row["author"],
                moment(at) if isinstance(at := row["published_at"], float) else None,
                row["problem"] or "yes",
            )
            for row in rows
        ),
        empty=NO_DOCUMENTS,
    )


@click.command()
@click.argument("words", metavar="[NAME]", nargs=-1)
@document_option
@click.option("--limit", default=50, show_default=True, type=click.IntRange(1), help="How many at most.")
@store_options
@output_option
def history(words: tuple[str, ...], tenant: str | None, limit: int, place: StorePlace, output: str) -> None:
    """List the revisions of a document that were in force, newest first.

    `show --revision` prints one of them, `rollback` puts one back. Who wrote a document by a bare SET is
    unknown.
    """
    name, _ = name_and_rest(words, (), tenant)
    name = required_name(name)
    with place.store() as store:
        body = store.read([name]).bodies[name]
        entries = store.history(name, limit)
    rows = _history_rows(entries, None if body is None else revision_of(body))
    if output == "json":
        print_json(rows)
        return
    print_table(
        ("revision", "published", "author", "via", "note", ""),
        (
            (
                short_revision(entry.revision),
                moment(entry.published_at),
                entry.author,
                entry.via,
                entry.note,
                "stored now" if row["stored"] else " ",
            )
            for entry, row in zip(entries, rows, strict=True)
        ),
        empty=f"no revision of {name!r} was ever recorded",
    )


def _history_rows(entries: Sequence[StoredRevision], stored: str | None) -> list[dict[str, object]]:
    """Return plain data; of the entries of the stored revision only the newest is marked."""
    current = next((entry for entry in entries if entry.revision == stored), None)
    return [
        {
            "document": entry.name,
            "revision": entry.revision,
            "stored": entry is current,
            "author": entry.author,
            "note": entry.note,
            "via": entry.via,
            "published_at": entry.published_at,
        }
        for entry in entries
    ]


def problem_of(reading: StoreReading, name: str) -> str | None:
    """Return why what is stored under a name cannot take effect, None when it can."""
    body = reading.bodies[name]
    if body is None:
        return reading.unreadable.get(name, "cannot be read; is it text that was written with SET?")
    try:
        parse_document(body, name=name, max_bytes=EnforcerSettings.load({}).max_document_bytes)
    except DocumentError as error:
        return str(error.problems[0])
    return None


def _row(store: Store, reading: StoreReading, name: str) -> dict[str, object]:
    body = reading.bodies[name]
    problem = problem_of(reading, name)
    row: dict[str, object] = {
        "document": name,
        "revision": None,
        "rules": None,
        "default": None,
        "author": None,
        "via": None,
        "published_at": None,
        "problem": problem,
    }
    if body is None:
        return row
    row["revision"] = revision_of(body)
    # The newest entry is about another revision when a SET went past the history.
    newest = next(iter(store.history(name, 1)), None)
    known = newest is not None and newest.revision == row["revision"]
    row["author"] = newest.author if known and newest else UNKNOWN_AUTHOR
    row["via"] = newest.via if known and newest else VIA_SET
    row["published_at"] = newest.published_at if known and newest else None
    if problem is None:
        document = parse_document(body, name=name)
        row["rules"] = len(document.rules)
        row["default"] = document.default.value if document.default else None
    return row
