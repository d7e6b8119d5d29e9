"""What the specification says, by example."""

from __future__ import annotations

import pytest

from policy_middleware.evaluation.reference import (
    evaluate_document,
    evaluate_document_approved,
    evaluate_documents,
    holds,
)
from policy_middleware.model.conditions import ALWAYS, AllOf, AnyOf, Count, Leaf, Not, Operator
from policy_middleware.model.context import RequestContext
from policy_middleware.model.decision import Matched, Outcome
from policy_middleware.model.effect import Effect
from policy_middleware.model.policy import Combine, PolicyDocument
from tests.evaluation.builders import NOW, at_least, context, document, every, is_, masking, rule, same_as

ALLOW, DENY, MASK, APPROVAL = Effect.ALLOW, Effect.DENY, Effect.MASK, Effect.REQUIRE_APPROVAL
TRUE, FALSE, UNKNOWN = ALWAYS, AnyOf(()), at_least("resource.rows", 1)


def outcome_of(policy: PolicyDocument, asked: RequestContext | None = None) -> Outcome:
    outcome = evaluate_document(policy, asked or context()).outcome
    assert outcome is not None
    return outcome


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        (AllOf((TRUE, TRUE)), True),
        (AllOf((TRUE, UNKNOWN)), None),
        (AllOf((UNKNOWN, FALSE)), False),
        (AnyOf((UNKNOWN, TRUE)), True),
        (AnyOf((FALSE, UNKNOWN)), None),
        (AnyOf((FALSE, FALSE)), False),
        (Not(TRUE), False),
        (Not(FALSE), True),
        (Not(UNKNOWN), None),
    ],
)
def test_connectives_follow_kleene(condition: AllOf | AnyOf | Not, expected: bool | None) -> None:
    assert holds(condition, context()) is expected


def test_count_of_earlier_decisions_is_unknown() -> None:
    assert holds(Count((), 60.0, Operator.GTE, 3, effect="deny"), context()) is None


def test_ownership_compares_attribute_with_attribute() -> None:
    owns = same_as("resource.owner", "subject.id")
    assert holds(owns, context(resource_owner="ann", subject_id="ann")) is True
    assert holds(owns, context(resource_owner="ann", subject_id="bob")) is False


def test_clock_is_the_context_s() -> None:
    assert holds(is_("environment.hour", 8), context()) is True
    assert holds(is_("environment.weekday", 5), context()) is True
    assert holds(at_least("environment.time", NOW), context()) is True


def test_first_rule_that_holds_decides() -> None:
    policy = document(rule("no", DENY, FALSE), rule("yes", MASK), rule("late", DENY))
    assert outcome_of(policy).rule_id == "yes"
    assert outcome_of(policy).document == "acme"
    assert outcome_of(policy).matched is Matched.RULE


def test_default_decides_what_no_rule_does() -> None:
    outcome = outcome_of(document(rule("no", ALLOW, FALSE), default=DENY))
    assert (outcome.effect, outcome.rule_id, outcome.matched) == (DENY, None, Matched.DEFAULT)


def test_allow_rule_that_cannot_be_evaluated_does_not_match() -> None:
    outcome = outcome_of(document(rule("maybe", ALLOW, UNKNOWN), default=DENY))
    assert (outcome.effect, outcome.indeterminate) == (DENY, False)


@pytest.mark.parametrize("later", [ALLOW, MASK, APPROVAL, DENY])
@pytest.mark.parametrize("floor", [MASK, APPROVAL, DENY])
def test_restricting_rule_that_cannot_be_evaluated_is_a_floor(floor: Effect, later: Effect) -> None:
    outcome = outcome_of(document(rule("maybe", floor, UNKNOWN), rule("later", later)))
    assert outcome.effect is max(floor, later, key=lambda effect: effect.strictness)
    assert outcome.rule_id == ("later" if later.strictness > floor.strictness else "maybe")
    assert outcome.indeterminate


def test_floor_meets_the_default() -> None:
    assert outcome_of(document(rule("maybe", MASK, UNKNOWN), default=DENY)).matched is Matched.DEFAULT
    assert outcome_of(document(rule("maybe", MASK, UNKNOWN), default=ALLOW)).rule_id == "maybe"


def test_only_if_present_is_written_with_exists() -> None:
    guarded = every(Leaf("resource.rows", Operator.EXISTS, True), UNKNOWN)
    outcome = outcome_of(document(rule("big", DENY, guarded)))
    assert (outcome.effect, outcome.indeterminate) == (ALLOW, False)


def test_most_restrictive_document_lets_every_matching_rule_count() -> None:
    policy = document(
        rule("a", ALLOW),
        rule("m1", MASK),
        rule("p", APPROVAL),
        rule("m2", MASK),
        combine=Combine.MOST_RESTRICTIVE,
    )
    outcome = outcome_of(policy)
    assert (outcome.effect, outcome.rule_id) == (APPROVAL, "p")
    assert outcome.obligations.mask == masking("m1", "m2")
    assert [one.rule_id for one in outcome.obligations.approvals] == ["p"]


