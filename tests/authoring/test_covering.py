from __future__ import annotations

from itertools import product

from hypothesis import given, settings
from hypothesis import strategies as st

from policy_middleware.authoring.covering import Covering
from policy_middleware.authoring.implication import Reading, can_count, follows
from policy_middleware.model.conditions import Condition
from tests.authoring.strategies import few, whens
from tests.evaluation.strategies import conditions, leaves

READINGS = [Reading.HOLDS, Reading.MAY_HOLD]
conjunctions: st.SearchStrategy[list[Condition]] = st.lists(
    st.one_of(conditions(leaves(("action", "subject.roles"))), few, whens), min_size=2, max_size=6
)


@settings(max_examples=200, deadline=None)
@given(conjunctions)
def test_what_is_no_candidate_never_covers(rules: list[Condition]) -> None:
    covering = Covering(rules)
    for rule, given_, wanted in product(rules, READINGS, READINGS):
        if not can_count(rule, given_):
            continue
        candidates = covering.candidates(rule)
        for position, other in enumerate(rules):
            if position not in candidates:
                assert not follows(rule, other, given_, wanted)
