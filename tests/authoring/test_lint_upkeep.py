from __future__ import annotations

from typing import Any

import pytest

from policy_middleware.authoring.findings import Code
from tests.authoring.linting import codes, document, only, rule

ALLOW = rule("staff", "allow", {"role": "staff"})


def about(**changes: Any) -> dict[str, Any]:
    return document(ALLOW, rule("no-guests", "deny", {"role": "guest"}, **changes))


def test_an_expired_rule_says_since_when() -> None:
    found = only(about(valid_until="2027-01-01T00:00:00Z"), Code.EXPIRED)
    assert found.message == "Rule 'no-guests' has been off since 2027-01-01T00:00:00Z."
    assert found.path == "$.rules[1].valid_until"


def test_a_rule_that_ends_soon_says_when() -> None:
    found = only(about(valid_until="2027-01-17T00:00:00Z"), Code.ENDS_SOON)
    assert found.message == "Rule 'no-guests' ends within seven days, on 2027-01-17T00:00:00Z."
    assert codes(about(valid_until="2027-02-17T00:00:00Z")) == []


def test_emergency_rules_always_end_soon() -> None:
    raw = {"rules": [rule("inc-1", "deny", {}, valid_until="2027-01-15T10:00:00Z")]}
    assert codes(raw, "_incident") == []


def test_a_rule_that_is_switched_off_is_remarked_with_the_command_that_switches_it_on() -> None:
    found = only(about(enabled=False), Code.SWITCHED_OFF)
    assert found.remedy.startswith("Run `policyctl rule enable no-guests`")


@pytest.mark.parametrize(
    ("reason", "code"),
    [
        ("No.", Code.REASON_TOO_SHORT),
        ("Forbidden", Code.REASON_TOO_SHORT),
        ("No guests", Code.REASON_REPEATS_ID),
        ("NO_GUESTS", Code.REASON_REPEATS_ID),
        ("Blocked by rule 7.", Code.REASON_TELLS_INTERNALS),
        ("The deny rule applies to you.", Code.REASON_TELLS_INTERNALS),
        ("Your name does not match the regex.", Code.REASON_TELLS_INTERNALS),
        ("Your subject.roles lack staff.", Code.REASON_TELLS_INTERNALS),
        ("Stopped by no-guests, sorry.", Code.REASON_TELLS_INTERNALS),
    ],
)
def test_a_reason_that_clients_cannot_use_is_remarked(reason: str, code: Code) -> None:
    assert codes(about(reason=reason)) == [code]


@pytest.mark.parametrize(
    "reason",
    [
        "Guests have to register first.",
        "House rules: no guests after ten.",
        "The assistant is off during INC-42.",
        "Staff works.",
        "禁止访问",
        "Ask for help at help.example.org/resource.",
        "This ruling of the board stands.",
    ],
)
def test_a_reason_in_the_words_of_people_is_not_remarked(reason: str) -> None:
    assert codes(about(reason=reason)) == []


def asking(approval: Any) -> dict[str, Any]:
    return document(ALLOW, rule("refund", "require_approval", {"action": "refund"}, approval=approval))


def test_an_approval_that_anybody_may_give_is_remarked() -> None:
    assert codes(asking({"required": 2})) == [Code.ANYONE_APPROVES]


@pytest.mark.parametrize(
    ("approval", "message"),
    [
        (
            {"approvers": {"user": "bea"}, "required": 2},
            "Rule 'refund' asks for 2 approvals, but only one person may give one.",
        ),
        (
            {"approvers": {"user": {"in": ["bea", "cem"]}}, "required": 3},
            "Rule 'refund' asks for 3 approvals, but only 2 people may give one.",
        ),
        (
            {"approvers": {"all": [{"user": "bea"}, {"user": "cem"}]}},
            "Nobody can approve what rule 'refund' asks for: its approvers exclude themselves.",
        ),
    ],
)
def test_an_approval_that_cannot_be_given_is_an_error(approval: Any, message: str) -> None:
    assert only(asking(approval), Code.NOBODY_APPROVES).message == message


@pytest.mark.parametrize(
    "approval",
    [
        {"approvers": {"user": {"in": ["bea", "cem"]}}, "required": 2},
        {"approvers": {"any": [{"user": "bea"}, {"role": "lead"}]}, "required": 2},
        {"approvers": {"role": "lead"}, "required": 9},
    ],
)
def test_an_approval_that_can_be_given_is_not_remarked(approval: Any) -> None:
    assert codes(asking(approval)) == []
