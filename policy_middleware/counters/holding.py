"""What counters hold of one subject, for the people who look after it: each rule's numbers, by its name."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from policy_middleware.counters.protocol import Counters
from policy_middleware.evaluation.counting import Question, counter_of
from policy_middleware.evaluation.facts import fact_of, tally_of
from policy_middleware.evaluation.policy_set import PolicySet
from policy_middleware.model.conditions import Count
from policy_middleware.model.context import RequestContext
from policy_middleware.model.errors import PolicyError

COUNTERS_RESET: Final = "counters_reset"
"""The event that records who has set which counters back, and why."""


class NoSuchCount(PolicyError):
    """The rule asks no count, or the values that it is kept by were not given."""


@dataclass(frozen=True, slots=True)
class HeldCount:
    """One number that a rule asks for: `attribute` names it as records and traces do.

    `asks` is the comparison, as `gte 3`, or `limit 5` for a limit of five. `number` is None where an
    attribute of `missing`, out of those it is kept `per`, would have to be known.
    """

    document: str
    rule: str
    attribute: str
    asks: str
    per: tuple[str, ...]
    number: int | None = None
    missing: tuple[str, ...] = ()


def held_counts(
    policies: PolicySet, context: RequestContext, counters: Counters, rule: str | None = None
) -> tuple[HeldCount, ...]:
    """Return what the counters say to each rule, or to the one called `rule` or `document/rule`.

    One round trip. Raises NoSuchCount when no such rule asks for any, and StoreUnavailable.
    """
    asked = _asked(policies, rule)
    found = [(count, _held(count, context), _question(count, context)) for count in asked]
    questions = [question for _, _, question in found if question is not None]
    numbers = iter(counters.read(context.tenant, questions) if questions else ())
    return tuple(
        held if question is None else replace(held, number=next(numbers)) for _, held, question in found
    )


def clear_counts(policies: PolicySet, context: RequestContext, counters: Counters, rule: str) -> None:
    """Forget what a rule's counters hold for the context's values; see `held_counts`.

    What other rules count stays, unless they ask for the same decisions by the same attributes.
    """
    questions = [_question(count, context) for count in _asked(policies, rule)]
    names = sorted({question.counter for question in questions if question is not None})
    if not names:
        missing = sorted({name for count in _asked(policies, rule) for name in _missing(count, context)})
        raise NoSuchCount(f"whose counts of rule {rule!r}? Give a value for {', '.join(missing)}")
    counters.clear(context.tenant, names)


def _asked(policies: PolicySet, rule: str | None) -> Sequence[Count]:
    counts: Iterable[Count] = (count for document in policies.documents for count in document.counts)
    asked = [count for count in counts if rule is None or rule in _names(count)]
    if rule is not None and not asked:
        raise NoSuchCount(f"no rule {rule!r} that is in force here asks for a count or has a limit")
    return asked


def _names(count: Count) -> tuple[str, str]:
    return count.owner, count.owner.partition("/")[2]


def _held(count: Count, context: RequestContext) -> HeldCount:
    fact = fact_of(count)
    document, _, rule = count.owner.partition("/")
    asks = f"{'limit' if fact.tally.kind == 'limit' else count.comparison} {count.threshold}"
    return HeldCount(document, rule, fact.attribute, asks, count.per, missing=_missing(count, context))


def _missing(count: Count, context: RequestContext) -> tuple[str, ...]:
    return tuple(name for name in count.per if context.values(name) is None)


def _question(count: Count, context: RequestContext) -> Question | None:
    counter = counter_of(tally_of(count), context)
    return None if counter is None else Question(counter, count.within)
