"""What a decision log says altogether: who asked for what, what came of it, and what is missing."""

from __future__ import annotations

import math
from collections import Counter, OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final, Generic, TypeVar

from policy_middleware.decision_log.reading import ReadRecord, asked_of, moment_of, text_of
from policy_middleware.decision_log.record import (
    CHECKPOINT,
    DECISION,
    EVALUATION_TIMER,
    GAP,
    LOG_CLOSED,
    OVERRIDDEN,
    UNREADABLE,
    WITHHELD,
)
from policy_middleware.decision_log.selection import decided_by

CAPACITY: Final = 5_000
"""Different names that are told apart; of more, only the frequent ones are counted exactly."""
_BACK: Final = 1.0
"""Seconds that a writer's clock may go back unnoticed: requests are recorded as they end."""
_GROWTH: Final = math.log(1.02)

Name = TypeVar("Name")


class Ranking(Generic[Name]):
    """Counts names in bounded memory.

    Past `capacity` names the rarest half is given up now and then, and `given_up` says how many counts that
    were; what remains may then be counted short (Manku and Motwani's lossy counting, 2002).
    """

    def __init__(self, capacity: int = CAPACITY) -> None:
        self._capacity = capacity
        self._counts: Counter[Name] = Counter()
        self.given_up = 0

    def add(self, name: Name, times: int = 1) -> None:
        """Count a name."""
        self._counts[name] += times
        if len(self._counts) > self._capacity:
            kept = Counter(dict(self._counts.most_common(self._capacity // 2)))
            self.given_up += self._counts.total() - kept.total()
            self._counts = kept

    def most_common(self, number: int | None = None) -> list[tuple[Name, int]]:
        """Return names and how often they came, the most frequent first."""
        return sorted(self._counts.items(), key=lambda item: (-item[1], str(item[0])))[:number]

    def __len__(self) -> int:
        return len(self._counts)


class Durations:
    """Percentiles of nanoseconds, each within one per cent, in a few hundred numbers."""

    def __init__(self) -> None:
        self._buckets: Counter[int] = Counter()

    def add(self, nanoseconds: float) -> None:
        """Take one duration."""
        self._buckets[round(math.log(max(nanoseconds, 1.0)) / _GROWTH)] += 1

    def percentile(self, share: float) -> float | None:
        """Return the duration in nanoseconds that `share` (0 to 1) of all did not exceed."""
        wanted = share * self._buckets.total()
        reached = 0
        for bucket in sorted(self._buckets):
            reached += self._buckets[bucket]
            if reached >= wanted:
                return math.exp(bucket * _GROWTH)
        return None


@dataclass(slots=True)
class Gap:
    """Records that were lost: how many, and between which moments."""

    lost: int
    since: str | None
    until: str | None


@dataclass(slots=True)
class Statistics:
    """The figures of a log. Decisions that tests made by policies of their own are counted apart."""

    records: int = 0
    decisions: int = 0
    of_tests: int = 0
    first: float | None = None
    last: float | None = None
    went_back: int = 0
    """How often a writer's clock went back by more than a second."""
    effects: Counter[str] = field(default_factory=Counter)
    matched: Counter[str] = field(default_factory=Counter)
    tenants: Ranking[tuple[str, str]] = field(default_factory=Ranking)
    rules: Ranking[tuple[str, str, str]] = field(default_factory=Ranking)
    actions: Ranking[tuple[str, str]] = field(default_factory=Ranking)
    routes: Ranking[tuple[str, str]] = field(default_factory=Ranking)
    subjects: Ranking[str] = field(default_factory=Ranking)
    refused_subjects: Ranking[str] = field(default_factory=Ranking)
    observed: Ranking[tuple[str, str, str]] = field(default_factory=Ranking)
    not_enforced: int = 0
    refusals: Counter[str] = field(default_factory=Counter)
    revisions: Ranking[tuple[str, str]] = field(default_factory=Ranking)
    approvals: Counter[str] = field(default_factory=Counter)
    masked_responses: int = 0
    masked_values: int = 0
    entities: Counter[str] = field(default_factory=Counter)
    mask_failed: int = 0
    withheld: int = 0
    unreadable: int = 0
    closed: int = 0
    gaps: list[Gap] = field(default_factory=list)
    lost: int = 0
    other_events: Ranking[str] = field(default_factory=Ranking)
    evaluation: Durations = field(default_factory=Durations)
    writers: Ranking[str] = field(default_factory=Ranking)
    _clocks: OrderedDict[str, float] = field(default_factory=OrderedDict)

    def add(self, record: ReadRecord) -> None:
        """Take one record, in the order in which they were written."""
        self.records += 1
        self._time(record)
        event = text_of(record.get("event")) or ""
        if record.get(OVERRIDDEN):
            self.of_tests += 1
        elif event == DECISION:
            self._decision(record)
        elif event.startswith(_APPROVAL):
            self.approvals[event.removeprefix(_APPROVAL)[:40]] += 1
        elif event == "masked":
            self._masked(record)
        elif event == GAP:
            lost = _number(record.get("lost"))
            self.lost += lost
            if len(self.gaps) < _MOST_GAPS:
                self.gaps.append(Gap(lost, text_of(record.get("since")), text_of(record.get("timestamp"))))
        elif event in _COUNTED:
            name = _COUNTED[event]
            setattr(self, name, getattr(self, name) + 1)
        elif event != CHECKPOINT:
            self.other_events.add(event)

    def _decision(self, record: ReadRecord) -> None:
        self.decisions += 1
        asked = asked_of(record)
        effect = text_of(record.get("effect")) or _effect_of(record.get("result"))
        tenant = text_of(record.get("tenant")) or "-"
        subject = text_of(asked.get("subject.id"))
        action = text_of(asked.get("action")) or text_of(asked.get("http.route")) or "-"
        self.effects[effect[:40]] += 1
        self.matched[(text_of(record.get("matched")) or "-")[:40]] += 1
        self.tenants.add((tenant, effect))
        self.rules.add((tenant, text_of(decided_by(record)) or "-", effect))
        self.actions.add((action, effect))
        route = text_of(asked.get("http.route"))
        if route is not None:
            self.routes.add((f"{text_of(asked.get('http.method')) or ''} {route}".lstrip(), effect))
        if subject is not None:
            self.subjects.add(subject)
            if effect == "deny":
                self.refused_subjects.add(subject)
        refusal = text_of(record.get("refusal"))
        if refusal is not None:
            self.refusals[refusal[:100]] += 1
        self.not_enforced += record.get("enforced") is False
        observed = record.get("observed")
        for rule in observed if isinstance(observed, list) else ():
            if isinstance(rule, dict):
                self.observed.add((tenant, str(rule.get("rule")), str(rule.get("effect"))))
        bundles = record.get("bundles")
        for name, bundle in bundles.items() if isinstance(bundles, dict) else ():
            if isinstance(bundle, dict):
                self.revisions.add((str(name), str(bundle.get("revision"))))
        metrics = record.get("metrics")
        taken = metrics.get(EVALUATION_TIMER) if isinstance(metrics, dict) else None
        if isinstance(taken, (int, float)) and not isinstance(taken, bool) and 0 <= taken < _LONGEST:
            self.evaluation.add(taken)

    def _masked(self, record: ReadRecord) -> None:
        self.masked_responses += 1
        self.masked_values += _number(record.get("count"))
        entities = record.get("entities")
        for name, count in entities.items() if isinstance(entities, dict) else ():
            if name in self.entities or len(self.entities) < _MOST_ENTITIES:
                self.entities[str(name)] += _number(count)

    def _time(self, record: ReadRecord) -> None:
        writer = text_of(record.get("writer"))
        if writer is not None:
            self.writers.add(writer)
        moment = moment_of(record)
        if moment is None:
            return
        self.first = moment if self.first is None else min(self.first, moment)
        self.last = moment if self.last is None else max(self.last, moment)
        if writer is not None:
            before = self._clocks.pop(writer, None)
            self.went_back += before is not None and moment < before - _BACK
            self._clocks[writer] = moment
            if len(self._clocks) > CAPACITY:
                self._clocks.popitem(last=False)


def statistics_of(records: Iterable[ReadRecord]) -> Statistics:
    """Return the figures of records, in memory that does not grow with their number."""
    statistics = Statistics()
    for record in records:
        statistics.add(record)
    return statistics


_APPROVAL: Final = "approval_"
_COUNTED: Final = {
    "mask_failed": "mask_failed",
    WITHHELD: "withheld",
    UNREADABLE: "unreadable",
    LOG_CLOSED: "closed",
}
_MOST_GAPS: Final = 100
_MOST_ENTITIES: Final = 1000
_LONGEST: Final = 3600e9


def _number(value: object) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**63 else 0


def _effect_of(result: object) -> str:
    """Return the effect as a record without one tells it: OPA's say `true` or `{"allowed": true}`."""
    if isinstance(result, dict):
        result = text_of(result.get("effect")) or result.get("allowed")
    if isinstance(result, str):
        return result
    return "allow" if result is True else "deny" if result is False else "-"
