from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from policy_middleware.authoring.draft import Draft
from policy_middleware.authoring.findings import Code
from policy_middleware.authoring.lint_order import order_remarks
from policy_middleware.evaluation.reference import contributions, evaluate_document, holds
from policy_middleware.model.context import RequestContext
from policy_middleware.model.effect import Effect
from policy_middleware.model.policy import PolicyDocument
from policy_middleware.model.vocabulary import GLOBAL
from tests.authoring.linting import codes, document, only, rule
from tests.authoring.strategies import few, requests
from tests.evaluation.strategies import documents

READS = {"action": {"prefix": "document."}}
DELETES = {"action": "document.delete"}


def heard(policy: PolicyDocument, request: RequestContext) -> set[str | None]:
    """Return the rules that say anything about a request, observed ones included."""
    outcomes, observed = contributions(policy, request)
    return {one.rule_id for one in outcomes} | {one.rule_id for one in observed}


@settings(max_examples=200, deadline=None)
@given(st.one_of(documents(few), documents(few, GLOBAL)), st.lists(requests(), min_size=4, max_size=8))
def test_no_finding_about_order_is_ever_wrong(policy: PolicyDocument, asked: list[RequestContext]) -> None:
    draft = Draft(policy, [{"when": {}} for _ in policy.rules], False, now=0.0)
    for remark in order_remarks(draft):
        concerned = next((one for one in policy.rules if one.id == remark.rule), None)
        without = replace(policy, rules=tuple(one for one in policy.rules if one.id != remark.rule))
        for request in asked:
            outcome = evaluate_document(policy, request).outcome
            if remark.code in (Code.HIDDEN_RESTRICTION, Code.NEVER_DECIDES, Code.OVERRULED, Code.DUPLICATE):
                rest = evaluate_document(without, request).outcome
                assert (outcome and outcome.effect) == (rest and rest.effect)
            if remark.code in (Code.HIDDEN_RESTRICTION, Code.NEVER_DECIDES):
                assert remark.rule not in heard(policy, request)
            elif remark.code is Code.DECIDES_WHERE_UNKNOWN:
                assert concerned is not None
                if holds(concerned.when, request) is True:
                    assert remark.rule not in heard(policy, request)
            elif remark.code is Code.DEFAULT_UNREACHABLE:
                assert outcome is not None
                assert outcome.rule_id is not None
            elif remark.code is Code.ONE_ANSWER:
                assert outcome is not None
                assert outcome.effect is policy.default


def test_a_deny_below_the_allow_that_hides_it_is_an_error() -> None:
    found = only(
        document(rule("reads", "allow", READS), rule("no-delete", "deny", DELETES)), Code.HIDDEN_RESTRICTION
    )
    assert (found.rule, found.path) == ("no-delete", "$.rules[1]")
    assert found.message == (
        "Rule 'no-delete' never decides: wherever it could, rule 'reads' above it has decided allow already."
    )
    assert found.remedy == "Move 'no-delete' above 'reads', or narrow the condition of 'reads'."


def test_an_exception_above_what_it_is_an_exception_of_is_in_order() -> None:
    assert codes(document(rule("no-delete", "deny", DELETES), rule("reads", "allow", READS))) == []


def test_an_allow_below_a_deny_that_covers_it_never_decides() -> None:
    raw = document(
        rule("off", "deny", READS), rule("deletes", "allow", DELETES), rule("x", "allow", {"role": "x"})
    )
    assert only(raw, Code.NEVER_DECIDES).remedy == (
        "Remove 'deletes', or move it above 'off' if it is an exception."
    )


def test_a_restriction_that_only_counts_where_it_is_unknown_is_remarked_as_that() -> None:
    big = {"resource.rows": {"gte": 10}}
    found = only(document(rule("a", "allow", big), rule("b", "deny", big)), Code.DECIDES_WHERE_UNKNOWN)
    assert found.rule == "b"


@pytest.mark.parametrize(
    "above",
    [
        rule("reads", "allow", READS, mode="observe"),
        rule("reads", "allow", READS, enabled=False),
        rule("reads", "allow", READS, valid_until="2028-01-01T00:00:00Z"),
        rule("reads", "allow", READS, valid_from="2026-01-01T00:00:00Z"),
        rule("reads", "allow", READS | {"role": "x"}),
    ],
)
def test_a_rule_that_is_not_always_decided_before_is_not_hidden(above: Any) -> None:
    found = codes(document(above, rule("no-delete", "deny", DELETES), rule("all", "allow", {"role": "y"})))
    assert not {Code.HIDDEN_RESTRICTION, Code.NEVER_DECIDES, Code.DECIDES_WHERE_UNKNOWN} & set(found)


