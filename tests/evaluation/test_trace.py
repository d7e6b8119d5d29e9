"""An explanation names what decided and shows what each comparison saw."""

from __future__ import annotations

import json

from hypothesis import given

from policy_middleware.evaluation.index import CompiledDocument
from policy_middleware.evaluation.policy_set import PolicySet
from policy_middleware.evaluation.trace import LeafTrace, RuleTrace, Standing, trace_document
from policy_middleware.model.conditions import AllOf, AnyOf, Condition, Leaf, Not, Operator, Reference
from policy_middleware.model.context import RequestContext
from policy_middleware.model.effect import Effect
from policy_middleware.model.policy import PolicyDocument
from tests.evaluation.builders import NOW, REVISION, at_least, context, document, every, is_, rule, same_as
from tests.evaluation.strategies import contexts, sets_of_documents

ALLOW, DENY, MASK = Effect.ALLOW, Effect.DENY, Effect.MASK


def traced(policy: PolicyDocument, asked: RequestContext | None = None) -> tuple[RuleTrace, ...]:
    return trace_document(policy, REVISION, asked or context(action="read")).rules


def leaves_of(when: Condition, asked: RequestContext | None = None) -> tuple[LeafTrace, ...]:
    return traced(document(rule("it", DENY, when)), asked)[0].leaves


@given(sets_of_documents(), contexts())
def test_explanation_agrees_with_the_decision(
    documents: tuple[PolicyDocument, ...], asked: RequestContext
) -> None:
    policies = PolicySet(tuple(CompiledDocument(one, REVISION) for one in documents))
    explanation = policies.explain(asked)
    assert explanation.outcome == policies.evaluate(asked)
    for trace in explanation.documents:
        if trace.name == explanation.outcome.document and explanation.outcome.rule_id is not None:
            (standing,) = [one.standing for one in trace.rules if one.id == explanation.outcome.rule_id]
            assert standing in (Standing.DECIDES, Standing.FLOOR)
    observed = [
        one.id for trace in explanation.documents for one in trace.rules if one.standing is Standing.OBSERVED
    ]
    assert observed == [one.rule_id for one in explanation.outcome.observed]


def test_every_rule_is_given_its_standing() -> None:
    unknown = at_least("resource.rows", 1)
    policy = document(
        rule("off", DENY, enabled=False),
        rule("over", DENY, valid_until=NOW),
        rule("other", DENY, is_("action", "write")),
        rule("maybe-allow", ALLOW, unknown),
        rule("maybe-mask", MASK, unknown),
        rule("tried", DENY, observe=True),
        rule("yes", ALLOW),
        rule("late", DENY),
    )
    assert [(one.id, one.standing.value) for one in traced(policy)] == [
        ("off", "inactive"),
        ("over", "inactive"),
        ("other", "no_match"),
        ("maybe-allow", "no_match"),
        ("maybe-mask", "floor"),
        ("tried", "observed"),
        ("yes", "decides"),
        ("late", "not_reached"),
    ]


def test_rule_that_fails_shows_the_comparison_that_failed_and_what_it_saw() -> None:
    (leaf,) = leaves_of(
        every(is_("action", "read"), is_("subject.roles", "dpo")),
        context(action="read", subject_roles=("a", "b")),
    )
    assert leaf == LeafTrace("when.all[1]", "subject.roles", "eq", "dpo", ("a", "b"), False)


def test_any_that_fails_shows_every_branch() -> None:
    leaves = leaves_of(AnyOf((is_("action", "write"), Not(is_("action", "read")))))
    assert [(one.path, one.result) for one in leaves] == [("when.any[0]", False), ("when.any[1].not", True)]


def test_rule_that_is_unknown_shows_what_could_not_be_evaluated() -> None:
    (leaf,) = leaves_of(AllOf((is_("action", "read"), at_least("resource.rows", 9))))
    assert (leaf.path, leaf.values, leaf.result) == ("when.all[1]", None, None)


def test_rule_that_holds_shows_what_held() -> None:
    leaves = leaves_of(every(is_("action", "read"), AnyOf((is_("action", "x"), is_("action", "read")))))
    assert [one.path for one in leaves] == ["when.all[0]", "when.all[1].any[1]"]


def test_comparison_between_attributes_shows_both_sides() -> None:
    (leaf,) = leaves_of(
        same_as("resource.owner", "subject.id"), context(resource_owner="ann", subject_id="bob")
    )
    assert leaf.operand == Reference("subject.id")
    assert (leaf.values, leaf.reference_values) == (("ann",), ("bob",))
    assert leaf.as_dict()["operand"] == {"ref": "subject.id"}
    assert leaf.as_dict()["reference_values"] == ["bob"]


def test_explanation_is_plain_json() -> None:
    policies = PolicySet(
        (
            CompiledDocument(document(name="_global", default=None), REVISION),
            CompiledDocument(
                document(
                    rule("in", DENY, Leaf("action", Operator.IN, ("write", "delete"))),
                    rule("new", DENY, observe=True),
                ),
                REVISION,
            ),
        )
    )
    data = json.loads(json.dumps(policies.explain(context(action="read")).as_dict()))
    assert data["outcome"] == {
        "effect": "allow",
        "reason": "No rule restricts this request.",
        "document": "acme",
        "rule_id": None,
        "matched": "default",
        "indeterminate": False,
        "observed": [{"document": "acme", "rule_id": "new", "effect": "deny"}],
    }
    assert data["now"] == NOW
    silent, acme = data["documents"]
    assert (silent["name"], silent["outcome"], silent["rules"]) == ("_global", None, [])
    assert (acme["revision"], acme["default"], acme["combine"]) == (REVISION, "allow", "first_match")
    assert acme["rules"][0] == {
        "id": "in",
        "effect": "deny",
        "reason": "Because of in.",
        "mode": "enforce",
        "active": True,
        "result": "false",
        "standing": "no_match",
        "leaves": [
            {
                "path": "when",
                "attribute": "action",
                "operator": "in",
                "operand": ["write", "delete"],
                "values": ["read"],
                "result": "false",
            }
        ],
    }
