"""`policyctl log`: what the decision log holds, and whether it can be believed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from policy_middleware.cli.exit_codes import ExitCode
from policy_middleware.cli.log_records import export, show, tail
from policy_middleware.cli.log_statistics import stats
from policy_middleware.cli.options import output_option, store_options
from policy_middleware.cli.output import note, print_json, say
from policy_middleware.cli.places import StorePlace
from policy_middleware.decision_log.stream_log import StreamLog
from policy_middleware.decision_log.verify_log import (
    NotVerifiable,
    Verification,
    Verifier,
    anchor_document,
    read_anchors,
    read_key,
    report,
)
from policy_middleware.stores.redis_store import RedisStore

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.group()
def log() -> None:
    """Look into the decision log, and prove it."""


@log.command()
@click.argument("files", nargs=-1, type=_FILE, metavar="[FILE]...")
@click.option(
    "--key",
    envvar="POLICY_DECISION_LOG_KEY",
    show_envvar=True,
    metavar="HEX",
    help="The key the log is sealed with. In the environment it stays out of the list of processes.",
)
@click.option("--key-file", "key_files", multiple=True, type=_FILE, help="A file that holds it, one a key.")
@click.option("--public-key", metavar="HEX", help="The public key that checkpoints are signed for.")
@click.option(
    "--anchor", "anchor_files", multiple=True, type=_FILE, help="Heads of the log that were kept elsewhere."
)
@click.option(
    "--write-anchor",
    type=click.Path(dir_okay=False, writable=True, path_type=Path),
    help="Write the heads of this log, to be kept elsewhere.",
)
@click.option(
    "--partial",
    is_flag=True,
    help="The log may begin in the middle: older files are gone, or the stream is full.",
)
@store_options
@output_option
def verify(
    files: tuple[Path, ...],
    key: str | None,
    key_files: tuple[Path, ...],
    public_key: str | None,
    anchor_files: tuple[Path, ...],
    write_anchor: Path | None,
    partial: bool,
    place: StorePlace,
    output: str,
) -> None:
    """Prove that a sealed log is as it was written, and say what remains unproved.

    Of several files (of a rotated log, in any order), or of the store's stream when none is named. Exits
    with 7 when anything was changed, added, left out or reordered, and with 0 when nothing was found: whether
    records are missing at the end can only be said against an anchor.
    """
    try:
        keys = [read_key(path.read_text(encoding="utf-8"), str(path)) for path in key_files]
        if key is not None and not keys:
            keys = [read_key(key)]
        anchors = [
            anchor for path in anchor_files for anchor in read_anchors(path.read_text(encoding="utf-8"))
        ]
        signed_for = None if public_key is None else read_key(public_key, "--public-key")
        verifier = Verifier(keys, anchors=anchors, public_key=signed_for, partial=partial)
    except (NotVerifiable, UnicodeDecodeError) as error:
        raise click.UsageError(str(error)) from None
    for path in files:
        with path.open("rb") as lines:
            verifier.read(lines, str(path))
    if not files:
        verifier.read(_lines_of_store(place), "stream")
    result = verifier.finish()
    if write_anchor is not None and result.intact:
        write_anchor.write_text(anchor_document(result.heads.values()), encoding="utf-8")
    elif write_anchor is not None:
        note("no anchor was written, because the log is not intact")
    _tell(result, output)
    if not result.intact:
        click.get_current_context().exit(ExitCode.INTEGRITY_BROKEN)


def _lines_of_store(place: StorePlace) -> Iterator[bytes]:
    with place.store() as store:
        if not isinstance(store, RedisStore):
            raise click.UsageError("this store keeps no decisions; name the files of the log")
        yield from StreamLog(store).lines()


def _tell(result: Verification, output: str) -> None:
    if output == "table":
        for line in report(result):
            say(line)
        return
    data: dict[str, Any] = {
        "intact": result.intact,
        "lines": result.records,
        "findings": [{"place": finding.place, "what": finding.what} for finding in result.findings],
        "proved": result.proved if result.intact else [],
        "unproved": result.unproved,
        "heads": list(result.heads.values()),
    }
    print_json(data)


for _command in (tail, show, stats, export):
    log.add_command(_command)
