"""A document compiled to bit-vectors: a decision costs the same for three rules and for three thousand.

Every enabled rule becomes one or a few rows (`rows.py`). Each attribute the rules read has a table from its
value to a mask of the rows still possible (`tables.py`); the AND of the masks leaves the rows that hold or
cannot be evaluated, and the lowest bit is the first match. What no table can express (comparisons between
attributes, a second comparison of one kind) is checked on the few rows that survive.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from policy_middleware.evaluation.combining import (
    DocumentResult,
    Satisfied,
    approved,
    default_outcome,
    join,
    observed_rule,
    rule_outcome,
)
from policy_middleware.evaluation.facts import Fact, counts_in, fact_of, spelled_out
from policy_middleware.evaluation.lines import Line, Span
from policy_middleware.evaluation.reference import conjunction, holds, negation
from policy_middleware.evaluation.rows import Term, rows_of
from policy_middleware.evaluation.tables import TableBuilder
from policy_middleware.model.conditions import AllOf, AnyOf, Condition, Count, Leaf, Not
from policy_middleware.model.context import RequestContext
from policy_middleware.model.decision import ObservedRule, Outcome
from policy_middleware.model.effect import Effect
from policy_middleware.model.policy import Combine, PolicyDocument, Rule
from policy_middleware.model.vocabulary import HOUR, TIME, WEEKDAY

_CLOCK: Final = frozenset({TIME, HOUR, WEEKDAY})
_RESULTS: Final = 1024
"""Distinct combinations of several contributing rules whose joined result is kept."""

_Verdict = tuple[int, bool | None]
_Counted = tuple[tuple[_Verdict, ...], tuple[_Verdict, ...]]


class CompiledDocument:
    """One revision of a document, ready to decide; safe to share between threads."""

    __slots__ = (
        "_all_rows",
        "_allow_rows",
        "_answers",
        "_clock_tables",
        "_counting_rows",
        "_counts",
        "_default",
        "_first_match",
        "_joined",
        "_residuals",
        "_rule_of",
        "_rules",
        "_special_rows",
        "_tables",
        "_windows",
        "document",
        "revision",
    )

    def __init__(self, document: PolicyDocument, revision: str) -> None:
        """Compile a document; `revision` is the SHA-256 hex digest of the bytes it was read from."""
        self.document = document
        self.revision = revision
        self._first_match = document.combine is Combine.FIRST_MATCH
        self._rules: tuple[Rule, ...] = tuple(rule for rule in document.rules if rule.enabled)
        self._rule_of: list[int] = []
        self._residuals: dict[int, tuple[Term, ...]] = {}
        self._allow_rows = 0
        self._special_rows = 0
        self._counting_rows = 0
        self._counts: dict[int, tuple[Count, ...]] = {}
        builders: dict[str, TableBuilder] = {}
        windows: list[tuple[int, Span, bool]] = []
        bit = 1
        for number, rule in enumerate(self._rules):
            counts = tuple(counts_in(rule.condition))
            if counts:
                self._counts[number] = counts
            for row in rows_of(spelled_out(rule.condition) if counts else rule.when):
                residual = []
                for term in row:
                    leaf, negated = term
                    if leaf.__class__ is not Leaf:
                        residual.append(term)
                        continue
                    builder = builders.get(leaf.attribute)
                    if builder is None:
                        builder = builders[leaf.attribute] = TableBuilder()
                    if not builder.add(bit, leaf, negated):
                        residual.append(term)
                if residual:
                    self._residuals[len(self._rule_of)] = tuple(residual)
                if residual or rule.observe:
                    self._special_rows |= bit
                if rule.effect is Effect.ALLOW:
                    self._allow_rows |= bit
                if counts:
                    self._counting_rows |= bit
                if rule.valid_from is not None or rule.valid_until is not None:
                    windows.append((bit, _window(rule), False))
                self._rule_of.append(number)
                bit <<= 1
        self._all_rows = bit - 1
        self._windows = Line(windows) if windows else None
        self._set_tables(builders)
        default = default_outcome(document)
        self._default = DocumentResult(default)
        self._answers: list[DocumentResult | None] = [None] * len(self._rule_of)
        self._joined: dict[_Counted, DocumentResult] = {}

    def _set_tables(self, builders: dict[str, TableBuilder]) -> None:
        # The attribute most rules speak of leaves the fewest rows; asked first, it often leaves none.
        named = sorted(builders.items(), key=lambda item: -item[1].mentions)
        tables = [(name, builder.build(self._all_rows)) for name, builder in named if builder.mentions]
        self._tables = tuple((name, table.memo.get, table) for name, table in tables if name not in _CLOCK)
        self._clock_tables = tuple((name, table) for name, table in tables if name in _CLOCK)

    @property
    def name(self) -> str:
        """The document's name."""
        return self.document.name

    @property
    def is_silent(self) -> bool:
        """True when the document has no say: no rule is switched on and there is no default."""
        return not self._rules and self._default.outcome is None

    @property
    def counts(self) -> tuple[Count, ...]:
        """Every count and limit of the rules that are switched on."""
        return tuple(count for counts in self._counts.values() for count in counts)

    def wanted(self, context: RequestContext, *, approved: bool = False) -> set[Fact]:
        """Return the facts on which the answer may depend: what else their rules ask holds, or may hold.

        With `approved`, the answer is that of `evaluate_approved`, which looks at every rule.
        """
        possible, _ = self._survivors(context)
        if not possible & self._counting_rows:
            return set()
        facts: set[Fact] = set()
        for number in sorted({self._rule_of[row] for row in _rows(possible)}):
            rule = self._rules[number]
            verdict = holds(rule.condition, context)
            if verdict is None and number in self._counts:
                facts |= open_facts(rule.condition, context, must_hold=rule.effect is Effect.ALLOW)
            elif verdict and self._first_match and not rule.observe and not approved:
                break
        return facts

    def evaluate(self, context: RequestContext) -> DocumentResult:
        """Return what the document says; the same object for the same answer."""
        possible, unknown = self._survivors(context)
        if not possible:
            return self._default
        if self._first_match:
            first = possible & -possible
            if not (unknown or self._special_rows) or not first & (unknown | self._special_rows):
                row = first.bit_length() - 1
                return self._answers[row] or self._answer(row)
        return self._weigh(possible, unknown, context)

    def evaluate_approved(self, context: RequestContext, satisfied: Satisfied) -> DocumentResult:
        """Return what the document says once the approvals in `satisfied` are given.

        Each stands for allow; every mask rule that holds, or may hold, applies; everything else is as before.
        """
        possible, unknown = self._survivors(context)
        verdicts = list(self._verdicts(possible, unknown, context))
        counted, observed, decided = self._count(iter(verdicts))
        outcomes = [approved(self._contribution(verdict), satisfied) for verdict in counted]
        if not decided and self._default.outcome is not None:
            outcomes.append(self._default.outcome)
        outcomes += [
            self._contribution(verdict)
            for verdict in verdicts
            if (rule := self._rules[verdict[0]]).effect is Effect.MASK and not rule.observe
        ]
        return DocumentResult(join(outcomes), self._observed(observed))

    def _survivors(self, context: RequestContext) -> tuple[int, int]:
        """Return the rows that no table rules out, and those that some table leaves unknown."""
        possible = self._all_rows
        if self._windows is not None:
            possible ^= self._windows.outside[self._windows.region(context.now)]
        unknown = 0
        if not possible:
            return 0, 0
        value_of = context.attributes.get
        for attribute, recall, table in self._tables:
            value = value_of(attribute)
            still_possible, left_unknown = recall(value) or table.look_up(value)
            possible &= still_possible
            if not possible:
                return 0, 0
            if left_unknown:
                unknown |= left_unknown
        for attribute, table in self._clock_tables:
            still_possible, left_unknown = table.look_up(context.clock_value(attribute))
            possible &= still_possible
            unknown |= left_unknown
        return possible, unknown

    def _verdicts(self, possible: int, unknown: int, context: RequestContext) -> Iterator[_Verdict]:
        """Yield the rules that count, in order: (number, True), or (number, None) where it is unknown."""
        possible &= ~(unknown & self._allow_rows)
        waiting = decided = -1
        while possible:
            bit = possible & -possible
            possible ^= bit
            row = bit.bit_length() - 1
            number = self._rule_of[row]
            if number == decided:
                continue
            verdict = None if bit & unknown else True
            residual = self._residuals.get(row)
            if residual is not None:
                rest = conjunction(_holds(term, context) for term in residual)
                verdict = rest if rest is not True else verdict
            if verdict is False or (verdict is None and bit & self._allow_rows):
                continue
            if waiting not in (-1, number):
                yield waiting, None
                waiting = -1
            if verdict is None:
                waiting = number  # a later row of the same rule may still hold
            else:
                waiting, decided = -1, number
                yield number, True
        if waiting != -1:
            yield waiting, None

    def _count(self, verdicts: Iterator[_Verdict]) -> tuple[list[_Verdict], list[_Verdict], bool]:
        """Return the rules that contribute, those only observed, and whether one definitely holds."""
        counted: list[_Verdict] = []
        observed: list[_Verdict] = []
        decided = False
        for verdict in verdicts:
            if self._rules[verdict[0]].observe:
                observed.append(verdict)
                continue
            counted.append(verdict)
            if verdict[1]:
                decided = True
                if self._first_match:
                    break
        return counted, observed, decided

    def _weigh(self, possible: int, unknown: int, context: RequestContext) -> DocumentResult:
        counted, observed, decided = self._count(self._verdicts(possible, unknown, context))
        if not counted and not observed:
            return self._default
        key = tuple(counted), tuple(observed)
        result = self._joined.get(key)
        if result is None:
            outcomes = [self._contribution(verdict) for verdict in counted]
            if not decided and self._default.outcome is not None:
                outcomes.append(self._default.outcome)
            result = DocumentResult(join(outcomes), self._observed(observed))
            if len(self._joined) >= _RESULTS:
                self._joined.clear()
            self._joined[key] = result
        return result

    def _answer(self, row: int) -> DocumentResult:
        result = DocumentResult(self._contribution((self._rule_of[row], True)))
        self._answers[row] = result
        return result

    def _contribution(self, verdict: _Verdict) -> Outcome:
        number, certain = verdict
        return rule_outcome(self.document.name, self._rules[number], indeterminate=certain is None)

    def _observed(self, verdicts: list[_Verdict]) -> tuple[ObservedRule, ...]:
        return tuple(
            observed_rule(self.document.name, self._rules[number], indeterminate=certain is None)
            for number, certain in verdicts
        )


