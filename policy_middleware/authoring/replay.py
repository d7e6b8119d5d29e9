"""What another document would have decided, over the requests that a decision log holds."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Final

from policy_middleware.authoring.asking_again import NotAsked, RecordedRequest
from policy_middleware.authoring.past_policies import History, default_without_policy
from policy_middleware.decision_log.reading import ReadRecord, asked_of, text_of
from policy_middleware.decision_log.record import DECISION, OVERRIDDEN
from policy_middleware.decision_log.selection import decided_by
from policy_middleware.evaluation.index import CompiledDocument
from policy_middleware.model.decision import Outcome
from policy_middleware.model.effect import Effect
from policy_middleware.model.vocabulary import RESERVED_DOCUMENTS

MOST_EXAMPLES: Final = 3
_EFFECTS: Final = {effect.value: effect for effect in Effect}


@dataclass(frozen=True, slots=True)
class Change:
    """One way in which decisions would be others: from an effect and what made it, to others."""

    tenant: str
    before: Effect
    before_by: str
    after: Effect
    after_by: str

    @property
    def widens(self) -> bool:
        """True when more would be let through."""
        return self.after.strictness < self.before.strictness

    @property
    def narrows(self) -> bool:
        """True when less would be let through."""
        return self.after.strictness > self.before.strictness


@dataclass(frozen=True, slots=True)
class Example:
    """A decision that would be another."""

    decision_id: str
    subject: str
    action: str


@dataclass(slots=True)
class Changed:
    """How often, and for example."""

    count: int = 0
    examples: list[Example] = field(default_factory=list)


@dataclass(slots=True)
class Replay:
    """Asks a candidate document what was decided, and collects what would change.

    The other documents are those that were in force at each decision. Decisions that no policy made, and
    those of tenants that the candidate does not decide for, are not asked again. Where a changed answer
    rests on what the record does not hold (`uncertain`), or the other documents are gone (`lost`), nothing
    is claimed.
    """

    history: History
    candidate: CompiledDocument
    asked: int = 0
    same: int = 0
    elsewhere: int = 0
    """Decisions that another document makes."""
    not_asked: Counter[str] = field(default_factory=Counter)
    lost: Counter[str] = field(default_factory=Counter)
    uncertain: Counter[str] = field(default_factory=Counter)
    changes: dict[Change, Changed] = field(default_factory=dict)

    def add(self, record: ReadRecord) -> None:
        """Take a record; raises StoreUnavailable."""
        if record.get("event") != DECISION:
            return
        if record.get(OVERRIDDEN):
            self.not_asked["was decided in a test, by policies of its own"] += 1
        elif not self._concerns(record):
            self.elsewhere += 1
        else:
            try:
                self._ask(record, RecordedRequest.of(record))
            except NotAsked as why:
                self.not_asked[str(why)] += 1

    @property
    def ranked(self) -> list[tuple[Change, Changed]]:
        """The changes of effect: those that let more through first, then the most frequent."""
        changes = [item for item in self.changes.items() if item[0].before is not item[0].after]
        return sorted(changes, key=lambda item: (not item[0].widens, -item[1].count, str(item[0])))

    @property
    def changed(self) -> int:
        """Decisions whose effect would be another."""
        return sum(changed.count for _, changed in self.ranked)

    @property
    def other_rule(self) -> int:
        """Decisions that would be the same by another rule."""
        return sum(changed.count for change, changed in self.changes.items() if change.before is change.after)

    def _concerns(self, record: ReadRecord) -> bool:
        name = self.candidate.name
        if name not in RESERVED_DOCUMENTS:
            return record.get("tenant") == name
        bundles = record.get("bundles")
        return name != "_default" or (isinstance(bundles, dict) and name in bundles)

    def _ask(self, record: ReadRecord, request: RecordedRequest) -> None:
        past = self.history.policies_of(record).with_candidate(self.candidate)
        if past.lost:
            self.lost[str(past.lost[0])] += 1
            return
        before = _EFFECTS.get(str(record.get("effect")))
        if before is None:
            self.not_asked["names no effect that this version knows"] += 1
            return
        policies = past.policies(default_without_policy(record))
        after = request.ask(policies)
        self.asked += 1
        change = Change(
            request.context.tenant,
            before,
            text_of(decided_by(record)) or "",
            after.effect,
            _decided_by(after, request.context.tenant),
        )
        by_default = record.get("rule") is None and after.rule_id is None  # whatever the record calls it
        if change.before is change.after and (by_default or change.before_by == change.after_by):
            self.same += 1
            return
        why = self._doubt(request, request.unknown_facts(policies))
        if why is not None:
            self.uncertain[why] += 1
            return
        changed = self.changes.setdefault(change, Changed())
        changed.count += 1
        if len(changed.examples) < MOST_EXAMPLES:
            asked = asked_of(record)
            changed.examples.append(
                Example(
                    text_of(record.get("decision_id")) or "",
                    text_of(asked.get("subject.id")) or "",
                    text_of(asked.get("action")) or "",
                )
            )

    @staticmethod
    def _doubt(request: RecordedRequest, unknown: list[str]) -> str | None:
        """Return why a changed answer cannot be relied on."""
        if unknown:
            return f"the {unknown[0]} was not recorded"
        if request.cut:
            return f"the record does not hold {request.cut[0]}"
        return None


def _decided_by(outcome: Outcome, tenant: str) -> str:
    if outcome.rule_id is None:
        return outcome.matched.value
    return outcome.rule_id if outcome.document == tenant else f"{outcome.document}/{outcome.rule_id}"
