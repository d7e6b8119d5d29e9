"""Commands on documents in files: nothing here needs a store."""

from __future__ import annotations

import sys
import time

import click

from policy_middleware.authoring import migration
from policy_middleware.authoring.draft import KnownNames
from policy_middleware.authoring.findings import Severity
from policy_middleware.authoring.format_reference import format_reference
from policy_middleware.cli.checking import checked
from policy_middleware.cli.exit_codes import ExitCode
from policy_middleware.cli.inputs import Input, read_document, read_documents
from policy_middleware.cli.options import document_option, output_option, tenant_was_given
from policy_middleware.cli.output import note, print_json
from policy_middleware.cli.routes import list_routes
from policy_middleware.model.schema import document_schema
from policy_middleware.model.vocabulary import DEFAULT


@click.command()
@click.option("--markdown", is_flag=True, help="Print it as a page for people instead.")
def schema(markdown: bool) -> None:
    """Print the JSON Schema of policy documents, for editors and generators."""
    if markdown:
        click.echo(format_reference(), nl=False)
    else:
        print_json(document_schema())


@click.command()
@click.argument("paths", metavar="FILE...", nargs=-1, required=True)
@click.option("--app", metavar="APP", help="Compare actions and tags with the routes of this application.")
@click.option("--strict", is_flag=True, help="Exit with 3 on warnings, too.")
@document_option
@output_option
def check(paths: tuple[str, ...], app: str | None, strict: bool, tenant: str | None, output: str) -> None:
    """Validate policy documents and remark on what was probably not meant.

    FILE is a file, a directory of .json files, or `-` for standard input. A file is checked as the document
    it is named after (_global.json as the guardrail) unless --tenant says otherwise. Exits with 3 when a
    document is not valid or holds what cannot have been meant. APP is what `policyctl routes` takes.
    """
    known = KnownNames() if app is None else _names_of(app)
    checks = [checked(read, _checked_as(read, tenant), time.time(), known) for read in read_documents(paths)]
    if output == "json":
        print_json([one.as_dict() for one in checks])
    else:
        for one in checks:
            one.tell()
    refused = {Severity.ERROR, Severity.WARNING} if strict else {Severity.ERROR}
    if not all(one.passes(refused) for one in checks):
        sys.exit(ExitCode.INVALID_POLICY)


@click.command()
@click.argument("path", metavar="FILE")
@document_option
def migrate(path: str, tenant: str | None) -> None:
    """Print FILE in the canonical form, and on standard error what had to be assumed.

    Rules that were written as a bare list get an explicit default and lasting ids, keys their current names.
    """
    read = read_document(path)
    name = _checked_as(read, tenant)
    read.check_length(name)
    done = migration.migrate(read.body, name=name, max_bytes=read.limit)
    click.echo(done.body, nl=False)
    for assumption in done.assumptions:
        note(f"{read.label}: {assumption}")


def _names_of(app: str) -> KnownNames:
    """Return the actions and tags of an application; of one with mounted strangers, nothing is known."""
    listed = list_routes(app)
    if any(route.opaque for route in listed):
        note(f"{app} mounts an application whose routes are not known, so names are not compared")
        return KnownNames()
    policies = [route.policy for route in listed if not route.policy.exempt]
    return KnownNames(
        actions=frozenset(policy.action for policy in policies),
        tags=frozenset(tag for policy in policies for tag in policy.tags),
    )


def _checked_as(read: Input, tenant: str | None) -> str:
    if tenant is not None and tenant_was_given():
        return tenant
    return read.document_name or tenant or DEFAULT
