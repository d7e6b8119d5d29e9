"""One decision over documents that ask about the past: what it has to know first, and who has to be told."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from policy_middleware.counters.complaints import Complaints
from policy_middleware.counters.protocol import Counters
from policy_middleware.evaluation.counting import Counting, Entry, Question
from policy_middleware.evaluation.facts import Fact
from policy_middleware.evaluation.policy_set import PolicySet
from policy_middleware.model.context import RequestContext
from policy_middleware.model.decision import Outcome
from policy_middleware.model.effect import Effect
from policy_middleware.model.errors import StoreUnavailable

log: Final = logging.getLogger("policy_middleware")

ATTEMPTS: Final = 32
"""How often a decision is made anew because what it rests on changed before it was written down."""


@dataclass(frozen=True, slots=True)
class Counted:
    """An outcome and the numbers it rests on, by attribute; None where one could not be had."""

    outcome: Outcome
    facts: Mapping[str, int | None]


class CountedDecision:
    """Decides one context; `evaluate` answers it, with the facts among its attributes.

    What is decided is exact under concurrency: a decision is written down only if the counters still say what
    it rests on, else it is made anew. So all decisions that are counted stand in one order, the server's, and
    each is what it would have been had nothing else gone on. Where counters cannot be reached, nothing is
    known: restricting rules apply, limits let nothing through.
    """

    def __init__(
        self,
        counters: Counters,
        policies: PolicySet,
        context: RequestContext,
        evaluate: Callable[[RequestContext], Outcome],
        complaints: Complaints,
        *,
        approved: bool = False,
    ) -> None:
        if policies.counting is None:
            raise AssertionError("these policies count nothing")
        self._counters, self._counting, self._context = counters, policies.counting, context
        self._evaluate = evaluate
        self._complaints = complaints
        self._wanted = sorted(policies.wanted(context, approved=approved), key=lambda fact: fact.attribute)

    @property
    def counting(self) -> Counting:
        """What the policies ask."""
        return self._counting

    def in_memory(self) -> Outcome | None:
        """Return the outcome if it rests on no fact and no counter has to be told; never blocks."""
        if self._wanted:
            return None
        outcome = self._evaluate(self._context)
        return None if self._counting.told_of(outcome, self._context) else outcome

    def peek(self) -> Counted:
        """Decide by what the counters say now, and leave them as they are; one round trip at most."""
        return self._settled(self._read(self._questions()))

    def settle(self, entry_id: str, *, hold: bool = False) -> Counted:
        """Decide, and write the decision to the counters it belongs to, limits included.

        One round trip to read if there is something to know, one to write if somebody has to be told. With
        `hold`, a request that needs approval is not written: it has not been parked yet.
        """
        questions = self._questions()
        facts = self._read(questions)
        for _ in range(ATTEMPTS):
            settled = self._settled(facts)
            if hold and settled.outcome.effect is Effect.REQUIRE_APPROVAL:
                return settled
            if None in (facts[fact] for fact in questions):  # an outage decided, and is not counted
                return settled
            entries = self._counting.told_of(settled.outcome, self._context)
            if not entries:
                return settled
            changed = self._write(entry_id, entries, questions, facts)
            if changed is None:
                return settled
            facts |= changed
        log.error("decision %s was overtaken %d times; its counters count as unknown", entry_id, ATTEMPTS)
        return self._settled(dict.fromkeys(self._wanted))

    def _questions(self) -> dict[Fact, Question]:
        asked = ((fact, self._counting.question(fact, self._context)) for fact in self._wanted)
        return {fact: question for fact, question in asked if question is not None}

    def _read(self, questions: Mapping[Fact, Question]) -> dict[Fact, int | None]:
        facts: dict[Fact, int | None] = dict.fromkeys(self._wanted)
        if questions:
            try:
                numbers = self._counters.read(self._context.tenant, list(questions.values()))
            except StoreUnavailable as error:
                self._complaints.about("read", error)
            else:
                facts |= dict(zip(questions, numbers, strict=True))
        return facts

    def _write(
        self,
        entry_id: str,
        entries: tuple[Entry, ...],
        questions: Mapping[Fact, Question],
        facts: Mapping[Fact, int | None],
    ) -> dict[Fact, int | None] | None:
        """Write the decision down; return the facts that it has to be made anew with, None when it stands."""
        premises = [
            self._counting.premise(fact, question, number)
            for fact, question in questions.items()
            if (number := facts[fact]) is not None
        ]
        try:
            found = self._counters.write(self._context.tenant, entry_id, entries, premises)
        except StoreUnavailable as error:
            self._complaints.about("written", error)
            return dict.fromkeys(questions) or None
        return None if found is None else dict(zip(questions, found, strict=True))

    def _settled(self, facts: Mapping[Fact, int | None]) -> Counted:
        known = {fact.attribute: number for fact, number in facts.items()}
        if not known:
            return Counted(self._evaluate(self._context), known)
        return Counted(self._evaluate(with_facts(self._context, known)), known)


def with_facts(context: RequestContext, facts: Mapping[str, int | None]) -> RequestContext:
    """Return a context that knows numbers by their attributes; one that is None stays missing."""
    known = {attribute: number for attribute, number in facts.items() if number is not None}
    return RequestContext(context.tenant, {**context.attributes, **known}, context.now)
