"""The index decides exactly what the specification decides, and keeps its promises about sharing."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policy_middleware.evaluation import index as index_module
from policy_middleware.evaluation import tables
from policy_middleware.evaluation.combining import DocumentResult
from policy_middleware.evaluation.index import CompiledDocument
from policy_middleware.evaluation.reference import evaluate_document, evaluate_document_approved
from policy_middleware.model.conditions import AnyOf, Leaf, Not, Operator
from policy_middleware.model.context import RequestContext
from policy_middleware.model.effect import Effect
from policy_middleware.model.policy import PolicyDocument
from tests.evaluation.builders import NOW, REVISION, at_least, context, document, every, is_, rule, same_as
from tests.evaluation.strategies import contexts, documents

ALLOW, DENY, MASK = Effect.ALLOW, Effect.DENY, Effect.MASK


def said(result: DocumentResult) -> tuple[object, object]:
    return result.outcome, result.observed


def rule_that_decides(policy: PolicyDocument, asked: RequestContext) -> str | None:
    outcome = CompiledDocument(policy, REVISION).evaluate(asked).outcome
    assert outcome is not None
    return outcome.rule_id


@given(documents(), st.lists(contexts(), min_size=1, max_size=6))
def test_index_decides_what_the_specification_decides(
    policy: PolicyDocument, asked: list[RequestContext]
) -> None:
    compiled = CompiledDocument(policy, REVISION)
    for one in asked + asked:
        assert said(compiled.evaluate(one)) == said(evaluate_document(policy, one))


@given(documents(), contexts(), st.sets(st.integers(0, 7)))
def test_index_decides_what_the_specification_decides_once_approvals_are_given(
    policy: PolicyDocument, asked: RequestContext, approved: set[int]
) -> None:
    satisfied = frozenset((policy.name, f"r{number}", f"digest-{number}") for number in approved)
    result = CompiledDocument(policy, REVISION).evaluate_approved(asked, satisfied)
    assert said(result) == said(evaluate_document_approved(policy, asked, satisfied))


@given(documents(), st.lists(contexts(), min_size=4, max_size=12))
def test_forgetting_what_was_remembered_changes_no_answer(
    policy: PolicyDocument, asked: list[RequestContext]
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tables, "MEMO_ENTRIES", 2)
        patch.setattr(index_module, "_RESULTS", 1)
        compiled = CompiledDocument(policy, REVISION)
        for one in asked + asked:
            assert said(compiled.evaluate(one)) == said(evaluate_document(policy, one))


@pytest.mark.parametrize(
    "when",
    [
        every(is_("action", "read"), at_least("resource.rows", 10)),
        every(at_least("resource.rows", 10), Leaf("resource.rows", Operator.LT, 20)),
        AnyOf((is_("action", "write"), at_least("resource.rows", 10))),
        Not(is_("action", "write")),
        same_as("resource.owner", "subject.id"),
        Leaf("resource.tags", Operator.CONTAINS_ALL, ("pii", "eu")),
        Leaf("environment.hour", Operator.RANGE, (8, 9)),
        Leaf("environment.time", Operator.LTE, NOW),
    ],
)
def test_every_kind_of_condition_decides(when: Leaf) -> None:
    asked = context(
        action="read", resource_rows=15, resource_owner="ann", subject_id="ann", resource_tags=("eu", "pii")
    )
    assert rule_that_decides(document(rule("other", DENY, AnyOf(())), rule("it", MASK, when)), asked) == "it"


def test_true_does_not_answer_for_one() -> None:
    compiled = CompiledDocument(document(rule("one", DENY, is_("context.flag", 1))), REVISION)
    for value, effect in [(1, DENY), (True, ALLOW), (1.0, DENY), (False, ALLOW), (1, DENY)] * 2:
        outcome = compiled.evaluate(context(context_flag=value)).outcome
        assert outcome is not None
        assert outcome.effect is effect


def test_one_of_several_alternatives_that_holds_outweighs_one_that_is_unknown() -> None:
    either = AnyOf((at_least("resource.rows", 10), is_("action", "export")))
    outcome = (
        CompiledDocument(document(rule("it", DENY, either)), REVISION)
        .evaluate(context(action="export"))
        .outcome
    )
    assert outcome is not None
    assert (outcome.effect, outcome.indeterminate) == (DENY, False)


@pytest.mark.parametrize(
    "ask",
    [
        lambda: context(action="read"),
        lambda: context(action="write"),
        lambda: context(action="delete"),
        lambda: context(action="export", subject_id="ann"),
    ],
)
def test_same_answer_is_the_same_object(ask: Callable[[], RequestContext]) -> None:
    compiled = CompiledDocument(
        document(
            rule("reads", ALLOW, is_("action", "read")),
            rule("maybe", DENY, every(is_("action", "write"), at_least("resource.rows", 5))),
            rule("seen", DENY, every(is_("action", "export"), is_("subject.id", "ann")), observe=True),
        ),
        REVISION,
    )
    assert compiled.evaluate(ask()) is compiled.evaluate(ask())


def test_document_without_rules_or_default_is_silent() -> None:
    assert CompiledDocument(document(name="_global", default=None), REVISION).is_silent
    off = rule("off", DENY, enabled=False)
    assert CompiledDocument(document(off, name="_global", default=None), REVISION).is_silent
    assert not CompiledDocument(document(), REVISION).is_silent
    assert not CompiledDocument(document(rule("on", DENY), name="_global", default=None), REVISION).is_silent


def test_compiled_document_knows_its_name_and_revision() -> None:
    compiled = CompiledDocument(document(name="globex"), REVISION)
    assert (compiled.name, compiled.revision) == ("globex", REVISION)
