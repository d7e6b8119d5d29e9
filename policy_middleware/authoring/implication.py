"""Whether one condition follows from another: proved for every request there can be, or not claimed.

Sound for all conditions, and complete for plain conjunctions of comparisons with literals as long as
attributes are independent of each other. What is nested is written out as alternatives (Kleene's logic has
the distributive and De Morgan's laws); what has too many, and what `value_states` cannot
tell, proves nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache
from itertools import islice
from typing import Final

from policy_middleware.authoring.value_states import UNKNOWN, Asked, State, Verdict, asked, states, verdict
from policy_middleware.model.conditions import (
    AllOf,
    AnyOf,
    Condition,
    Count,
    Leaf,
    Not,
    Operator,
    Reference,
)

MOST_ALTERNATIVES: Final = 64


class Reading(Enum):
    """When a condition counts: an allow rule counts where it holds, a restricting one also where it may."""

    HOLDS = frozenset({True})
    MAY_HOLD = frozenset({True, None})


@dataclass(frozen=True, slots=True)
class Literal:
    """A comparison (or a count), asserted or denied."""

    asked: Asked | Count
    positive: bool


Dimension = str | Asked | Count
"""What a literal speaks of: an attribute, or a whole comparison between attributes."""

Alternative = Mapping[Dimension, frozenset[Literal]]
"""A conjunction of literals, by what they speak of."""

_SAMPLES: Final = 3
_ANY_ANSWER: Final[tuple[bool | None, ...]] = (True, False, None)


class _This:
    """A condition compared by identity: equality would take `true` for `1`."""

    __slots__ = ("condition",)

    def __init__(self, condition: Condition) -> None:
        self.condition = condition

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _This) and other.condition is self.condition

    def __hash__(self) -> int:
        return id(self.condition)


def alternatives(condition: Condition) -> tuple[Alternative, ...] | None:
    """Return the conjunctions of which one has to hold, or None when there are too many."""
    return _alternatives_of(_This(condition))


@lru_cache(maxsize=8192)
def _alternatives_of(this: _This) -> tuple[Alternative, ...] | None:
    written = _alternatives(this.condition, positive=True)
    return None if written is None else tuple(map(_by_dimension, written))


def can_count(condition: Condition, reading: Reading) -> bool:
    """False when it is certain that a condition never counts."""
    found = alternatives(condition)
    return found is None or any(_possible(one, reading) for one in found)


def can_count_together(left: Condition, right: Condition, reading: Reading) -> bool:
    """False when it is certain that two conditions never count at once."""
    return can_count(AllOf((left, right)), reading)


def follows(premise: Condition, conclusion: Condition, given: Reading, wanted: Reading) -> bool:
    """True when it is certain that `conclusion` counts (as `wanted`) wherever `premise` does (as `given`)."""
    premises, conclusions = alternatives(premise), alternatives(conclusion)
    if premises is None or conclusions is None:
        return False
    return all(
        not _possible(one, given) or any(_entails(one, other, given, wanted) for other in conclusions)
        for one in premises
    )


def impossible_attributes(condition: Condition) -> list[str]:
    """Return the attributes whose comparisons exclude each other in a condition that never holds."""
    found: dict[str, None] = {}
    for alternative in alternatives(condition) or ():
        for dimension, literals in alternative.items():
            if isinstance(dimension, str) and not _satisfiable(dimension, literals, Reading.HOLDS):
                found[dimension] = None
    return list(found)


def unknown_when_missing(condition: Condition) -> list[str]:
    """Return the attributes without which a condition may be impossible to evaluate, sorted."""
    found: set[str] = set()
    for alternative in alternatives(condition) or ():
        if not _possible(alternative, Reading.MAY_HOLD):
            continue
        for dimension, literals in alternative.items():
            if isinstance(dimension, str) and _unknown_when_missing(literals):
                found.add(dimension)
            elif isinstance(dimension, Asked):
                found.update(_unknown_when_either_is_missing(dimension.leaf))
            elif isinstance(dimension, Count):
                # Of nobody in particular nothing can be counted, and every count by subject would say so.
                found.update(set(dimension.per) - {"subject.id"})
    return sorted(found)


def _unknown_when_either_is_missing(leaf: Leaf) -> set[str]:
    # An equality with what is missing is false.
    if leaf.operator in (Operator.EQ, Operator.IN) or not isinstance(leaf.operand, Reference):
        return set()
    return {leaf.attribute, leaf.operand.attribute}


def _unknown_when_missing(literals: frozenset[Literal]) -> bool:
    answers = _answers_about(None, [one.asked for one in literals if isinstance(one.asked, Asked)])
    return None in answers.values() and _counts(answers, literals, Reading.MAY_HOLD, unknown=True)


def _alternatives(condition: Condition, *, positive: bool) -> list[frozenset[Literal]] | None:
    match condition:
        case Not(part):
            return _alternatives(part, positive=not positive)
        case AllOf(parts) | AnyOf(parts):
            options = [_alternatives(part, positive=positive) for part in parts]
            if isinstance(condition, AllOf) is positive:
                return _product(options)
            return _union(options)
        case Leaf():
            return [frozenset({Literal(asked(condition), positive)})]
        case Count():
            return [frozenset({Literal(condition, positive)})]


def _union(options: Iterable[list[frozenset[Literal]] | None]) -> list[frozenset[Literal]] | None:
    found: dict[frozenset[Literal], None] = {}
    for option in options:
        if option is None:
            return None
        found.update(dict.fromkeys(option))
        if len(found) > MOST_ALTERNATIVES:
            return None
    return list(found)


def _product(options: Iterable[list[frozenset[Literal]] | None]) -> list[frozenset[Literal]] | None:
    found: list[frozenset[Literal]] = [frozenset()]
    for option in options:
        if option is None or len(found) * len(option) > MOST_ALTERNATIVES:
            return None
        found = [left | right for left in found for right in option]
    return found


def _by_dimension(literals: frozenset[Literal]) -> Alternative:
    found: dict[Dimension, frozenset[Literal]] = {}
    for literal in literals:
        what = literal.asked
        plain = isinstance(what, Asked) and not isinstance(what.leaf.operand, Reference)
        dimension = what.leaf.attribute if plain and isinstance(what, Asked) else what
        found[dimension] = found.get(dimension, frozenset()) | {literal}
    return found


def _possible(alternative: Alternative, reading: Reading) -> bool:
    return all(_satisfiable(dimension, literals, reading) for dimension, literals in alternative.items())


def _entails(premise: Alternative, conclusion: Alternative, given: Reading, wanted: Reading) -> bool:
    return all(
        _entailed(dimension, premise.get(dimension, frozenset()), literals, given, wanted)
        for dimension, literals in conclusion.items()
    )


@lru_cache(maxsize=65536)
def _satisfiable(dimension: Dimension, literals: frozenset[Literal], reading: Reading) -> bool:
    found = _answers(dimension, literals, literals, extra=0)
    return found is None or any(_counts(answers, literals, reading, unknown=True) for answers in found)


@lru_cache(maxsize=65536)
def _entailed(
    dimension: Dimension,
    premise: frozenset[Literal],
    conclusion: frozenset[Literal],
    given: Reading,
    wanted: Reading,
) -> bool:
    if given.value <= wanted.value:
        conclusion -= premise
    if not conclusion:
        return True
    if any(not _counts_in(state, conclusion, wanted) for state in _samples(dimension, premise, given)):
        return False
    # A conclusion is refuted where one of its literals does not count.
    found = _answers(dimension, premise | conclusion, premise, extra=max(map(_refuters, conclusion)))
    return found is not None and all(
        _counts(answers, conclusion, wanted, unknown=False)
        for answers in found
        if _counts(answers, premise, given, unknown=True)
    )


@lru_cache(maxsize=8192)
def _samples(dimension: Dimension, premise: frozenset[Literal], given: Reading) -> tuple[State, ...]:
    """Return a few states in which a premise counts: most claims fail on them already."""
    if not isinstance(dimension, str):
        return ()
    comparisons = frozenset(one.asked for one in premise if isinstance(one.asked, Asked))
    found = states(dimension, comparisons, sum(map(_witnesses, premise)))
    return tuple(
        islice(
            (
                state
                for state in found or ()
                if _counts(_answers_about(state, comparisons), premise, given, unknown=False)
            ),
            _SAMPLES,
        )
    )


def _counts_in(state: State, literals: frozenset[Literal], reading: Reading) -> bool:
    comparisons = [one.asked for one in literals if isinstance(one.asked, Asked)]
    return _counts(_answers_about(state, comparisons), literals, reading, unknown=True)


Answers = Mapping[Asked | Count, Verdict]


def _answers(
    dimension: Dimension, literals: frozenset[Literal], witnessed: frozenset[Literal], extra: int
) -> list[Answers] | None:
    """Return every combination of answers that the comparisons of one dimension can give; None: too many."""
    if not isinstance(dimension, str):
        return [{dimension: answer} for answer in _ANY_ANSWER]
    comparisons = frozenset(one.asked for one in literals if isinstance(one.asked, Asked))
    found = states(dimension, comparisons, sum(map(_witnesses, witnessed)) + extra)
    return None if found is None else [_answers_about(state, comparisons) for state in found]


def _answers_about(state: State, comparisons: Iterable[Asked]) -> Answers:
    return {one: verdict(one.leaf, state) for one in comparisons}


def _witnesses(literal: Literal) -> int:
    """Return how many values it takes at most to show that a literal counts."""
    what = literal.asked
    several = isinstance(what, Asked) and what.leaf.operator is Operator.CONTAINS_ALL
    return len(what.flags) if several and isinstance(what, Asked) else 1


def _refuters(literal: Literal) -> int:
    """Return how many values it takes at most to show that a literal does not count."""
    return 1 if literal.positive else _witnesses(literal)


def _counts(answers: Answers, literals: Iterable[Literal], reading: Reading, *, unknown: bool) -> bool:
    """Return whether all literals count; what cannot be told counts as `unknown`."""
    for literal in literals:
        answer = answers[literal.asked]
        if answer is UNKNOWN:
            if not unknown:
                return False
            continue
        if answer is not None and not literal.positive:
            answer = not answer
        if answer not in reading.value:
            return False
    return True
