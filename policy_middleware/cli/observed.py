"""`policyctl observed`: what rules in observe mode would have done."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import click

from policy_middleware.cli.options import optional_tenant_option, output_option, store_options
from policy_middleware.cli.output import counted, moment, print_json, print_table, say
from policy_middleware.cli.places import StorePlace
from policy_middleware.decision_log.file_log import FileLog
from policy_middleware.decision_log.reading import ReadRecord
from policy_middleware.decision_log.rollout import Rollout, Tally, WouldHave, summarise
from policy_middleware.decision_log.stream_log import StreamLog
from policy_middleware.model.times import duration_seconds
from policy_middleware.stores.redis_store import RedisStore

_WORDS: Final = {
    "deny": "denied",
    "require_approval": "asked for approval of",
    "mask": "masked",
    "refusal": "refused",
}
_MOST_SUBJECTS: Final = 3


def _duration(context: click.Context, parameter: click.Parameter, value: str) -> float:
    try:
        return duration_seconds(value)
    except ValueError as error:
        raise click.BadParameter(str(error)) from None


@click.command()
@optional_tenant_option
@click.option(
    "--since", default="7d", show_default=True, callback=_duration, help="How far to look back: 90m, 24h, 7d."
)
@click.option(
    "--log",
    "log_file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Read this JSON Lines file, and those it was rotated into, instead of the store's stream.",
)
@store_options
@output_option
def observed(tenant: str | None, since: float, log_file: Path | None, place: StorePlace, output: str) -> None:
    """Sum up what would have happened under rules and applications in observe mode.

    By rule, tenant and action, from the decision log; what was not seen before yesterday is marked as new.
    """
    now = time.time()
    rollout = summarise(
        (
            record
            for record in _records(log_file, place, now - since)
            if tenant in (None, record.get("tenant"))
        ),
        now,
    )
    if output == "json":
        print_json(_as_data(rollout, now))
        return
    _say_totals(rollout)
    print_table(
        ("tenant", "rule", "effect", "action", "requests", "last 24 h", "first seen", "by"),
        (_row(what, tally, now) for what, tally in _ranked(rollout)),
        empty="nothing would have been different",
    )


def _records(log_file: Path | None, place: StorePlace, since: float) -> Iterator[ReadRecord]:
    if log_file is not None:
        yield from FileLog(log_file).records(since)
        return
    with place.store() as store:
        if not isinstance(store, RedisStore):
            raise click.UsageError("this store keeps no decisions; name the log file with --log FILE")
        yield from StreamLog(store).records(since)


def _say_totals(rollout: Rollout) -> None:
    for effect, word in _WORDS.items():
        total = rollout.total(effect)
        if total:
            new = sum(tally.new for what, tally in rollout.tallies.items() if what.effect == effect)
            asked = counted(rollout.decisions, "request")
            say(f"would have {word} {total:,} of {asked}; since yesterday: {new:,}")


def _ranked(rollout: Rollout) -> list[tuple[WouldHave, Tally]]:
    return sorted(rollout.tallies.items(), key=lambda item: (-item[1].count, item[0]))


def _row(what: WouldHave, tally: Tally, now: float) -> tuple[object, ...]:
    rule = what.rule if what.document in ("", what.tenant) else f"{what.rule} ({what.document})"
    first = moment(tally.first) + (" (new)" if tally.is_new(now) else "")
    subjects = ", ".join(name for name, _ in tally.subjects.most_common(_MOST_SUBJECTS))
    more = len(tally.subjects) - _MOST_SUBJECTS
    if more > 0:
        subjects += f" and {more} more"
    return (
        what.tenant,
        rule,
        what.effect,
        what.action,
        f"{tally.count:,}",
        f"{tally.new:,}",
        first,
        subjects,
    )


def _as_data(rollout: Rollout, now: float) -> dict[str, object]:
    return {
        "decisions": rollout.decisions,
        "would_have": [
            {
                "tenant": what.tenant,
                "document": what.document,
                "rule": what.rule,
                "effect": what.effect,
                "action": what.action,
                "requests": tally.count,
                "since_yesterday": tally.new,
                "new": tally.is_new(now),
                "first": tally.first,
                "last": tally.last,
                "subjects": dict(tally.subjects.most_common()),
            }
            for what, tally in _ranked(rollout)
        ],
    }
