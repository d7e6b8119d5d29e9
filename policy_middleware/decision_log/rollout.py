"""What rules in observe mode would have done: the figures for turning them on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from policy_middleware.decision_log.reading import ReadRecord, moment_of
from policy_middleware.decision_log.record import DECISION, OVERRIDDEN

NEW_WITHIN: Final = 24 * 3600.0
"""Seconds for which what was seen for the first time counts as new."""
_REFUSED: Final = "refusal"


@dataclass(frozen=True, slots=True, order=True)
class WouldHave:
    """One thing that would have happened: a rule's effect, or a refusal, for one tenant and action."""

    tenant: str
    document: str
    rule: str
    effect: str
    action: str


@dataclass(slots=True)
class Tally:
    """How often, and when first and last (seconds since the epoch)."""

    count: int = 0
    new: int = 0
    first: float | None = None
    last: float | None = None
    subjects: Counter[str] = field(default_factory=Counter)

    def is_new(self, now: float) -> bool:
        """True when it was not seen before yesterday."""
        return self.first is not None and now - self.first < NEW_WITHIN


@dataclass(frozen=True, slots=True)
class Rollout:
    """What would have been, by rule, tenant and action, out of `decisions` requests."""

    decisions: int
    tallies: dict[WouldHave, Tally]

    def total(self, effect: str) -> int:
        """Return how many requests would have met an effect (each rule counts on its own)."""
        return sum(tally.count for what, tally in self.tallies.items() if what.effect == effect)


def summarise(records: Iterable[ReadRecord], now: float) -> Rollout:
    """Count what rules in observe mode, and an application in observe mode, would have done."""
    decisions = 0
    tallies: dict[WouldHave, Tally] = {}
    for record in records:
        # Records of a test that had put policies of its own in force say nothing of what is served.
        if record.get("event") != DECISION or record.get(OVERRIDDEN):
            continue
        decisions += 1
        for what in _would_have(record):
            _count(tallies.setdefault(what, Tally()), record, now)
    return Rollout(decisions, tallies)


def _would_have(record: ReadRecord) -> Iterable[WouldHave]:
    asked = record.get("input")
    action = str(asked.get("action", "")) if isinstance(asked, dict) else ""
    tenant = str(record.get("tenant") or "")
    observed = record.get("observed")
    for rule in observed if isinstance(observed, list) else ():
        if isinstance(rule, dict):
            yield WouldHave(
                tenant, str(rule.get("document")), str(rule.get("rule")), str(rule.get("effect")), action
            )
    if record.get("enforced") is False and record.get("effect") != "allow":
        refusal = record.get(_REFUSED)
        yield WouldHave(
            tenant,
            str(record.get("document") or ""),
            str(refusal or record.get("rule") or record.get("matched")),
            _REFUSED if refusal else str(record.get("effect")),
            action,
        )


def _count(tally: Tally, record: ReadRecord, now: float) -> None:
    moment = moment_of(record)
    tally.count += 1
    if moment is not None:
        tally.new += now - moment < NEW_WITHIN
        tally.first = moment if tally.first is None else min(tally.first, moment)
        tally.last = moment if tally.last is None else max(tally.last, moment)
    asked = record.get("input")
    subject = asked.get("subject.id") if isinstance(asked, dict) else None
    if isinstance(subject, str):
        tally.subjects[subject] += 1
