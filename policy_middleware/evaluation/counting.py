"""What the documents in force ask about the past, and which of today's decisions will have to be told.

Pure functions of documents, context and outcome: nothing is counted here.
"""

from __future__ import annotations

import json
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

from policy_middleware.evaluation.facts import Fact, Tally, fact_of, tally_of
from policy_middleware.model.conditions import Count, Operator, Scalar
from policy_middleware.model.context import RequestContext
from policy_middleware.model.decision import Matched, Outcome
from policy_middleware.model.effect import Effect

NO_BOUND: Final = 2**53
"""More entries than there can be."""

_COUNTED: Final = frozenset({Matched.RULE, Matched.DEFAULT, Matched.APPROVAL})
"""What counts: a policy decided. Refusals, outages and missing policies do not."""


@dataclass(frozen=True, slots=True)
class Question:
    """How many entries of a counter are at most `within` seconds old.

    `counter` is the hexadecimal digest that names one tally of one combination of values.
    """

    counter: str
    within: float


@dataclass(frozen=True, slots=True)
class Entry:
    """A counter that has to be told. It keeps the last `cap` entries of `within` seconds."""

    counter: str
    within: float
    cap: int


@dataclass(frozen=True, slots=True)
class Premise:
    """What a decision rests on: the answer to `question` was between `low` and `high`, both included."""

    question: Question
    low: int
    high: int


@dataclass(slots=True)
class _Kept:
    within: float = 0.0
    cap: int = 1


class Counting:
    """The counts and limits of the documents that decide for one tenant; immutable to its users."""

    __slots__ = ("_bounds", "_fed", "_kept")

    def __init__(self, counts: Iterable[Count]) -> None:
        self._kept: dict[Tally, _Kept] = {}
        bounds: dict[Fact, set[int]] = {}
        for count in counts:
            fact = fact_of(count)
            kept = self._kept.setdefault(fact.tally, _Kept())
            kept.within = max(kept.within, count.within)
            # One more than can be asked for, so that "more than" is told from "as many as".
            kept.cap = max(kept.cap, count.threshold + (fact.tally.kind != "limit"))
            bounds.setdefault(fact, set()).update(_BOUNDS[count.comparison](count.threshold))
        self._fed: dict[tuple[str | None, str | None, Effect], tuple[Tally, ...]] = {}
        self._bounds: Mapping[Fact, list[int]] = {fact: sorted(found) for fact, found in bounds.items()}

    def question(self, fact: Fact, context: RequestContext) -> Question | None:
        """Return what to look up for a fact; None when an attribute it is kept by is missing."""
        counter = counter_of(fact.tally, context)
        return None if counter is None else Question(counter, fact.within)

    def premise(self, fact: Fact, question: Question, number: int) -> Premise:
        """Return which numbers would have given the same answers as `number`."""
        bounds = self._bounds[fact]
        place = bisect_right(bounds, number)
        low = bounds[place - 1] if place else 0
        high = bounds[place] - 1 if place < len(bounds) else NO_BOUND
        return Premise(question, low, high)

    def told_of(self, outcome: Outcome, context: RequestContext) -> tuple[Entry, ...]:
        """Return the counters that a decision has to be written to, its limits included."""
        if outcome.matched not in _COUNTED:
            return ()
        decided = (outcome.document, outcome.rule_id, outcome.effect)
        fed = self._fed.get(decided)
        if fed is None:  # as many as the documents have rules and defaults, times effects
            fed = self._fed[decided] = tuple(self._fed_by(*decided))
        return self._entries((*fed, *(tally_of(limit.room) for limit in outcome.obligations.limits)), context)

    def _fed_by(self, document: str | None, rule: str | None, effect: Effect) -> Iterator[Tally]:
        """Yield the tallies of history that a decision belongs to."""
        decided_by = None if rule is None else f"{document}/{rule}"
        for tally in self._kept:
            if tally.kind == "effect":
                fed = tally.name == effect and tally.owner != decided_by
            else:
                fed = tally.kind == "rule" and tally.name == decided_by
            if fed:
                yield tally

    def told_of_event(self, event: str, context: RequestContext) -> tuple[Entry, ...]:
        """Return the counters that an application's event has to be written to."""
        return self._entries(
            (tally for tally in self._kept if tally.kind == "event" and tally.name == event), context
        )

    def _entries(self, tallies: Iterable[Tally], context: RequestContext) -> tuple[Entry, ...]:
        # A decision may be older than these documents, and its limit no longer in them.
        known = (tally for tally in tallies if tally in self._kept)
        named = ((counter_of(tally, context), self._kept[tally]) for tally in known)
        return tuple(Entry(name, kept.within, kept.cap) for name, kept in named if name is not None)


def counter_of(tally: Tally, context: RequestContext) -> str | None:
    """Return the name of the counter for the context's values; None when one of them is missing.

    A digest, because a client may choose the values: as long as they like, and of any characters.
    """
    values = [context.values(attribute) for attribute in tally.per]
    if None in values:
        return None
    named = [tally.kind, tally.name, tally.owner, tally.per, [_as_set(each or ()) for each in values]]
    return sha256(json.dumps(named, separators=(",", ":")).encode()).hexdigest()


def _as_set(values: tuple[Scalar, ...]) -> list[str]:
    """Return the values of an attribute as the set they are: `1` is `1.0`, and neither is `"1"` or `true`."""
    return sorted({json.dumps(int(each) if _is_whole(each) else each) for each in values})


def _is_whole(value: Scalar) -> bool:
    return isinstance(value, float) and value.is_integer()


_BOUNDS: Final[Mapping[Operator, Callable[[int], tuple[int, ...]]]] = {
    Operator.GT: lambda threshold: (threshold + 1,),
    Operator.GTE: lambda threshold: (threshold,),
    Operator.LT: lambda threshold: (threshold,),
    Operator.LTE: lambda threshold: (threshold + 1,),
    Operator.EQ: lambda threshold: (threshold, threshold + 1),
}
"""Numbers from which on a comparison answers otherwise than for the number before."""
