"""A decision of the past, shown rule by rule over what was in force then."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from policy_middleware.authoring.asking_again import NotAsked, RecordedRequest
from policy_middleware.authoring.past_policies import History, PastPolicies, default_without_policy
from policy_middleware.authoring.wording import listed
from policy_middleware.cli.log_options import open_log
from policy_middleware.cli.log_records import LOST_FROM_LOG
from policy_middleware.cli.log_table import in_full, line
from policy_middleware.cli.output import print_fields, say
from policy_middleware.cli.places import StorePlace
from policy_middleware.decision_log.reading import ReadRecord, UnknownDecision
from policy_middleware.decision_log.record import DECISION, OVERRIDDEN
from policy_middleware.decision_log.selection import decided_by
from policy_middleware.evaluation.trace import DocumentTrace, Explanation, trace_document
from policy_middleware.model.decision import Outcome
from policy_middleware.stores.protocol import Store

_MOST_EVENTS: Final = 100
_OF_A_TEST: Final = "was made in a test, by policies that no store holds"


@dataclass(slots=True)
class PastDecision:
    """What the log and the history still say of a decision.

    `same` is None where it cannot be asked again; `cautions` are sentences on why the answer may not be
    exact, or cannot be given.
    """

    record: ReadRecord
    events: list[ReadRecord]
    past: PastPolicies
    cautions: list[str] = field(default_factory=list)
    explanation: Explanation | None = None
    again: Outcome | None = None
    traces: tuple[DocumentTrace, ...] = ()

    @property
    def same(self) -> bool | None:
        """True when the documents say again what the record says."""
        if self.again is None:
            return None
        return self.again.effect == self.record.get("effect") and self.again.rule_id == self.record.get(
            "rule"
        )

    @property
    def failed(self) -> bool:
        """True when the answer is another one, or a revision that it takes is gone."""
        return self.same is False or bool(self.past.lost)

    def as_dict(self) -> dict[str, Any]:
        """Return plain JSON data."""
        again = self.again
        return {
            "record": dict(self.record),
            "events": [dict(event) for event in self.events],
            "again": None
            if again is None
            else {
                "effect": again.effect.value,
                "document": again.document,
                "rule_id": again.rule_id,
                "reason": again.reason,
            },
            "same": self.same,
            "cautions": self.cautions,
            "lost": [
                {"document": lost.name, "revision": lost.revision, "why": lost.why} for lost in self.past.lost
            ],
            "documents": [trace.as_dict() for trace in self.traces],
        }


def past_decision(decision_id: str, log_file: Path | None, place: StorePlace) -> PastDecision:
    """Find a decision in the log and ask it again; raises UnknownDecision, StoreUnavailable."""
    record, events = _found(decision_id, log_file, place)
    with place.store() as store:
        return _asked_again(record, events, store)


def tell_past_decision(told: PastDecision, print_trace: Callable[[DocumentTrace], None]) -> None:
    """Print a decision of the past for people."""
    record = told.record
    full = in_full(record)
    shown = ("decision", "time", "tenant", "effect", "reason")
    fields: dict[str, object] = {name: full[name] for name in shown if name in full}
    fields["decided by"] = decided_by(record)
    for name in ("enforced", "approval", "facts", "observed"):
        if name in full:
            fields[name] = full[name]
    fields["asked"] = full.get("input")
    if told.again is not None:
        fields["asked again"] = _again(told)
    if told.cautions:
        fields["caution"] = "\n".join(told.cautions)
    print_fields(fields)
    for trace in told.traces:
        print_trace(trace)
    if told.events:
        say("\nafterwards")
        for event in told.events:
            say(line(event))


def _found(decision_id: str, log_file: Path | None, place: StorePlace) -> tuple[ReadRecord, list[ReadRecord]]:
    decision: ReadRecord | None = None
    events: list[ReadRecord] = []
    with open_log(log_file, place) as source:
        for record in source.records():
            if record.get("decision_id") != decision_id:
                continue
            if record.get("event") == DECISION:
                decision = decision or record
            elif len(events) < _MOST_EVENTS:
                events.append(record)
    if decision is None and events:
        raise UnknownDecision(
            f"the log holds only what happened to {decision_id!r} afterwards ({events[0].get('event')}), "
            "not the decision itself"
        )
    if decision is None:
        raise UnknownDecision(f"no decision {decision_id!r}: {LOST_FROM_LOG}")
    return decision, events


def _asked_again(record: ReadRecord, events: list[ReadRecord], store: Store) -> PastDecision:
    history = History(store)
    told = PastDecision(record, events, history.policies_of(record))
    if record.get(OVERRIDDEN):
        told.cautions.append(f"This decision {_OF_A_TEST}.")
        return told
    try:
        request = RecordedRequest.of(record)
    except NotAsked as why:
        told.cautions.append(f"This request {why}; there are no rules to show.")
        return told
    if request.cut:
        told.cautions.append(
            f"The record does not hold {listed(request.cut)} whole (erased, masked or shortened), "
            "so conditions on it count as if it had been missing."
        )
    policies = told.past.policies(default_without_policy(record))
    unknown = request.unknown_facts(policies)
    if unknown:
        told.cautions.append(f"The {listed(unknown)} was not recorded and counts as unknown.")
    if told.past.lost:
        told.cautions += [f"{str(lost)[0].upper()}{str(lost)[1:]}." for lost in told.past.lost]
        told.cautions.append("So the decision cannot be made again; shown is what the other documents say.")
        told.traces = tuple(
            trace_document(each.document, each.revision, request.context) for each in told.past.documents
        )
        return told
    told.explanation = request.explain(policies)
    told.traces = told.explanation.documents
    told.again = request.ask(policies)
    if request.approved:
        told.cautions.append("It brought an approval; the rules are shown as they were without it.")
    if told.same is False and not (request.cut or unknown):
        told.cautions.append(
            "The same documents say something else of the recorded request: another version decided, "
            "or the record was changed (`policyctl log verify`)."
        )
    return told


def _again(told: PastDecision) -> str:
    again = told.again
    assert again is not None
    if told.same:
        return f"the same: {again.effect.value}"
    what = again.rule_id or again.matched.value.replace("_", " ")
    return f"{again.effect.value} by {what}, NOT what was recorded"
