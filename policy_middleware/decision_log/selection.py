"""Which records somebody wants to see."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Final

from policy_middleware.decision_log.reading import ReadRecord, asked_of, moment_of
from policy_middleware.decision_log.record import DECISION

_REMEMBERED: Final = 10_000
"""Decisions whose later events are still known to belong to them."""


@dataclass(slots=True)
class Selection:
    """Takes records that match every field given, each by one of its patterns (`*` stands for anything).

    A rule is named by its id, with its document before it (`acme/readers`), or, where none decided, by what
    did: `default`, `missing_policy`. What became of a decision later (an approval, a mask) is taken with it,
    unless `events` names other kinds. `since` and `until` are seconds since the epoch; the first is
    included, the second is not.
    """

    tenants: tuple[str, ...] = ()
    effects: tuple[str, ...] = ()
    rules: tuple[str, ...] = ()
    subjects: tuple[str, ...] = ()
    actions: tuple[str, ...] = ()
    decisions: tuple[str, ...] = ()
    events: tuple[str, ...] = ()
    since: float | None = None
    until: float | None = None
    _taken: OrderedDict[str, None] = field(default_factory=OrderedDict)

    def __bool__(self) -> bool:
        """Return True when anything is asked for."""
        return self._narrows or self.since is not None or self.until is not None or bool(self.events)

    @property
    def _narrows(self) -> bool:
        return any((self.tenants, self.effects, self.rules, self.subjects, self.actions, self.decisions))

    def takes(self, record: ReadRecord) -> bool:
        """Return True for a record that is wanted; ask in the order in which they were written."""
        if not self._is_in_time(record):
            return False
        event, decision = record.get("event"), record.get("decision_id")
        taken = not self._narrows or self._matches(record)
        if isinstance(decision, str):
            if event != DECISION:
                taken = taken or decision in self._taken
            elif taken and self._narrows:
                self._taken[decision] = None
                if len(self._taken) > _REMEMBERED:
                    self._taken.popitem(last=False)
        return taken and _fits(event, self.events)

    def _is_in_time(self, record: ReadRecord) -> bool:
        if self.since is None and self.until is None:
            return True
        moment = moment_of(record)
        if moment is None:
            return False
        return (self.since is None or moment >= self.since) and (self.until is None or moment < self.until)

    def _matches(self, record: ReadRecord) -> bool:
        asked = asked_of(record)
        return (
            _fits(record.get("tenant"), self.tenants)
            and _fits(record.get("effect"), self.effects)
            and _fits(record.get("decision_id"), self.decisions)
            and _fits(asked.get("subject.id", record.get("requester")), self.subjects)
            and _fits(asked.get("action", record.get("action")), self.actions)
            and (not self.rules or any(_fits(name, self.rules) for name in _rules(record)))
        )


def _rules(record: ReadRecord) -> Iterable[object]:
    rule = record.get("rule")
    if rule is None:
        return (record.get("matched"),)
    return (rule, f"{record.get('document')}/{rule}")


def _fits(value: object, patterns: tuple[str, ...]) -> bool:
    if not patterns:
        return True
    return isinstance(value, str) and any(
        fnmatchcase(value, pattern) if "*" in pattern else value == pattern for pattern in patterns
    )


def decided_by(record: Mapping[str, object]) -> str:
    """Return what decided, in a word: a rule's id, with its document where that is not the tenant's."""
    rule, document = record.get("rule"), record.get("document")
    if rule is None:
        return str(record.get("refusal") or record.get("matched") or "")
    return str(rule) if document in (None, record.get("tenant")) else f"{document}/{rule}"
