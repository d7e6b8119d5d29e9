"""Commands on documents in files: nothing here needs a store."""

from __future__ import annotations

import sys

import click

from policy_middleware.cli.exit_codes import ExitCode
from policy_middleware.cli.inputs import Input, read_document, read_documents
from policy_middleware.cli.options import document_option, output_option, tenant_was_given
from policy_middleware.cli.output import counted, note, print_json, say
from policy_middleware.model.documents import canonical_json, revision_of
from policy_middleware.model.errors import DocumentError, short_revision
from policy_middleware.model.schema import document_schema
from policy_middleware.model.vocabulary import DEFAULT


@click.command()
def schema() -> None:
    """Print the JSON Schema of policy documents, for editors and generators."""
    print_json(document_schema())


@click.command()
@click.argument("paths", metavar="FILE...", nargs=-1, required=True)
@document_option
@output_option
def check(paths: tuple[str, ...], tenant: str | None, output: str) -> None:
    """Validate policy documents; exit with 3 when one of them is not valid.

    FILE is a file, a directory of .json files, or `-` for standard input. A file is checked as the document
    it is named after (_global.json as the guardrail) unless --tenant says otherwise.
    """
    findings = [_finding(read, _checked_as(read, tenant)) for read in read_documents(paths)]
    if output == "json":
        print_json(findings)
    else:
        for finding in findings:
            _print_finding(finding)
    if not all(finding["valid"] for finding in findings):
        sys.exit(ExitCode.INVALID_POLICY)


@click.command()
@click.argument("path", metavar="FILE")
@document_option
def migrate(path: str, tenant: str | None) -> None:
    """Print FILE in the canonical form.

    Rules that were written as a bare list get an explicit default and lasting ids, keys their current names.
    """
    read = read_document(path)
    name = _checked_as(read, tenant)
    read.check_length(name)
    click.echo(canonical_json(read.body, name=name, max_bytes=read.limit), nl=False)


def _checked_as(read: Input, tenant: str | None) -> str:
    if tenant is not None and tenant_was_given():
        return tenant
    return read.document_name or tenant or DEFAULT


def _finding(read: Input, name: str) -> dict[str, object]:
    finding: dict[str, object] = {"file": read.label, "document": name}
    try:
        document = read.parsed(name)
    except DocumentError as error:
        problems = [{"path": problem.path, "message": problem.message} for problem in error.problems]
        return {**finding, "valid": False, "problems": problems, "warnings": []}
    return {
        **finding,
        "valid": True,
        "revision": revision_of(read.body),
        "rules": len(document.rules),
        "problems": [],
        "warnings": list(document.warnings),
    }


def _print_finding(finding: dict[str, object]) -> None:
    problems, warnings, rules = finding["problems"], finding["warnings"], finding.get("rules")
    assert isinstance(problems, list)
    assert isinstance(warnings, list)
    if isinstance(rules, int):
        size, revision = counted(rules, "rule"), short_revision(str(finding["revision"]))
        say(f"{finding['file']}: valid as {finding['document']!r}, {size}, revision {revision}")
    else:
        note(f"{finding['file']}: not valid as {finding['document']!r}")
    for problem in problems:
        note(f"  {problem['path']}: {problem['message']}")
    for warning in warnings:
        note(f"  warning: {warning}")
