"""Commands that change a stored document: compare-and-set, with an author and a reason."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Final

import click

from policy_middleware.cli.exit_codes import ExitCode
from policy_middleware.cli.inputs import Input, read_document
from policy_middleware.cli.options import (
    author_option,
    document_option,
    dry_run_option,
    name_and_rest,
    note_option,
    output_option,
    required_name,
    store_options,
    tenant_was_given,
)
from policy_middleware.cli.output import note as tell
from policy_middleware.cli.output import print_json, say
from policy_middleware.cli.places import StorePlace
from policy_middleware.cli.uptake import Uptake, sentences, wait_for_uptake
from policy_middleware.masking import mask_admission
from policy_middleware.model.documents import parse_document, revision_of
from policy_middleware.model.errors import RevisionConflict, short_revision
from policy_middleware.settings import EnforcerSettings
from policy_middleware.stores.files import FileStore
from policy_middleware.stores.protocol import VIA_DELETE, Store, StoredRevision
from policy_middleware.stores.publishing import find_revision, publish_document, roll_back

NOTHING: Final = "none"
"""How the absence of a document is written where a revision is expected."""
_DIGITS: Final = 64

expected_option = click.option(
    "--expected-revision",
    "expected",
    metavar="REVISION",
    help=f"Replace only this revision ('{NOTHING}': only where there is no document). "
    "Without it: the one that is stored when the command starts.",
)


@click.command()
@click.argument("words", metavar="[NAME] FILE", nargs=-1, required=True)
@document_option
@author_option
@note_option
@expected_option
@dry_run_option
@store_options
@output_option
def publish(
    words: tuple[str, ...],
    tenant: str | None,
    author: str,
    note: str | None,
    expected: str | None,
    dry_run: bool,
    place: StorePlace,
    output: str,
) -> None:
    """Validate FILE (`-` reads standard input) and put it in force.

    NAME is the tenant, or _global, _incident or _default; without it the document is the one the file
    is named after (acme.json is for acme).
    """
    name, (path,) = name_and_rest(words, ("FILE",), tenant)
    read = read_document(path)
    if len(words) == 1 and not tenant_was_given():
        name = _name_of(read, tenant)
    name = required_name(name)
    admit = mask_admission(None, probe=True)
    admit(read.parsed(name))
    with place.store() as store:
        before = stored_revision(store, name)
        over = _replaced(store, name, before, expected)
        if dry_run:
            tell_plan(name, before, revision_of(read.body), output)
        stored = publish_document(
            store,
            name,
            read.body,
            author=author,
            note=note,
            expected_revision=over,
            max_bytes=read.limit,
            admit=admit,
        )
        tell_change(store, before, stored, "published", output)


@click.command()
@click.argument("words", metavar="[NAME] REVISION", nargs=-1, required=True)
@document_option
@author_option
@note_option
@expected_option
@dry_run_option
@store_options
@output_option
def rollback(
    words: tuple[str, ...],
    tenant: str | None,
    author: str,
    note: str | None,
    expected: str | None,
    dry_run: bool,
    place: StorePlace,
    output: str,
) -> None:
    """Put a REVISION of the history, given by its first digits, in force again.

    NAME is the tenant, or _global, _incident or _default.
    """
    name, (revision,) = name_and_rest(words, ("REVISION",), tenant)
    name = required_name(name)
    limit, admit = EnforcerSettings.load({}).max_document_bytes, mask_admission(None)
    with place.store() as store:
        before = stored_revision(store, name)
        over = _replaced(store, name, before, expected)
        if dry_run:
            earlier = find_revision(store, name, revision)
            admit(parse_document(earlier.body, name=name, max_bytes=limit))
            tell_plan(name, before, earlier.revision, output)
        stored = roll_back(
            store,
            name,
            revision,
            author=author,
            note=note,
            expected_revision=over,
            max_bytes=limit,
            admit=admit,
        )
        tell_change(store, before, stored, "rolled back to", output)


def _name_of(read: Input, from_environment: str | None) -> str | None:
    """Return the document for a file that nobody named on the command line."""
    named = read.document_name
    if named is not None and from_environment not in (None, named):
        raise click.UsageError(
            f"{read.label} is named after {named!r}, but POLICYCTL_TENANT is {from_environment!r}; "
            f"say which: `policyctl publish NAME {read.label}`"
        )
    return named or from_environment


def stored_revision(store: Store, name: str) -> str | None:
    """Return the revision of what is stored, None where nothing is."""
    body = store.read([name]).bodies[name]
    return None if body is None else revision_of(body)


def _replaced(store: Store, name: str, stored: str | None, expected: str | None) -> str | None:
    """Return the full revision to replace, named by its first digits; raises RevisionConflict."""
    wanted = stored if expected is None else _full_revision(store, name, stored, expected.lower())
    if wanted != stored:
        raise RevisionConflict(name, wanted, stored)
    return wanted


def _full_revision(store: Store, name: str, stored: str | None, expected: str) -> str | None:
    if expected == NOTHING:
        return None
    if len(expected) == _DIGITS:
        return expected
    recorded = {entry.revision for entry in store.history(name) if entry.revision.startswith(expected)}
    # What a bare SET has just put there may be in no history yet.
    if stored is not None and stored.startswith(expected) and recorded <= {stored}:
        return stored
    return find_revision(store, name, expected).revision


def tell_plan(name: str, before: str | None, after: str | None, output: str) -> None:
    """Tell what would happen and end the command."""
    changes = before != after
    if output == "json":
        print_json({"document": name, "before": before, "after": after, "would_change": changes})
    elif changes:
        say(f"{name}: would change from {short_revision(before)} to {short_revision(after)}")
    else:
        say(f"{name}: would stay at {short_revision(after)}")
    sys.exit(ExitCode.WOULD_CHANGE_OR_BE_DENIED if changes else ExitCode.OK)


def tell_change(
    store: Store,
    before: str | None,
    stored: StoredRevision,
    done: str,
    output: str,
    more: Mapping[str, object] | None = None,
) -> None:
    """Tell what happened, and which processes have it in force; `more` is for programs only."""
    gone = stored.via == VIA_DELETE
    found = wait_for_uptake(store, stored.name, None if gone else stored.revision)
    changed = before != stored.revision
    if output == "json":
        print_json(
            {
                "document": stored.name,
                "before": before,
                "after": None if gone else stored.revision,
                "changed": changed,
                "author": stored.author,
                "note": stored.note,
                "processes": [one.as_dict() for one in found],
                **(more or {}),
            }
        )
        return
    after = short_revision(stored.revision)
    if gone:
        say(f"{stored.name}: removed; it was {short_revision(before)}")
    elif not changed:
        say(f"{stored.name}: unchanged, {after} was stored already")
    elif before is None:
        say(f"{stored.name}: {done} {after}, where there was no document")
    else:
        say(f"{stored.name}: {done} {after} in place of {short_revision(before)}")
    if isinstance(store, FileStore):
        say("processes that watch the directory have it in force within a second")
        return
    if gone and not found:
        say("no process holds it any more")
        return
    _tell_uptake(found, stored.name)


def _tell_uptake(found: list[Uptake], name: str) -> None:
    for well, sentence in sentences(found, name):
        (say if well else tell)(sentence)
