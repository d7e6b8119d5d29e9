"""What is in force for a tenant decides as one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policy_middleware.evaluation.index import CompiledDocument
from policy_middleware.evaluation.policy_set import PolicySet
from policy_middleware.evaluation.reference import evaluate_document, evaluate_documents
from policy_middleware.model.context import RequestContext
from policy_middleware.model.decision import Matched
from policy_middleware.model.effect import Effect
from policy_middleware.model.policy import PolicyDocument
from tests.evaluation.builders import REVISION, context, document, is_, masking, rule
from tests.evaluation.strategies import (
    ATTRIBUTES,
    UNCERTAIN,
    contexts,
    sets_of_documents,
    uncertain_conditions,
    values,
)

ALLOW, DENY, MASK, APPROVAL = Effect.ALLOW, Effect.DENY, Effect.MASK, Effect.REQUIRE_APPROVAL


def in_force(*documents: PolicyDocument) -> PolicySet:
    return PolicySet(tuple(CompiledDocument(one, REVISION) for one in documents))


def guardrail(name: str, *rules: object) -> PolicyDocument:
    return document(*rules, name=name, default=None)  # type: ignore[arg-type]


@given(sets_of_documents(), st.lists(contexts(), min_size=1, max_size=4))
def test_set_decides_what_the_specification_decides(
    documents: tuple[PolicyDocument, ...], asked: list[RequestContext]
) -> None:
    policies = in_force(*documents)
    for one in asked + asked:
        outcome = policies.evaluate(one)
        expected = evaluate_documents(documents, one)
        assert expected is not None
        observed = tuple(seen for each in documents for seen in evaluate_document(each, one).observed)
        assert outcome.observed == observed
        assert (outcome.effect, outcome.reason, outcome.rule_id, outcome.document, outcome.matched) == (
            expected.effect,
            expected.reason,
            expected.rule_id,
            expected.document,
            expected.matched,
        )
        assert (outcome.indeterminate, outcome.obligations) == (expected.indeterminate, expected.obligations)


@given(sets_of_documents(uncertain_conditions), contexts((*ATTRIBUTES, UNCERTAIN)), values)
def test_missing_attribute_is_never_decided_more_weakly_than_any_value_in_its_place(
    documents: tuple[PolicyDocument, ...], asked: RequestContext, value: object
) -> None:
    attributes = {name: one for name, one in asked.attributes.items() if name != UNCERTAIN}
    policies = in_force(*documents)
    without = policies.evaluate(RequestContext("acme", attributes, asked.now))
    with_value = policies.evaluate(
        RequestContext("acme", {**attributes, UNCERTAIN: value}, asked.now)  # type: ignore[dict-item]
    )
    assert without.effect.strictness >= with_value.effect.strictness
    if without.effect is with_value.effect:
        masked, others = without.obligations.mask, with_value.obligations.mask
        assert set(others.fields if others else ()) <= set(masked.fields if masked else ())
        assert set(with_value.obligations.approvals) <= set(without.obligations.approvals)


@given(sets_of_documents(), contexts(), st.sets(st.integers(0, 7)))
def test_approvals_never_weaken_a_denial_and_never_leave_a_mask_out(
    documents: tuple[PolicyDocument, ...], asked: RequestContext, numbers: set[int]
) -> None:
    satisfied = frozenset(
        (each.name, f"r{number}", f"digest-{number}") for each in documents for number in numbers
    )
    policies = in_force(*documents)
    before, after = policies.evaluate(asked), policies.evaluate_approved(asked, satisfied)
    assert (after.effect is DENY) is (before.effect is DENY)
    open_before = {(one.document, one.rule_id, one.rule_digest) for one in before.obligations.approvals}
    open_after = {(one.document, one.rule_id, one.rule_digest) for one in after.obligations.approvals}
    assert open_after == open_before - satisfied
    if after.effect is not DENY and before.obligations.mask is not None:
        assert after.obligations.mask is not None
        assert set(before.obligations.mask.fields) <= set(after.obligations.mask.fields)


def test_guardrail_denies_what_the_tenant_allows() -> None:
    outcome = in_force(guardrail("_incident", rule("inc", DENY)), document(rule("yes", ALLOW))).evaluate(
        context()
    )
    assert (outcome.effect, outcome.document, outcome.rule_id) == (DENY, "_incident", "inc")


def test_guardrail_s_mask_joins_the_tenant_s() -> None:
    policies = in_force(guardrail("_global", rule("g", MASK)), document(rule("t", MASK)))
    assert policies.evaluate(context()).obligations.mask == masking("g", "t")


def test_guardrail_s_denial_wins_over_a_given_approval() -> None:
    policies = in_force(guardrail("_global", rule("no", DENY)), document(rule("p", APPROVAL)))
    satisfied = frozenset({("acme", "p", "digest of p")})
    assert policies.evaluate_approved(context(), satisfied).effect is DENY


def test_given_approval_passes_with_the_guardrail_s_mask() -> None:
    policies = in_force(guardrail("_global", rule("g", MASK)), document(rule("p", APPROVAL)))
    outcome = policies.evaluate_approved(context(), frozenset({("acme", "p", "digest of p")}))
    assert (outcome.effect, outcome.obligations.mask) == (MASK, masking("g"))
    assert outcome.obligations.approvals == ()


@pytest.mark.parametrize("default", [ALLOW, DENY])
def test_tenant_without_a_document_gets_the_configured_answer(default: Effect) -> None:
    outcome = PolicySet.missing(default).evaluate(context())
    assert (outcome.effect, outcome.matched, outcome.document) == (default, Matched.MISSING_POLICY, None)


def test_guardrails_hold_for_tenants_without_a_document() -> None:
    incident = CompiledDocument(guardrail("_incident", rule("inc", DENY, is_("action", "x"))), REVISION)
    policies = PolicySet.missing(ALLOW, (incident,))
    assert policies.evaluate(context(action="x")).rule_id == "inc"
    assert policies.evaluate(context(action="y")).matched is Matched.MISSING_POLICY
    assert dict(policies.revisions) == {"_incident": REVISION}


def test_guardrails_alone_never_allow() -> None:
    assert in_force(guardrail("_global", rule("g", MASK))).evaluate(context()).effect is DENY
    assert PolicySet(()).evaluate(context()).effect is DENY


def test_revisions_name_every_document_even_a_silent_one() -> None:
    assert dict(in_force(guardrail("_global"), document()).revisions) == {
        "_global": REVISION,
        "acme": REVISION,
    }


def test_observed_rules_of_every_document_are_reported() -> None:
    policies = in_force(
        guardrail("_global", rule("g", DENY, observe=True)), document(rule("t", DENY, observe=True))
    )
    assert [(one.document, one.rule_id) for one in policies.evaluate(context()).observed] == [
        ("_global", "g"),
        ("acme", "t"),
    ]


def test_same_answer_of_several_documents_is_the_same_object() -> None:
    policies = in_force(guardrail("_global", rule("g", MASK)), document(rule("t", MASK)))
    assert policies.evaluate(context()) is policies.evaluate(context())