def test_a_rule_within_the_validity_of_the_one_above_is_hidden() -> None:
    window = {"valid_from": "2027-01-01T00:00:00Z", "valid_until": "2028-01-01T00:00:00Z"}
    raw = document(rule("reads", "allow", READS, **window), rule("no-delete", "deny", DELETES, **window))
    assert only(raw, Code.HIDDEN_RESTRICTION).rule == "no-delete"


def test_a_mask_below_the_approval_that_covers_it_applies_once_approved() -> None:
    raw = document(
        rule("ask", "require_approval", READS), rule("mask", "mask", READS), rule("b", "allow", {"role": "b"})
    )
    assert codes(raw) == []


def test_a_rule_that_repeats_another_is_a_duplicate() -> None:
    raw = document(rule("a", "allow", DELETES), rule("b", "allow", DELETES, note="again"))
    assert only(raw, Code.DUPLICATE).message == "Rule 'b' says the same as rule 'a' above it."


def test_true_and_one_are_different_values() -> None:
    raw = document(rule("a", "allow", {"resource.owner": True}), rule("b", "allow", {"resource.owner": 1}))
    assert codes(raw) == []


def test_an_exception_is_overruled_where_the_strictest_rule_wins() -> None:
    raw = document(
        rule("boss", "allow", DELETES | {"role": "boss"}),
        rule("no-delete", "deny", DELETES),
        combine="most_restrictive",
    )
    found = only(raw, Code.OVERRULED)
    assert found.rule == "boss"
    assert found.message == (
        "Rule 'boss' changes nothing: wherever it holds, rule 'no-delete' holds too, "
        "and in this document the strictest rule wins, whatever their order."
    )


def test_a_default_that_no_request_reaches_is_remarked() -> None:
    raw = document(rule("a", "deny", {"role": "x"}), rule("rest", "allow", {}))
    assert only(raw, Code.DEFAULT_UNREACHABLE).rule == "rest"


@pytest.mark.parametrize(("default", "effect"), [("deny", "deny"), ("allow", "allow")])
def test_a_document_that_gives_everybody_one_answer_is_remarked(default: str, effect: str) -> None:
    raw = document(rule("a", effect, {"role": "x"}), default=default)
    assert only(raw, Code.ONE_ANSWER).message == (
        f"This document answers {effect} to every request: its default and all its rules say so."
    )


def test_a_document_without_rules_is_meant_to_have_one_answer() -> None:
    assert codes(document()) == []


def test_a_hidden_mask_says_when_it_applies_nevertheless() -> None:
    found = only(document(rule("a", "allow", READS), rule("b", "mask", READS)), Code.HIDDEN_RESTRICTION)
    assert found.message.endswith("It applies only to requests that somebody approved.")
    assert Effect.MASK.restricts


def test_a_rule_that_never_holds_but_may_be_unknown_still_counts_as_an_answer() -> None:
    raw = document(rule("a", "deny", {"action": {"gt": 1}}), default="allow")
    assert codes(raw) == [Code.NEVER_HOLDS]
    assert "a request with other kinds of values is denied" in only(raw, Code.NEVER_HOLDS).message


def test_a_rule_with_a_limit_leaves_the_rest_to_those_behind_it() -> None:
    limited = rule("some", "allow", READS, limit={"per": ["subject.id"], "within": "24h", "max": 5})
    beyond = rule("beyond", "require_approval", READS)
    assert codes(document(limited, beyond)) == []
    assert Code.HIDDEN_RESTRICTION in codes(document(limited, rule("again", "allow", READS), beyond))


def test_counts_of_two_rules_are_two_questions() -> None:
    count = {"effect": "deny", "per": ["subject.id"], "within": "1h", "gte": 3}
    soon, later = (
        rule(name, "deny", {"count": count | {"gte": many}}) for name, many in (("soon", 3), ("later", 9))
    )
    assert codes(document(soon, later, default="allow")) == []
    by_device = rule("device", "deny", {"count": count | {"per": ["context.device"]}})
    assert codes(document(by_device, default="allow")) == [Code.MISSING_ATTRIBUTE]
