from __future__ import annotations

from typing import Any

import pytest

from policy_middleware.authoring.findings import Code
from tests.authoring.linting import codes, document, lint, only, rule

ALLOW = rule("staff", "allow", {"role": "staff"})


@pytest.mark.parametrize(
    ("when", "remedy"),
    [
        ({"action": "agent.*"}, 'Write {"prefix": "agent."} if everything that begins with it is meant.'),
        ({"tags": {"in": ["a", "*"]}}, "Write prefix or matches if a pattern is meant."),
        ({"not": {"action": {"ne": "a*b"}}}, "Write prefix or matches if a pattern is meant."),
    ],
)
def test_a_star_in_an_equality_is_remarked_with_what_was_meant(when: Any, remedy: str) -> None:
    assert only(document(rule("a", "allow", when)), Code.STAR_IN_EQUALITY).remedy == remedy


def test_a_star_in_a_pattern_is_a_pattern() -> None:
    assert codes(document(rule("a", "allow", {"action": {"matches": "a.*"}}))) == []


def test_a_star_among_the_approvers_is_remarked() -> None:
    raw = document(rule("a", "require_approval", {"role": "x"}, approval={"approvers": {"role": "lead*"}}))
    assert only(raw, Code.STAR_IN_EQUALITY).path == "$.rules[0].approval.approvers.role"


def test_a_rule_that_never_holds_names_what_excludes_itself() -> None:
    found = only(
        document(ALLOW, rule("a", "allow", {"all": [{"action": "x"}, {"action": "y"}]})), Code.NEVER_HOLDS
    )
    assert found.message == "Rule 'a' never holds: what it asks of 'action' excludes itself."
    assert found.path == "$.rules[1].when.all[0].action"


def test_a_restriction_that_never_holds_may_still_restrict_who_lacks_the_attribute() -> None:
    found = only(document(ALLOW, rule("a", "deny", {"resource.rows": {"lt": 5, "gt": 9}})), Code.NEVER_HOLDS)
    assert found.message == (
        "Rule 'a' never holds: what it asks of 'resource.rows' excludes itself. Yet a request without "
        "'resource.rows' is denied, because the rule cannot be evaluated."
    )


def test_a_restriction_on_an_attribute_that_may_be_missing_says_what_happens_then() -> None:
    found = only(document(ALLOW, rule("a", "mask", {"resource.rows": {"gte": 5}})), Code.MISSING_ATTRIBUTE)
    assert found.message == (
        "A request without 'resource.rows' is answered with a masked response as well, "
        "because rule 'a' cannot be evaluated for it."
    )
    assert found.path == "$.rules[1].when['resource.rows'].gte"


@pytest.mark.parametrize(
    "one",
    [
        rule("a", "allow", {"resource.rows": {"gte": 5}}),
        rule("a", "deny", {"resource.rows": {"gte": 5, "exists": True}}),
        rule("a", "deny", {"resource.owner": "bea"}),
        rule("a", "deny", {"http.path": {"prefix": "/a"}}),
        rule("a", "deny", {"role": {"not_in": ["x"]}}),
    ],
)
def test_what_a_missing_attribute_leaves_known_is_not_remarked(one: Any) -> None:
    assert Code.MISSING_ATTRIBUTE not in codes(document(ALLOW, one))


@pytest.mark.parametrize(
    ("when", "reason", "opposite"),
    [
        ({"role": "admin", "action": "x"}, "Only admins may do this.", "'ne'"),
        ({"role": {"in": ["finance", "audit"]}}, "Refunds are for finance only.", "'not_in'"),
        ({"role": "dpo"}, "Exports are reserved for the DPO.", "'ne'"),
    ],
)
def test_a_denial_of_those_whom_the_reason_admits_is_remarked(when: Any, reason: str, opposite: str) -> None:
    found = only(document(ALLOW, rule("a", "deny", when, reason=reason)), Code.DENIES_WHOM_IT_NAMES)
    assert opposite in found.remedy.split(" instead ")[0]


@pytest.mark.parametrize(
    ("effect", "when", "reason"),
    [
        ("deny", {"role": {"ne": "admin"}}, "Only admins may do this."),
        ("deny", {"not": {"role": "admin"}}, "Only admins may do this."),
        ("allow", {"role": "admin"}, "Only admins may do this."),
        ("deny", {"role": "viewer"}, "Viewers only read."),
        ("deny", {"role": "guest"}, "Only members may do this."),
    ],
)
def test_a_denial_of_others_is_not_remarked(effect: str, when: Any, reason: str) -> None:
    raw = document(ALLOW, rule("a", effect, when, reason=reason))
    assert Code.DENIES_WHOM_IT_NAMES not in [one.code for one in lint(raw)]
