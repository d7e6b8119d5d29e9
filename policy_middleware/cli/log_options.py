"""Where a command reads the decision log, and which of its records."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from pathlib import Path
from typing import Any, Final

import click

from policy_middleware.cli.options import Command, SharedOption, optional_tenant_option, store_options
from policy_middleware.cli.output import counted, note
from policy_middleware.cli.places import StorePlace
from policy_middleware.decision_log.exports import EXPORTS
from policy_middleware.decision_log.file_log import FileLog
from policy_middleware.decision_log.reading import LogSource
from policy_middleware.decision_log.selection import Selection
from policy_middleware.decision_log.stream_log import StreamLog
from policy_middleware.model.effect import Effect
from policy_middleware.model.times import duration_seconds, moment_seconds
from policy_middleware.stores.redis_store import RedisStore

TABLE: Final = "table"
_JSON: Final = "json"

file_option = click.option(
    "--file",
    "log_file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path, allow_dash=True),
    metavar="FILE",
    help="Read this JSON Lines file, and those it was rotated into, instead of the store's stream; "
    "`-` is standard input.",
)


def moment_or_age(context: click.Context, parameter: click.Parameter, value: str | None) -> float | None:
    """Return seconds since the epoch for a time, or for so long ago (`90m`, `7d`)."""
    if value is None:
        return None
    for read in (moment_seconds, lambda age: time.time() - duration_seconds(age)):
        try:
            return read(value)
        except ValueError:
            continue
    raise click.BadParameter(
        f"{value!r} is neither a time such as 2026-12-01T00:00:00Z nor an age such as '90m', '24h' or '7d'"
    )


since_option = click.option(
    "--since", callback=moment_or_age, metavar="WHEN", help="From then on: 90m, 24h, 7d, or a time."
)
_SELECTION: Final = (
    click.option(
        "--effect",
        "effects",
        multiple=True,
        type=click.Choice([effect.value for effect in Effect]),
        help="What was decided.",
    ),
    click.option(
        "--rule", "rules", multiple=True, help="The rule that decided: ID, DOCUMENT/ID or `default`."
    ),
    click.option("--subject", "subjects", multiple=True, help="Who asked."),
    click.option("--action", "actions", multiple=True, help="What for, such as `document.*`."),
    click.option("--decision", "decisions", multiple=True, metavar="ID", help="This decision."),
    click.option("--event", "events", multiple=True, help="`decision`, `masked`, `approval_*`, `gap`, ..."),
    since_option,
    click.option("--until", callback=moment_or_age, metavar="WHEN", help="Before then."),
)


def selection_options(command: Command) -> Command:
    """Add the options that narrow a log down; the command receives them as `selection`."""

    @wraps(command)
    def with_selection(*args: Any, tenant: str | None, **options: Any) -> None:
        named = {name: options.pop(name) for name in (*_NAMES, "since", "until")}
        command(*args, selection=Selection(tenants=(tenant,) if tenant else (), **named), **options)

    narrowed: Any = with_selection
    for option in reversed(_SELECTION):
        narrowed = option(narrowed)
    return optional_tenant_option(narrowed)  # type: ignore[no-any-return]


_NAMES: Final = ("effects", "rules", "subjects", "actions", "decisions", "events")


def log_options(command: Command) -> Callable[..., None]:
    """Add `--file` and the options of the store; the command receives `log_file` and `place`."""
    return store_options(file_option(command))


def format_option(default: str) -> Callable[[Command], Command]:
    """Add `--output` with the formats of records."""
    return click.option(
        "-o",
        "--output",
        "--format",
        "output",
        cls=SharedOption,
        type=click.Choice([TABLE, _JSON, *EXPORTS]),
        default=default,
        show_default=True,
        help="Text for people, or a line a record for programs (`json` is `jsonl`).",
    )


def export_name(output: str) -> str:
    """Return the name of the format that was asked for."""
    return "jsonl" if output == _JSON else output


@contextmanager
def open_log(log_file: Path | None, place: StorePlace) -> Iterator[LogSource]:
    """Open the log; at the end, tell of lines that were no records."""
    if log_file is not None:
        source: LogSource = FileLog(log_file)
        yield source
    else:
        with place.store() as store:
            if not isinstance(store, RedisStore):
                raise click.UsageError(
                    "this store keeps no decisions; name the file of the log with --file FILE"
                )
            source = StreamLog(store)
            yield source
    if source.skipped:
        what = counted(source.skipped, "line")
        note(f"passed over {what} that hold no record: cut off, or written by something else")
