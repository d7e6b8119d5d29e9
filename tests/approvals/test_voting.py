"""The condition of `approval.approvers` sees the approver and nothing else; the unknown does not count."""

from __future__ import annotations

import pytest

from policy_middleware.approvals import ApprovalQueue, Approver, MemoryApprovals
from policy_middleware.approvals.voting import answers_to, approver_context
from policy_middleware.model.conditions import ALWAYS, AnyOf, Condition, Count, Leaf, Not, Operator
from policy_middleware.model.context import AttributeValue
from policy_middleware.model.errors import ApprovalError, ContextError
from tests.approvals.parking import park, requirement, role

NOON = 1_795_176_000.0  # 2026-11-20 12:00 UTC
LEVEL = Leaf("subject.level", Operator.GTE, 3)


def eligible(approvers: Condition, approver: Approver) -> bool:
    task = park(MemoryApprovals(), requirement(approvers=approvers))
    return answers_to(task, approver, NOON) == (0,)


@pytest.mark.parametrize(
    ("approvers", "approver", "expected"),
    [
        (ALWAYS, Approver("bea"), True),
        (role("dpo"), Approver("bea", roles=("dpo",)), True),
        (role("dpo"), Approver("bea", roles=("intern",)), False),
        (role("dpo"), Approver("bea"), False),
        (Leaf("subject.id", Operator.IN, ("bea", "carl")), Approver("bea"), True),
        (Leaf("tenant", Operator.EQ, "acme"), Approver("bea"), True),
        (LEVEL, Approver("bea", attributes={"subject.level": 4}), True),
        (LEVEL, Approver("bea", attributes={"subject.level": 2}), False),
        (Leaf("environment.hour", Operator.RANGE, (9, 17)), Approver("bea"), True),
        (Leaf("environment.hour", Operator.RANGE, (0, 5)), Approver("bea"), False),
        (Leaf("subject.type", Operator.EQ, "user"), Approver("bea"), True),
    ],
)
def test_an_approver_is_who_the_rule_names(approvers: Condition, approver: Approver, expected: bool) -> None:
    assert eligible(approvers, approver) is expected


@pytest.mark.parametrize(
    "approvers",
    [
        LEVEL,
        Not(LEVEL),
        AnyOf((LEVEL, Leaf("subject.department", Operator.PREFIX, "x"))),
        Leaf("action", Operator.PREFIX, "report."),
        Count(("subject.id",), 60.0, Operator.LT, 3, effect="deny"),
    ],
)
def test_what_cannot_be_evaluated_makes_nobody_an_approver(approvers: Condition) -> None:
    assert not eligible(approvers, Approver("bea", roles=("dpo",)))


def test_further_attributes_cannot_replace_who_the_approver_is() -> None:
    forged: dict[str, AttributeValue] = {"user": "carl", "role": "dpo", "tenant": "globex"}
    person = approver_context("acme", Approver("bea", roles=("intern",), attributes=forged), NOON)
    assert person.values("subject.id") == ("bea",)
    assert person.values("subject.roles") == ("intern",)
    assert person.values("tenant") == ("acme",)


def test_an_attribute_nobody_knows_is_named() -> None:
    with pytest.raises(ContextError, match="favourite_colour"):
        approver_context("acme", Approver("bea", attributes={"favourite_colour": "red"}), NOON)


def test_an_approver_with_unusable_attributes_is_not_eligible() -> None:
    queue: ApprovalQueue = MemoryApprovals()
    odd = Approver("bea", roles=("dpo",), attributes={"subject.level": float("nan")})
    with pytest.raises(ApprovalError) as error:
        queue.approve("acme", park(queue).id, odd)
    assert error.value.code == "not_eligible"
