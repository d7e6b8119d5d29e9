"""`policyctl replay`: what another document would have decided, over recorded requests."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from policy_middleware.authoring.past_policies import History
from policy_middleware.authoring.replay import Change, Changed, Replay
from policy_middleware.cli.exit_codes import ExitCode
from policy_middleware.cli.inputs import read_document
from policy_middleware.cli.log_options import log_options, moment_or_age, open_log
from policy_middleware.cli.options import document_option, output_option, required_name
from policy_middleware.cli.output import note, print_json, print_table, say
from policy_middleware.cli.places import StorePlace
from policy_middleware.decision_log.reading import LogSource, ReadRecord
from policy_middleware.evaluation.index import CompiledDocument
from policy_middleware.model.documents import revision_of
from policy_middleware.model.errors import short_revision


@click.command()
@click.option(
    "--policy", "draft", required=True, metavar="FILE", help="The document to try; `-` is standard input."
)
@document_option
@click.option(
    "--since",
    default="7d",
    show_default=True,
    callback=moment_or_age,
    metavar="WHEN",
    help="From then on: 90m, 24h, 7d, or a time.",
)
@log_options
@output_option
def replay(
    draft: str, tenant: str | None, since: float, log_file: Path | None, place: StorePlace, output: str
) -> None:
    """Decide recorded requests again by another document, and tell what would change.

    The document is the tenant's, or the one that the file is named after (`_global.json` for all tenants);
    the others are those that were in force at each decision. What lets more through comes first. Exits with
    6 when something would change.
    """
    read = read_document(draft)
    # A file named after its document needs no --tenant; POLICYCTL_TENANT does not outdo its name.
    name = required_name(tenant or read.document_name)
    candidate = CompiledDocument(read.parsed(name), revision_of(read.body))
    with place.store() as store, open_log(log_file, place) as source:
        replayed = Replay(History(store), candidate)
        for record in _with_progress(source.records(since), source):
            replayed.add(record)
    if output == "json":
        print_json(_as_data(replayed))
    else:
        _tell(replayed)
    sys.exit(ExitCode.WOULD_CHANGE_OR_BE_DENIED if replayed.changed else ExitCode.OK)


def _with_progress(records: Iterable[Any], source: LogSource) -> Iterator[ReadRecord]:
    """Yield records; on a terminal, show on standard error how far it is."""
    if not sys.stderr.isatty():
        yield from records
        return
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(file=sys.stderr), transient=True) as progress:
        task = progress.add_task("asking again", total=source.size() or None)
        for record in records:
            progress.advance(task, source.weight(record))
            yield record


def _tell(replayed: Replay) -> None:
    candidate = replayed.candidate
    requests = "request" if replayed.asked == 1 else "requests"
    skipped = replayed.uncertain or replayed.lost or replayed.not_asked
    nothing = "nothing that can be told" if skipped else "no recorded request concerns this document"
    say(
        f"{candidate.name} at {short_revision(candidate.revision)}: {replayed.asked:,} recorded {requests} "
        f"decided again, {replayed.changed:,} would be decided otherwise"
    )
    widening = sum(changed.count for change, changed in replayed.ranked if change.widens)
    if replayed.changed:
        say(f"{widening:,} would get through further than they did, {replayed.changed - widening:,} less far")
    print_table(
        ("", "tenant", "from", "by", "to", "by", "requests", "for example"),
        (_row(change, changed) for change, changed in replayed.ranked),
        empty="nothing would change" if replayed.asked else nothing,
    )
    if replayed.other_rule:
        say(f"{replayed.other_rule:,} would be decided the same by another rule (masks may differ)")
    for title, reasons in (
        ("cannot be told", replayed.uncertain),
        ("not decided again: other documents are gone", replayed.lost),
        ("not decided again", replayed.not_asked),
    ):
        for reason, count in reasons.most_common(10):
            note(f"{title}: {count:,}, {reason}")


def _row(change: Change, changed: Changed) -> tuple[object, ...]:
    examples = "\n".join(f"{each.decision_id} {each.subject} {each.action}" for each in changed.examples)
    return (
        "WIDER" if change.widens else "narrower",
        change.tenant,
        change.before.value,
        change.before_by,
        change.after.value,
        change.after_by,
        f"{changed.count:,}",
        examples,
    )


def _as_data(replayed: Replay) -> dict[str, Any]:
    return {
        "document": replayed.candidate.name,
        "revision": replayed.candidate.revision,
        "asked": replayed.asked,
        "same": replayed.same,
        "changed": replayed.changed,
        "same_by_another_rule": replayed.other_rule,
        "changes": [
            {
                "direction": "wider" if change.widens else "narrower",
                "tenant": change.tenant,
                "from": {"effect": change.before.value, "by": change.before_by},
                "to": {"effect": change.after.value, "by": change.after_by},
                "requests": changed.count,
                "examples": [
                    {"decision_id": each.decision_id, "subject": each.subject, "action": each.action}
                    for each in changed.examples
                ],
            }
            for change, changed in replayed.ranked
        ],
        "cannot_be_told": dict(replayed.uncertain),
        "other_documents_gone": dict(replayed.lost),
        "not_asked": dict(replayed.not_asked),
        "of_other_documents": replayed.elsewhere,
    }
