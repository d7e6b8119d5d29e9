"""Commands of people who write policies: begin, lay out, fetch and compare documents."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from policy_middleware.authoring.difference import compare_documents
from policy_middleware.authoring.starter import SCHEMA_FILE, starter_bytes
from policy_middleware.cli.exit_codes import ExitCode
from policy_middleware.cli.files import write_file
from policy_middleware.cli.inputs import STANDARD_INPUT, Input, read_document, read_documents
from policy_middleware.cli.options import (
    document_option,
    name_and_rest,
    operating_system_user,
    output_option,
    required_name,
    store_options,
    tenant_was_given,
)
from policy_middleware.cli.output import json_text, print_json, say
from policy_middleware.cli.output import note as tell
from policy_middleware.cli.places import StorePlace
from policy_middleware.cli.stored import NO_DOCUMENTS
from policy_middleware.cli.stored_edits import stored_body
from policy_middleware.model.documents import canonical_json, parse_document, revision_of
from policy_middleware.model.errors import DocumentError, short_revision
from policy_middleware.model.json_reading import read_json
from policy_middleware.model.schema import document_schema
from policy_middleware.model.vocabulary import DEFAULT, is_tenant_id
from policy_middleware.settings import EnforcerSettings
from policy_middleware.stores.connection import without_password
from policy_middleware.stores.files import SUFFIX, FileStore
from policy_middleware.stores.protocol import Store
from policy_middleware.stores.publishing import UnknownRevision, find_revision

STORED = "stored"
"""How what is stored now is written where a revision is expected."""
_EXAMPLE = "example"

_directory = click.Path(file_okay=False, path_type=Path)


@click.command()
@click.argument("words", metavar="[NAME]", nargs=-1)
@document_option
@click.option("--to", "directory", type=_directory, default=".", show_default=True, help="Where files go.")
@store_options
def init(words: tuple[str, ...], tenant: str | None, directory: Path, place: StorePlace) -> None:
    """Prepare a store, and write a document for the tenant NAME to begin with.

    The document is a file that explains itself; nothing is in force before `policyctl publish`. Files that
    are there already stay as they are.
    """
    name, _ = name_and_rest(words, (), tenant)
    name = name or _EXAMPLE
    if not is_tenant_id(name):
        raise click.UsageError(f"the starter is for a tenant, and {name!r} is none")
    with place.store() as store:
        if isinstance(store, FileStore):
            if store.directory.resolve() == directory.resolve():
                raise click.UsageError(
                    f"{store.directory} is the store itself, where a file is in force at once; "
                    "say with --to where to write the draft"
                )
            store.directory.mkdir(parents=True, exist_ok=True)
        path = directory / f"{name}{SUFFIX}"
        _write_once(path, starter_bytes(name, owner=operating_system_user()))
        _write_once(directory / SCHEMA_FILE, (json_text(document_schema()) + "\n").encode())
        store.mark()
        say(f"{without_password(place.url)}: prepared as a store of policies")
    say(f"next: adapt {path}, then `policyctl check {path}` and `policyctl publish {path}`")


def _write_once(path: Path, body: bytes) -> None:
    if path.exists():
        say(f"{path}: there already, left as it is")
        return
    write_file(path, body)
    say(f"{path}: written")


@click.command()
@click.argument("paths", metavar="FILE...", nargs=-1, required=True)
@click.option("--check", is_flag=True, help="Change nothing; exit with 6 when a file would change.")
@document_option
def fmt(paths: tuple[str, ...], check: bool, tenant: str | None) -> None:
    """Lay out files in the canonical form: current names of keys, in their order, indented by two.

    FILE is a file, a directory of .json files, or `-`, which prints instead.
    """
    reads = [(path, read) for path in paths for read in read_documents([path])]
    laid_out = [(path, read, _canonical(read, tenant)) for path, read in reads]
    for path, read, body in laid_out:
        if path == STANDARD_INPUT and not check:
            click.echo(body, nl=False)
        elif body == read.body:
            continue
        elif check:
            tell(f"{read.label}: would be laid out anew")
        else:
            write_file(Path(read.label), body)
            say(f"{read.label}: laid out anew")
    if check and any(body != read.body for _, read, body in laid_out):
        sys.exit(ExitCode.WOULD_CHANGE_OR_BE_DENIED)


def _canonical(read: Input, tenant: str | None) -> bytes:
    name = tenant if tenant is not None and tenant_was_given() else read.document_name or tenant or DEFAULT
    read.parsed(name)
    if isinstance(read_json(read.body, read.limit), list):
        raise click.UsageError(
            f"{read.label} is a bare list of rules; "
            "`policyctl migrate` writes it with a default and lasting ids"
        )
    return canonical_json(read.body, name=name, max_bytes=read.limit)


@click.command()
@click.argument("names", metavar="[NAME]...", nargs=-1)
@document_option
@click.option("--to", "directory", type=_directory, default=".", show_default=True, help="Where files go.")
@click.option("--force", is_flag=True, help="Replace files that say something else.")
@store_options
@output_option
def pull(
    names: tuple[str, ...],
    tenant: str | None,
    directory: Path,
    force: bool,
    place: StorePlace,
    output: str,
) -> None:
    """Write stored documents to files, NAME.json each, byte for byte; without NAME, all of them.

    A file that says something else stays unless --force is given; then nothing is written, and the exit code
    is 6.
    """
    wanted = names or ((tenant,) if tenant is not None else ())
    with place.store() as store:
        there = store.names()
        unknown = [name for name in wanted if name not in there]
        if unknown:
            raise click.UsageError(
                f"there is no document {unknown[0]!r}; `policyctl list` shows which there are"
            )
        bodies = {name: _readable(store, name) for name in wanted or there}
    files = {name: directory / f"{name}{SUFFIX}" for name in bodies}
    before = {name: path.read_bytes() if path.exists() else None for name, path in files.items()}
    standing = {
        name: "unchanged" if before[name] == body else "written" if before[name] is None else "replaced"
        for name, body in bodies.items()
    }
    kept = [name for name, what in standing.items() if what == "replaced" and not force]
    if kept:
        for name in kept:
            tell(f"{files[name]}: says something else than what is stored; --force replaces it")
        sys.exit(ExitCode.WOULD_CHANGE_OR_BE_DENIED)
    for name, body in bodies.items():
        if standing[name] != "unchanged":
            write_file(files[name], body)
    if output == "json":
        print_json(
            [
                {
                    "document": name,
                    "file": str(files[name]),
                    "revision": revision_of(body),
                    "done": standing[name],
                }
                for name, body in bodies.items()
            ]
        )
        return
    for name, body in bodies.items():
        say(f"{files[name]}: {standing[name]}, {short_revision(revision_of(body))}")
    if not bodies:
        tell(NO_DOCUMENTS)


def _readable(store: Store, name: str) -> bytes:
    body = stored_body(store, name)
    if body is None:
        raise UnknownRevision(f"the document {name!r} is gone, or is no text that was written with SET")
    return body


@click.command()
@click.argument("words", metavar="[NAME] [FILE]", nargs=-1)
@document_option
@click.option(
    "--from", "earlier", default=STORED, show_default=True, metavar="REVISION", help="Compare with this."
)
@click.option(
    "--to", "later", metavar="REVISION", help="Compare this instead of FILE ('stored': what is stored)."
)
@store_options
@output_option
def diff(
    words: tuple[str, ...],
    tenant: str | None,
    earlier: str,
    later: str | None,
    place: StorePlace,
    output: str,
) -> None:
    """Compare FILE with what is stored, or two revisions, rule by rule; exit with 6 when they differ.

    Each change says whether access can only become wider or narrower, where that is certain. Without NAME the
    document is the one the file is named after.
    """
    name, rest = name_and_rest(words, () if later is not None else ("FILE",), tenant)
    read = read_document(rest[0]) if rest else None
    if read is not None and len(words) == 1 and not tenant_was_given():
        name = read.document_name or tenant
    name = required_name(name)
    if read is not None:
        read.parsed(name)
    with place.store() as store:
        before = _revision_body(store, name, earlier)
        after = read.body if read is not None else _revision_body(store, name, later or STORED)
    limit = EnforcerSettings.load({}).max_document_bytes
    for body, label in ((before, earlier), (after, later)):
        if body is not None and (problem := _problem(body, name, limit)) is not None:
            _tell_invalid(name, label or STORED, problem, output)
    difference = compare_documents(before, after, name=name, max_bytes=limit)
    if output == "json":
        ends = {"before": before and revision_of(before), "after": after and revision_of(after)}
        print_json({"document": name, **ends, **difference.as_dict()})
    else:
        for line in difference.lines():
            say(line)
        if not difference:
            layout = "; only the layout differs" if before != after else ""
            say(f"{name}: no difference{layout}")
    if difference:
        sys.exit(ExitCode.WOULD_CHANGE_OR_BE_DENIED)


def _revision_body(store: Store, name: str, revision: str) -> bytes | None:
    return stored_body(store, name) if revision == STORED else find_revision(store, name, revision).body


def _problem(body: bytes, name: str, limit: int) -> str | None:
    try:
        parse_document(body, name=name, max_bytes=limit)
    except DocumentError as error:
        return str(error.problems[0])
    return None


def _tell_invalid(name: str, revision: str, problem: str, output: str) -> None:
    """Tell that one side cannot be compared, and end the command."""
    what = "what is stored" if revision == STORED else f"revision {revision}"
    if output == "json":
        print_json({"document": name, "invalid": revision, "problem": problem})
    tell(f"{name}: {what} is not valid and cannot be compared rule by rule: {problem}")
    sys.exit(ExitCode.WOULD_CHANGE_OR_BE_DENIED)
