"""`policyctl log stats`: the story that a log tells."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import click

from policy_middleware.cli.log_options import log_options, open_log, selection_options
from policy_middleware.cli.options import output_option
from policy_middleware.cli.output import counted, moment, note, print_json, print_table, say
from policy_middleware.cli.places import StorePlace
from policy_middleware.decision_log.selection import Selection
from policy_middleware.decision_log.statistics import Ranking, Statistics, statistics_of
from policy_middleware.model.effect import Effect
from policy_middleware.model.errors import short_revision

_EFFECTS: Final = tuple(effect.value for effect in Effect)
_WORDS: Final = {
    "allow": "allowed",
    "mask": "masked",
    "require_approval": "sent to approval",
    "deny": "denied",
}


@click.command()
@click.option(
    "--top", default=10, show_default=True, type=click.IntRange(1, 1000), help="Rows of each table."
)
@selection_options
@log_options
@output_option
def stats(top: int, selection: Selection, log_file: Path | None, place: StorePlace, output: str) -> None:
    """Tell what the log says altogether: who asked for what, what came of it, and what is missing.

    By effect, rule, tenant, action and subject, with rules that are only observed, approvals, masked values,
    refusals and lost records. Memory does not grow with the log.
    """
    with open_log(log_file, place) as source:
        statistics = statistics_of(filter(selection.takes, source.records(selection.since)))
        skipped = source.skipped
    if output == "json":
        print_json({**as_data(statistics, top), "skipped_lines": skipped})
    elif not statistics.records:
        note("the log holds no record that fits")
    else:
        _tell(statistics, top)


def _tell(told: Statistics, top: int) -> None:
    span = f" from {moment(told.first)} to {moment(told.last)}" if told.first is not None else ""
    writers = f", by {counted(len(told.writers), 'writer')}" if len(told.writers) else ""
    say(f"{_many(told.decisions, 'decision')}{span}{writers}")
    effects = [*_EFFECTS, *sorted(set(told.effects) - {*_EFFECTS})]
    named = [f"{told.effects[name]:,} {_WORDS.get(name, name)}" for name in effects if told.effects[name]]
    if named:
        say(", ".join(named))
    for sentence in _remarks(told):
        say(sentence)
    _effect_table("tenant", told.tenants, top)
    _table(
        ("rule", "effect", "tenant", "decisions"),
        ((rule, effect, tenant, count) for (tenant, rule, effect), count in told.rules.most_common(top)),
    )
    _effect_table("action", told.actions, top)
    _effect_table("route", told.routes, top)
    refused = dict(told.refused_subjects.most_common())
    _table(
        ("subject", "decisions", "denied"),
        ((name, count, refused.get(name, 0)) for name, count in told.subjects.most_common(top)),
    )
    _table(
        ("observed rule", "would", "tenant", "decisions"),
        ((rule, effect, tenant, count) for (tenant, rule, effect), count in told.observed.most_common(top)),
    )
    _table(("approvals", "times"), told.approvals.most_common())
    _table(("masked entity", "values"), told.entities.most_common(top))
    _table(("refusal", "times"), told.refusals.most_common())
    _table(
        ("revision in force", "of", "decisions"),
        (
            (short_revision(revision), name, count)
            for (name, revision), count in told.revisions.most_common(top)
        ),
    )
    _table(("other event", "times"), told.other_events.most_common(top))


def _remarks(told: Statistics) -> Iterator[str]:
    if told.masked_responses:
        values = _many(told.masked_values, "value")
        yield f"{values} masked in {_many(told.masked_responses, 'response')}"
    for number, noun, what in (
        (told.mask_failed, "response", "withheld, because they could not be masked"),
        (told.not_enforced, "decision", "only observed, not enforced"),
        (told.matched["indeterminate"], "decision", "rest on a restricting rule that could not be evaluated"),
        (told.matched["stale"], "decision", "made from memory while the store was away"),
        (told.matched["store_unavailable"], "request", "answered without a policy: the store was away"),
        (told.withheld, "decision", "not acted upon, because the record came too late"),
        (told.unreadable, "record", "could not be built"),
        (told.of_tests, "record", "left out: tests made them, by policies of their own"),
        (told.went_back, "time", "the clock of a writer went back"),
    ):
        if number:
            yield f"{_many(number, noun)} {what}"
    if told.lost:
        yield f"LOST: {_many(told.lost, 'record')} in {counted(len(told.gaps), 'gap')}"
        yield from (
            f"  {gap.lost:,} between {gap.since or '?'} and {gap.until or '?'}" for gap in told.gaps[:10]
        )
    median, slow = told.evaluation.percentile(0.5), told.evaluation.percentile(0.99)
    if median is not None and slow is not None:
        yield f"evaluation took {_microseconds(median)} (median), {_microseconds(slow)} (99th percentile)"
    if told.subjects.given_up or told.actions.given_up or told.rules.given_up:
        yield "too many names to count each apart: rare ones are left out, others may be counted short"


def _effect_table(noun: str, ranking: Ranking[tuple[str, str]], top: int) -> None:
    rows: dict[str, dict[str, int]] = {}
    for (name, effect), count in ranking.most_common():
        rows.setdefault(name, {})[effect] = count
    ranked = sorted(rows.items(), key=lambda item: (-sum(item[1].values()), item[0]))[:top]
    shown = [effect for effect in _EFFECTS if any(effect in counts for _, counts in ranked)]
    _table(
        (noun, "decisions", *shown),
        (
            (name, sum(counts.values()), *(counts.get(effect, 0) for effect in shown))
            for name, counts in ranked
        ),
    )


def _table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    found = [tuple(f"{cell:,}" if isinstance(cell, int) else cell for cell in row) for row in rows]
    if found:
        say("")
        print_table(columns, found, empty="")


def _many(number: int, noun: str) -> str:
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def _microseconds(nanoseconds: float) -> str:
    return f"{nanoseconds / 1000:.1f} us" if nanoseconds < 1e6 else f"{nanoseconds / 1e6:.1f} ms"


def as_data(told: Statistics, top: int) -> dict[str, Any]:
    """Return the figures as plain JSON data."""
    return {
        "records": told.records,
        "decisions": told.decisions,
        "first": told.first,
        "last": told.last,
        "writers": len(told.writers),
        "effects": dict(told.effects),
        "matched": dict(told.matched),
        "tenants": [
            {"tenant": tenant, "effect": effect, "decisions": count}
            for (tenant, effect), count in told.tenants.most_common(top)
        ],
        "rules": [
            {"tenant": tenant, "rule": rule, "effect": effect, "decisions": count}
            for (tenant, rule, effect), count in told.rules.most_common(top)
        ],
        "actions": [
            {"action": action, "effect": effect, "decisions": count}
            for (action, effect), count in told.actions.most_common(top)
        ],
        "routes": [
            {"route": route, "effect": effect, "decisions": count}
            for (route, effect), count in told.routes.most_common(top)
        ],
        "subjects": [{"subject": name, "decisions": count} for name, count in told.subjects.most_common(top)],
        "denied_subjects": [
            {"subject": name, "decisions": count} for name, count in told.refused_subjects.most_common(top)
        ],
        "observed": [
            {"tenant": tenant, "rule": rule, "effect": effect, "decisions": count}
            for (tenant, rule, effect), count in told.observed.most_common(top)
        ],
        "not_enforced": told.not_enforced,
        "approvals": dict(told.approvals),
        "refusals": dict(told.refusals),
        "masked": {
            "responses": told.masked_responses,
            "values": told.masked_values,
            "entities": dict(told.entities),
            "failed": told.mask_failed,
        },
        "revisions": [
            {"document": name, "revision": revision, "decisions": count}
            for (name, revision), count in told.revisions.most_common(top)
        ],
        "withheld": told.withheld,
        "lost": told.lost,
        "gaps": [{"lost": gap.lost, "since": gap.since, "until": gap.until} for gap in told.gaps],
        "unreadable": told.unreadable,
        "closed": told.closed,
        "clock_went_back": told.went_back,
        "of_tests": told.of_tests,
        "evaluation_ns": {"p50": told.evaluation.percentile(0.5), "p99": told.evaluation.percentile(0.99)},
        "other_events": dict(told.other_events.most_common(top)),
    }
