"""Counts and limits: the index agrees with the specification, and knows what has to be asked and told."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policy_middleware.evaluation.combining import default_outcome, rule_outcome
from policy_middleware.evaluation.counting import Counting, Entry, Question, counter_of
from policy_middleware.evaluation.facts import Fact, Tally, comparison, counts_in, fact_of
from policy_middleware.evaluation.index import CompiledDocument
from policy_middleware.evaluation.policy_set import PolicySet
from policy_middleware.evaluation.reference import (
    compare,
    evaluate_document,
    evaluate_document_approved,
    evaluate_documents,
)
from policy_middleware.model.conditions import AllOf, AnyOf, Condition, Count, Not, Operator, owned
from policy_middleware.model.context import AttributeValue, RequestContext
from policy_middleware.model.count_parser import COMPARISONS
from policy_middleware.model.decision import Matched, Outcome
from policy_middleware.model.effect import Effect
from policy_middleware.model.policy import Combine, LimitSpec, PolicyDocument, Rule
from tests.evaluation.builders import REVISION, at_least, context, document, every, is_, rule
from tests.evaluation.strategies import (
    ATTRIBUTES,
    conditions,
    contexts,
    documents,
    leaves,
    sets_of_documents,
)

ALLOW, DENY, MASK = Effect.ALLOW, Effect.DENY, Effect.MASK
PER = ("subject.id",)

counts = st.builds(
    Count,
    st.sampled_from([PER, ("subject.id", "action")]),
    st.sampled_from([60.0, 3600.0]),
    st.sampled_from(list(COMPARISONS.values())),
    st.integers(0, 4),
    effect=st.sampled_from(["deny", "allow"]),
)
counting: st.SearchStrategy[Condition] = conditions(st.one_of(leaves(ATTRIBUTES), counts, counts))  # type: ignore[arg-type]


def with_owners(policy: PolicyDocument, limited: set[int]) -> PolicyDocument:
    """Return a document as the parser makes them; some of its allow rules have a limit."""

    def finished(number: int, one: Rule) -> Rule:
        owner = f"{policy.name}/{one.id}"
        limit = LimitSpec(PER, 3600.0, 1 + number % 3, owner) if number in limited else None
        return replace(one, when=owned(one.when, owner), limit=limit if one.effect is Effect.ALLOW else None)

    return replace(policy, rules=tuple(finished(number, one) for number, one in enumerate(policy.rules)))


counting_documents = st.builds(with_owners, documents(counting), st.sets(st.integers(0, 7)))
counting_sets = st.builds(
    lambda policies, limited: tuple(with_owners(policy, limited) for policy in policies),
    sets_of_documents(counting),
    st.sets(st.integers(0, 7)),
)


def facts_of(*policies: PolicyDocument) -> list[Fact]:
    return sorted(
        {fact_of(count) for policy in policies for one in policy.rules for count in counts_in(one.condition)},
        key=lambda fact: fact.attribute,
    )


def knowing(asked: RequestContext, numbers: Mapping[str, AttributeValue]) -> RequestContext:
    return RequestContext(asked.tenant, {**asked.attributes, **numbers}, asked.now)


def numbers_for(data: st.DataObject, facts: list[Fact]) -> dict[str, AttributeValue]:
    return {fact.attribute: data.draw(st.integers(0, 6)) for fact in facts}


def sets_of(policies: tuple[PolicyDocument, ...]) -> PolicySet:
    return PolicySet(tuple(CompiledDocument(policy, REVISION) for policy in policies))


@given(counting_documents, contexts(), st.data())
def test_index_decides_counts_as_the_specification_does(
    policy: PolicyDocument, asked: RequestContext, data: st.DataObject
) -> None:
    known = [fact for fact in facts_of(policy) if data.draw(st.integers(0, 3))]
    told = knowing(asked, numbers_for(data, known))
    compiled = CompiledDocument(policy, REVISION)
    for _ in range(2):
        result, wanted = compiled.evaluate(told), evaluate_document(policy, told)
        assert (result.outcome, result.observed) == (wanted.outcome, wanted.observed)


@given(counting_sets, contexts(), st.data())
def test_the_facts_asked_for_are_all_that_matter(
    policies: tuple[PolicyDocument, ...], asked: RequestContext, data: st.DataObject
) -> None:
    compiled = sets_of(policies)
    everything = numbers_for(data, facts_of(*policies))
    wanted = {fact.attribute for fact in compiled.wanted(asked)}
    only_wanted = {name: number for name, number in everything.items() if name in wanted}
    outcome = compiled.evaluate(knowing(asked, only_wanted))
    assert outcome == compiled.evaluate(knowing(asked, everything))
    specified = evaluate_documents(policies, knowing(asked, everything))
    assert specified is not None
    assert replace(outcome, observed=()) == replace(specified, observed=())


@given(counting_documents, contexts(), st.sets(st.integers(0, 7)), st.data())
def test_the_facts_asked_for_are_all_that_matter_once_approvals_are_given(
    policy: PolicyDocument, asked: RequestContext, given_to: set[int], data: st.DataObject
) -> None:
    compiled = CompiledDocument(policy, REVISION)
    satisfied = frozenset((policy.name, f"r{number}", f"digest-{number}") for number in given_to)
    everything = numbers_for(data, facts_of(policy))
    wanted = {fact.attribute for fact in compiled.wanted(asked, approved=True)}
    only_wanted = {name: number for name, number in everything.items() if name in wanted}
    result = compiled.evaluate_approved(knowing(asked, only_wanted), satisfied)
    specified = evaluate_document_approved(policy, knowing(asked, everything), satisfied)
    assert (result.outcome, result.observed) == (specified.outcome, specified.observed)


@given(counting_documents, contexts(), st.data())
def test_a_number_within_the_premise_changes_no_answer(
    policy: PolicyDocument, asked: RequestContext, data: st.DataObject
) -> None:
    compiled = sets_of((policy,))
    if compiled.counting is None:
        return
    facts = facts_of(policy)
    numbers = {fact: data.draw(st.integers(0, 6)) for fact in facts}
    others = {}
    for fact, number in numbers.items():
        if fact in {fact_of(count) for document in compiled.documents for count in document.counts}:
            premise = compiled.counting.premise(fact, Question("x", fact.within), number)
            assert premise.low <= number <= premise.high
            others[fact] = data.draw(st.integers(premise.low, min(premise.high, 9)))
    first = knowing(asked, {fact.attribute: number for fact, number in numbers.items()})
    second = knowing(first, {fact.attribute: number for fact, number in others.items()})
    assert compiled.evaluate(first) == compiled.evaluate(second)


def denials(operator: Operator = Operator.GTE, threshold: int = 3, **changes: object) -> Count:
    fields: dict[str, object] = {"effect": "deny", "owner": "acme/locked", **changes}
    return Count(PER, 3600.0, operator, threshold, **fields)  # type: ignore[arg-type]


def fact(count: Count, number: int) -> dict[str, AttributeValue]:
    return {fact_of(count).attribute: number}


@pytest.mark.parametrize("operator", COMPARISONS.values())
def test_a_count_that_nobody_made_is_unknown(operator: Operator) -> None:
    assert compare(comparison(denials(operator)), context(subject_id="ann")) is None


@pytest.mark.parametrize(
    ("operator", "answers"),
    [
        (Operator.GT, [False, False, True]),
        (Operator.GTE, [False, True, True]),
        (Operator.LT, [True, False, False]),
        (Operator.LTE, [True, True, False]),
        (Operator.EQ, [False, True, False]),
    ],
)
def test_a_count_compares_with_its_threshold(operator: Operator, answers: list[bool]) -> None:
    count = denials(operator)
    said = [compare(comparison(count), knowing(context(), fact(count, number))) for number in (2, 3, 4)]
    assert said == answers


def test_a_rule_asks_only_when_everything_else_holds() -> None:
    count = denials()
    locked = rule("locked", DENY, every(is_("action", "login"), count))
    compiled = CompiledDocument(document(locked), REVISION)
    assert compiled.wanted(context(action="read")) == set()
    assert compiled.wanted(context(action="login")) == {fact_of(count)}


def test_a_rule_behind_the_one_that_decides_asks_nothing() -> None:
    locked = rule("locked", DENY, denials())
    reads = rule("reads", ALLOW, is_("action", "read"))
    compiled = CompiledDocument(document(reads, locked), REVISION)
    assert compiled.wanted(context(action="read")) == set()
    assert compiled.wanted(context(action="write"))
    every_rule = document(reads, locked, combine=Combine.MOST_RESTRICTIVE)
    assert CompiledDocument(every_rule, REVISION).wanted(context(action="read"))


def test_an_allow_rule_that_cannot_hold_anyway_asks_nothing() -> None:
    known = every(at_least("context.score", 5), denials(Operator.LT))
    compiled = CompiledDocument(document(rule("locked", ALLOW, known)), REVISION)
    assert compiled.wanted(context()) == set()
    assert compiled.wanted(context(context_score=7))


def test_only_the_branches_that_are_open_ask() -> None:
    first, second = denials(threshold=1), denials(threshold=2, effect="allow")
    either = AnyOf((every(is_("action", "a"), first), every(is_("action", "b"), Not(second))))
    compiled = CompiledDocument(document(rule("locked", DENY, either)), REVISION)
    assert compiled.wanted(context(action="b")) == {fact_of(second)}
    assert compiled.wanted(context(action="c")) == set()


def test_documents_without_counts_count_nothing() -> None:
    off = rule("locked", DENY, denials(), enabled=False)
    assert sets_of((document(rule("reads", ALLOW), off),)).counting is None


def decided(effect: Effect, rule_id: str | None, name: str = "acme", **changes: object) -> Outcome:
    made = Outcome(effect, "Because.", rule_id, name, Matched.RULE if rule_id else Matched.DEFAULT)
    return replace(made, **changes)  # type: ignore[arg-type]


def told(counting: Counting, outcome: Outcome, **attributes: AttributeValue) -> list[Entry]:
    return list(counting.told_of(outcome, context(subject_id="ann", **attributes)))


def test_a_decision_is_told_to_the_counts_of_its_effect() -> None:
    counting = Counting([denials()])
    assert told(counting, decided(DENY, "other"))
    assert told(counting, decided(DENY, None))
    assert told(counting, decided(DENY, "locked", name="_global"))
    assert not told(counting, decided(ALLOW, "other"))


def test_a_rule_does_not_count_its_own_decisions() -> None:
    assert not told(Counting([denials()]), decided(DENY, "locked"))


@pytest.mark.parametrize("matched", [Matched.REFUSAL, Matched.STORE_UNAVAILABLE, Matched.MISSING_POLICY])
def test_what_no_policy_decided_is_not_counted(matched: Matched) -> None:
    assert not told(Counting([denials()]), decided(DENY, None, matched=matched))


def test_the_decisions_of_one_rule_can_be_counted() -> None:
    counting = Counting([denials(effect=None, rule="wrong-password")])
    assert told(counting, decided(DENY, "wrong-password"))
    assert not told(counting, decided(DENY, "other"))
    assert not told(counting, decided(DENY, "wrong-password", name="_global"))


def test_events_are_told_to_the_counts_that_name_them() -> None:
    counting = Counting([denials(effect=None, event="login.failed")])
    assert counting.told_of_event("login.failed", context(subject_id="ann"))
    assert not counting.told_of_event("login.worked", context(subject_id="ann"))
    assert not told(counting, decided(DENY, "login.failed"))


def test_what_has_no_value_to_be_kept_by_is_not_told() -> None:
    counting = Counting([denials()])
    assert counting.told_of(decided(DENY, "other"), context()) == ()
    assert counting.question(fact_of(denials()), context()) is None


def test_a_counter_is_kept_for_the_longest_window_and_the_highest_threshold() -> None:
    counting = Counting([denials(threshold=3), replace(denials(threshold=9), within=60.0)])
    [entry] = told(counting, decided(DENY, "other"))
    assert (entry.within, entry.cap) == (3600.0, 10)


def test_a_limit_keeps_as_many_places_as_it_has() -> None:
    limit = LimitSpec(PER, 60.0, 5, "acme/five")
    five = replace(rule("five", ALLOW), limit=limit)
    outcome = rule_outcome("acme", five, indeterminate=False)
    assert outcome.obligations.limits == (limit,)
    [entry] = told(Counting([limit.room]), outcome)
    assert entry.cap == 5


def test_limits_are_reserved_where_the_request_runs() -> None:
    limit = LimitSpec(PER, 60.0, 5, "acme/five")
    room: dict[str, AttributeValue] = {fact_of(limit.room).attribute: 0}
    five = replace(rule("five", ALLOW), limit=limit)
    asked = knowing(context(subject_id="ann"), room)
    for guardrail, reserved in ((MASK, (limit,)), (DENY, ()), (Effect.REQUIRE_APPROVAL, ())):
        shared = document(rule("shared", guardrail), name="_global", default=None)
        outcome = sets_of((shared, document(five))).evaluate(asked)
        assert outcome.effect is guardrail
        assert outcome.obligations.limits == reserved


def test_a_limit_that_is_full_lets_the_next_rule_decide() -> None:
    limit = LimitSpec(PER, 60.0, 5, "acme/five")
    policy = document(replace(rule("five", ALLOW), limit=limit), rule("rest", DENY), default=DENY)
    compiled = CompiledDocument(policy, REVISION)
    for number, wanted in ((4, "five"), (5, "rest"), (None, "rest")):
        room = {} if number is None else {fact_of(limit.room).attribute: number}
        outcome = compiled.evaluate(knowing(context(subject_id="ann"), room)).outcome
        assert outcome is not None
        assert (outcome.rule_id, outcome.indeterminate) == (wanted, False)


def test_values_are_told_apart_by_type_and_sets_are_not_by_order() -> None:
    def named(value: AttributeValue) -> str | None:
        return counter_of(Tally("event", "x", ("context.a",)), context(context_a=value))

    assert len({named(value) for value in ("1", 1, True, (), "", ("1", "2"))}) == 6
    assert named(1) == named(1.0)
    assert named(("a", "b")) == named(("b", "a", "b"))
    assert named("a") == named(("a",))


def test_hostile_values_make_names_like_any_other() -> None:
    for value in ("x" * 100_000, "}:{*\r\n", "\ud800", "🦆"):
        name = counter_of(Tally("event", "x", PER), context(subject_id=value))
        assert name is not None
        assert len(name) == 64
        assert name.isalnum()


def test_values_do_not_run_into_each_other() -> None:
    pair = Tally("event", "x", ("context.a", "context.b"))
    assert counter_of(pair, context(context_a="a,b", context_b="c")) != counter_of(
        pair, context(context_a="a", context_b="b,c")
    )


def test_the_name_of_a_fact_is_what_people_read() -> None:
    assert fact_of(denials()).attribute == "count of effect deny per subject.id within 1h except acme/locked"
    wrong = denials(effect=None, rule="wrong")
    assert fact_of(wrong).attribute == "count of rule acme/wrong per subject.id within 1h"
    limit = LimitSpec(("subject.id", "action"), 90.0, 5, "acme/five")
    assert fact_of(limit.room).attribute == "count of limit acme/five per subject.id, action within 90s"


def test_a_default_decides_like_a_rule_and_is_counted() -> None:
    outcome = default_outcome(document(default=DENY))
    assert outcome is not None
    assert told(Counting([denials()]), outcome)


def test_counts_are_found_wherever_they_stand() -> None:
    count = denials()
    assert list(counts_in(AllOf((AnyOf((Not(count),)), is_("action", "a"))))) == [count]
