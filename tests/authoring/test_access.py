from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from policy_middleware.authoring.access import Access, together
from policy_middleware.authoring.difference import compare_documents
from policy_middleware.evaluation.reference import evaluate_document
from policy_middleware.model.context import RequestContext
from policy_middleware.model.documents import parse_document
from policy_middleware.model.effect import Effect
from tests.authoring.strategies import json_documents, json_rules, small_requests


def strictness(raw: Any, request: RequestContext) -> tuple[int, frozenset[Any]]:
    """Return how strict the answer is, and what of a masked response is masked."""
    outcome = evaluate_document(parse_document(raw, name="acme"), request).outcome
    assert outcome is not None
    mask = outcome.obligations.mask if outcome.effect is Effect.MASK else None
    return outcome.effect.strictness, frozenset(one.path for one in mask.fields) if mask else frozenset()


def check(before: Any, after: Any, requests: list[RequestContext]) -> None:
    access = compare_documents(before, after, name="acme").access
    for request in requests:
        (old, old_fields), (new, new_fields) = strictness(before, request), strictness(after, request)
        if access in (Access.SAME, Access.NARROWER):
            assert new > old or (new == old and new_fields >= old_fields)
        if access in (Access.SAME, Access.WIDER):
            assert new < old or (new == old and new_fields <= old_fields)


@settings(max_examples=100, deadline=None)
@given(json_documents(), json_documents(), st.lists(small_requests(), min_size=6, max_size=10))
def test_no_claim_about_access_is_wrong_between_any_two_documents(
    before: Any, after: Any, requests: list[RequestContext]
) -> None:
    check(before, after, requests)


@settings(max_examples=200, deadline=None)
@given(json_documents(), st.data(), st.lists(small_requests(), min_size=6, max_size=10))
def test_no_claim_about_a_single_change_is_wrong(
    before: Any, data: st.DataObject, requests: list[RequestContext]
) -> None:
    rules = list(before["rules"])
    after = {**before, "rules": rules}
    what = data.draw(st.sampled_from(["add", "remove", "replace", "move", "default", "combine"]))
    if what == "default":
        after["default"] = "deny" if before["default"] == "allow" else "allow"
    elif what == "combine":
        after["combine"] = "first_match" if before["combine"] == "most_restrictive" else "most_restrictive"
    elif what == "add" or not rules:
        effects = ("allow", "deny", "mask", "require_approval")
        place = data.draw(st.integers(0, len(rules)))
        rules.insert(place, data.draw(json_rules("new", effects)))
    else:
        chosen = rules.pop(data.draw(st.integers(0, len(rules) - 1)))
        if what == "move":
            rules.insert(data.draw(st.integers(0, len(rules))), chosen)
        if what == "replace":
            other = data.draw(json_rules(chosen["id"], (chosen["effect"], "deny", "allow")))
            rules.insert(before["rules"].index(chosen), other)
    check(before, after, requests)


def test_several_changes_together_are_as_certain_as_they_agree() -> None:
    assert together([]) is Access.SAME
    assert together([Access.SAME, Access.WIDER, Access.WIDER]) is Access.WIDER
    assert together([Access.NARROWER, Access.WIDER]) is Access.UNCERTAIN
    assert together([Access.NARROWER, Access.UNCERTAIN]) is Access.UNCERTAIN