def open_facts(condition: Condition, context: RequestContext, *, must_hold: bool) -> set[Fact]:
    """Return the facts that can still change a condition which is unknown without them.

    With `must_hold` only those that can make it hold: none, where a part without counts is unknown as well.
    """
    match condition:
        case Count():
            return {fact_of(condition)}
        case Not(part):
            return open_facts(part, context, must_hold=False)
        case AllOf(parts) | AnyOf(parts):
            unknown = [part for part in parts if holds(part, context) is None]
            counting = [part for part in unknown if any(counts_in(part))]
            if must_hold and isinstance(condition, AllOf) and len(counting) < len(unknown):
                return set()
            return {fact for part in counting for fact in open_facts(part, context, must_hold=must_hold)}
    return set()


def _rows(mask: int) -> Iterator[int]:
    """Yield the numbers of the bits that are set, lowest first."""
    while mask:
        bit = mask & -mask
        mask ^= bit
        yield bit.bit_length() - 1


def _holds(term: Term, context: RequestContext) -> bool | None:
    condition, negated = term
    verdict = holds(condition, context)
    return negation(verdict) if negated else verdict


def _window(rule: Rule) -> Span:
    return (
        None if rule.valid_from is None else (rule.valid_from, 0),
        None if rule.valid_until is None else (rule.valid_until, 0),
    )
