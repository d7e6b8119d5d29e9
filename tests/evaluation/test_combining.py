"""Joining answers: the stricter wins, obligations unite, order and grouping are handled with care."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from policy_middleware.evaluation.combining import default_outcome, join, missing_outcome, rule_outcome
from policy_middleware.model.decision import Matched, Outcome
from policy_middleware.model.effect import Effect
from tests.evaluation.builders import document, masking, rule

outcomes = st.builds(
    lambda number, effect, unknown: rule_outcome("acme", rule(f"r{number}", effect), indeterminate=unknown),
    st.integers(0, 5),
    st.sampled_from(Effect),
    st.booleans(),
)


@given(st.lists(outcomes, min_size=1, max_size=6), st.integers(0, 6))
def test_joining_in_two_steps_is_joining_at_once(all_of_them: list[Outcome], cut: int) -> None:
    halves = [join(all_of_them[:cut]), join(all_of_them[cut:])]
    assert join([half for half in halves if half is not None]) == join(all_of_them)


@given(st.lists(outcomes, min_size=1, max_size=6))
def test_joined_outcome_is_the_strictest_and_the_earliest_of_equals(all_of_them: list[Outcome]) -> None:
    joined = join(all_of_them)
    assert joined is not None
    assert joined.effect.strictness == max(one.effect.strictness for one in all_of_them)
    assert joined.rule_id == next(one.rule_id for one in all_of_them if one.effect is joined.effect)
    assert joined.indeterminate is any(one.indeterminate for one in all_of_them)


def test_nothing_joined_is_nothing() -> None:
    assert join([]) is None


def test_mask_is_known_while_an_approval_is_awaited() -> None:
    mask = rule_outcome("_global", rule("m", Effect.MASK), indeterminate=False)
    approval = rule_outcome("acme", rule("p", Effect.REQUIRE_APPROVAL), indeterminate=False)
    joined = join([mask, approval])
    assert joined is not None
    assert joined.effect is Effect.REQUIRE_APPROVAL
    assert joined.obligations.mask == masking("m")
    assert len(joined.obligations.approvals) == 1


def test_default_and_missing_policy_say_in_public_words_why() -> None:
    default = default_outcome(document(default=Effect.DENY))
    assert default is not None
    assert default.reason == "No rule allows this request."
    missing = missing_outcome(Effect.DENY)
    assert (missing.matched, missing.document) == (Matched.MISSING_POLICY, None)
    assert missing.reason == "No policy is in force for this tenant."