def test_default_of_a_most_restrictive_document_joins_only_when_no_rule_definitely_holds() -> None:
    strict = Combine.MOST_RESTRICTIVE
    assert outcome_of(document(rule("a", ALLOW), default=DENY, combine=strict)).effect is ALLOW
    assert outcome_of(document(rule("m", MASK, UNKNOWN), default=DENY, combine=strict)).effect is DENY


def test_two_approvals_that_meet_are_both_required() -> None:
    policy = document(rule("maybe", APPROVAL, UNKNOWN), rule("surely", APPROVAL))
    assert [one.rule_id for one in outcome_of(policy).obligations.approvals] == ["maybe", "surely"]


def test_denied_request_has_no_obligations() -> None:
    policy = document(rule("m", MASK, UNKNOWN), rule("p", APPROVAL, UNKNOWN), rule("d", DENY))
    assert outcome_of(policy).obligations.mask is None
    assert outcome_of(policy).obligations.approvals == ()


def test_observed_rule_is_recorded_but_never_decides() -> None:
    result = evaluate_document(document(rule("new", DENY, observe=True), rule("yes", ALLOW)), context())
    assert result.outcome is not None
    assert result.outcome.effect is ALLOW
    assert [(one.rule_id, one.effect, one.indeterminate) for one in result.observed] == [("new", DENY, False)]


def test_observed_rule_behind_the_deciding_one_is_not_recorded() -> None:
    policy = document(rule("yes", ALLOW), rule("new", DENY, observe=True))
    assert evaluate_document(policy, context()).observed == ()


def test_observed_rule_that_cannot_be_evaluated_is_recorded_when_it_restricts() -> None:
    policy = document(rule("d", DENY, UNKNOWN, observe=True), rule("a", ALLOW, UNKNOWN, observe=True))
    assert [(one.rule_id, one.indeterminate) for one in evaluate_document(policy, context()).observed] == [
        ("d", True)
    ]


@pytest.mark.parametrize(
    ("now", "effect"), [(NOW - 1, ALLOW), (NOW, DENY), (NOW + 9, DENY), (NOW + 10, ALLOW)]
)
def test_rule_counts_only_within_its_window(now: float, effect: Effect) -> None:
    policy = document(rule("inc", DENY, valid_from=NOW, valid_until=NOW + 10))
    assert outcome_of(policy, context(now)).effect is effect


def test_disabled_rule_never_counts() -> None:
    assert outcome_of(document(rule("off", DENY, enabled=False))).effect is ALLOW


def test_guardrail_that_is_not_concerned_says_nothing() -> None:
    guardrail = document(rule("no", DENY, FALSE), name="_global", default=None)
    assert evaluate_document(guardrail, context()).outcome is None


def test_strictest_document_decides_and_the_first_of_equals_is_named() -> None:
    incident = document(rule("inc", DENY), name="_incident", default=None)
    tenant = document(rule("own", DENY))
    outcome = evaluate_documents((incident, tenant), context())
    assert outcome is not None
    assert (outcome.document, outcome.rule_id) == ("_incident", "inc")


def approved_of(policy: PolicyDocument, *rules: str) -> Outcome:
    satisfied = frozenset((policy.name, id_, f"digest of {id_}") for id_ in rules)
    outcome = evaluate_document_approved(policy, context(), satisfied).outcome
    assert outcome is not None
    return outcome


def test_given_approval_stands_for_allow() -> None:
    outcome = approved_of(document(rule("p", APPROVAL), default=DENY), "p")
    assert (outcome.effect, outcome.rule_id, outcome.matched) == (ALLOW, "p", Matched.APPROVAL)


def test_every_mask_rule_that_holds_or_may_hold_applies_to_an_approved_request() -> None:
    policy = document(
        rule("p", APPROVAL),
        rule("m1", MASK),
        rule("m2", MASK, UNKNOWN),
        rule("m3", MASK, FALSE),
        rule("m4", MASK, observe=True),
    )
    outcome = approved_of(policy, "p")
    assert (outcome.effect, outcome.rule_id) == (MASK, "m1")
    assert outcome.obligations.mask == masking("m1", "m2")


def test_denial_wins_over_a_given_approval() -> None:
    policy = document(rule("p", APPROVAL), rule("d", DENY), combine=Combine.MOST_RESTRICTIVE)
    assert approved_of(policy, "p").effect is DENY


def test_approval_of_another_version_of_the_rule_does_not_count() -> None:
    policy = document(rule("p", APPROVAL))
    stale = frozenset({("acme", "p", "digest of an earlier p")})
    outcome = evaluate_document_approved(policy, context(), stale).outcome
    assert outcome is not None
    assert outcome.effect is APPROVAL


def test_approval_that_is_still_missing_keeps_the_request_waiting() -> None:
    policy = document(rule("p1", APPROVAL), rule("p2", APPROVAL), combine=Combine.MOST_RESTRICTIVE)
    outcome = approved_of(policy, "p1")
    assert outcome.effect is APPROVAL
    assert [one.rule_id for one in outcome.obligations.approvals] == ["p2"]
