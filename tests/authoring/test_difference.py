from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings

from policy_middleware.authoring.access import Access
from policy_middleware.authoring.difference import Change, Kind, compare_documents
from policy_middleware.model.documents import migrate_document
from policy_middleware.model.errors import DocumentError
from tests.authoring.linting import document, rule
from tests.authoring.strategies import json_documents

A = rule("a", "allow", {"role": "staff"})
B = rule("b", "deny", {"action": "x"})
C = rule("c", "mask", {"role": "support"})


def changes(before: Any, after: Any, name: str = "acme") -> tuple[Change, ...]:
    return compare_documents(before, after, name=name).changes


def only(before: Any, after: Any, name: str = "acme") -> Change:
    [change] = changes(before, after, name)
    return change


def told(before: Any, after: Any) -> tuple[Kind, Access, str]:
    change = only(before, after)
    return change.kind, change.access, change.message


@settings(max_examples=50, deadline=None)
@given(json_documents(), json_documents())
def test_documents_differ_exactly_when_their_content_does(before: Any, after: Any) -> None:
    assert not compare_documents(before, json.dumps(before, indent=3), name="acme")
    defaults: dict[str, Any] = {"enabled": True, "mode": "enforce"}
    same = [{**defaults, **one} for one in before["rules"]] == [
        {**defaults, **one} for one in after["rules"]
    ] and (
        before["default"],
        before["combine"],
    ) == (after["default"], after["combine"])
    assert bool(compare_documents(before, after, name="acme")) is not same


def test_a_new_deny_narrows_and_a_new_allow_widens() -> None:
    assert told(document(A), document(A, B)) == (Kind.ADDED, Access.NARROWER, "Rule 'b' (deny) is new.")
    assert told(document(B), document(A, B)) == (Kind.ADDED, Access.WIDER, "Rule 'a' (allow) is new.")
    assert told(document(A, B), document(A)) == (Kind.REMOVED, Access.WIDER, "Rule 'b' (deny) is gone.")


def test_a_new_mask_narrows_only_where_nothing_stricter_is_about() -> None:
    assert only(document(A, default="allow"), document(A, C, default="allow")).access is Access.NARROWER
    assert only(document(A), document(A, C)).access is Access.UNCERTAIN


def test_a_rule_that_is_off_or_observed_changes_nothing() -> None:
    assert only(document(A), document(A, B | {"enabled": False})).access is Access.SAME
    assert told(document(A), document(A, B | {"mode": "observe"})) == (
        Kind.ADDED,
        Access.SAME,
        "Rule 'b' (deny, observed) is new.",
    )


@pytest.mark.parametrize(
    ("before", "after", "access", "message"),
    [
        ({}, {"enabled": False}, Access.WIDER, "Rule 'b' (deny) is switched off."),
        ({"enabled": False}, {}, Access.NARROWER, "Rule 'b' (deny) is switched on."),
        (
            {"mode": "observe"},
            {},
            Access.NARROWER,
            "Rule 'b' (deny) is enforced now, no longer only observed.",
        ),
        ({}, {"mode": "observe"}, Access.WIDER, "Rule 'b' (deny) is only observed now."),
        ({}, {"effect": "allow"}, Access.WIDER, "Rule 'b' changes from deny to allow."),
        ({}, {"note": "why"}, Access.SAME, "Rule 'b' (deny) changes."),
        ({}, {"reason": "Some other reason."}, Access.SAME, "Rule 'b' (deny) changes."),
        ({}, {"when": {"action": {"prefix": "x"}}}, Access.NARROWER, "Rule 'b' (deny) changes."),
        ({}, {"when": {"action": "x", "role": "y"}}, Access.WIDER, "Rule 'b' (deny) changes."),
        ({}, {"when": {"action": "y"}}, Access.UNCERTAIN, "Rule 'b' (deny) changes."),
        ({}, {"valid_until": "2027-01-01T00:00:00Z"}, Access.WIDER, "Rule 'b' (deny) changes."),
    ],
)
def test_a_change_of_a_rule_is_told_in_a_sentence(
    before: Any, after: Any, access: Access, message: str
) -> None:
    assert told(document(A, B | before), document(A, B | after)) == (Kind.CHANGED, access, message)


@pytest.mark.parametrize(
    ("before", "after", "access"),
    [
        ({"a": "redact"}, {"a": "redact", "b": "drop"}, Access.NARROWER),
        ({"a": "partial"}, {"a": "redact"}, Access.NARROWER),
        ({"a": {"operator": "partial", "show_last": 2}}, {"a": "partial"}, Access.WIDER),
        ({"a": "redact"}, {"b": "redact"}, Access.UNCERTAIN),
    ],
)
def test_masks_are_compared_field_by_field(before: Any, after: Any, access: Access) -> None:
    old, new = [document(C | {"mask": {"fields": fields}}) for fields in (before, after)]
    assert only(old, new).access is access


@pytest.mark.parametrize(
    ("before", "after", "access"),
    [
        ({"required": 1}, {"required": 2}, Access.NARROWER),
        ({"approvers": {"role": "dpo"}}, {"approvers": {"role": {"in": ["dpo", "lead"]}}}, Access.WIDER),
        ({"expires_in": "4h"}, {"expires_in": "1h"}, Access.NARROWER),
        ({"use_within": "1h"}, {}, Access.SAME),
        ({"approvers": {"role": "dpo"}}, {"approvers": {"role": "lead"}}, Access.UNCERTAIN),
    ],
)
def test_approvals_are_compared_by_who_how_many_and_how_long(before: Any, after: Any, access: Access) -> None:
    old, new = [document(rule("ask", "require_approval", {}, approval=one)) for one in (before, after)]
    assert only(old, new).access is access


def test_a_move_is_told_where_order_matters() -> None:
    change = only(document(A, C, B), document(B, A, C))
    assert (change.kind, change.access) == (Kind.MOVED, Access.NARROWER)
    assert change.message == "Rule 'b' (deny) moves up, to the top."
    strictest = {"combine": "most_restrictive"}
    assert only(document(A, C, B, **strictest), document(A, B, C, **strictest)).access is Access.SAME


def test_another_id_is_another_name_for_the_same_rule() -> None:
    assert told(document(A, B), document(A, B | {"id": "no-x"})) == (
        Kind.CHANGED,
        Access.SAME,
        "Rule 'b' is called 'no-x' now.",
    )


def test_default_and_combine_are_told() -> None:
    assert told(document(A), document(A, default="allow")) == (
        Kind.CHANGED,
        Access.WIDER,
        "The default becomes allow; it was deny.",
    )
    assert told(document(A), document(A, combine="most_restrictive")) == (
        Kind.CHANGED,
        Access.NARROWER,
        "The strictest of all rules that hold decides now, no longer the first one.",
    )
    assert told(document(A), document(A, description="New.")) == (
        Kind.CHANGED,
        Access.SAME,
        "What the document says about itself changes.",
    )


def test_writing_down_what_was_assumed_is_no_difference() -> None:
    assert not changes(document(A), document(A | {"enabled": True, "mode": "enforce"}, combine="first_match"))


def test_the_first_and_the_last_revision_are_told_as_a_whole() -> None:
    assert told(None, document(A)) == (
        Kind.ADDED,
        Access.UNCERTAIN,
        "The document 'acme' is new, with 1 rule.",
    )
    gone = only({"rules": [B, C]}, None, "_global")
    assert (gone.access, gone.message) == (Access.WIDER, "The document '_global' with 2 rules is gone.")
    assert changes(None, None) == ()


def test_the_text_shows_sentences_and_values() -> None:
    difference = compare_documents(
        document(A, B), document(A | {"when": {"role": "staff", "action": "y"}}), name="acme"
    )
    assert list(difference.lines()) == [
        "- Rule 'b' (deny) is gone. Access can only become wider.",
        "~ Rule 'a' (allow) changes. Access can only become narrower.",
        '    - when: {"role": "staff"}',
        '    + when: {"role": "staff", "action": "y"}',
        "Together: whether access becomes wider or narrower depends on the request.",
    ]


def test_the_difference_is_plain_data_for_programs() -> None:
    assert compare_documents(document(A), document(A | {"note": "n"}), name="acme").as_dict() == {
        "access": "same",
        "changes": [
            {
                "kind": "changed",
                "rule": "a",
                "access": "same",
                "message": "Rule 'a' (allow) changes.",
                "fields": {"note": {"before": None, "after": "n"}},
            }
        ],
    }


def test_documents_that_are_not_valid_are_not_compared() -> None:
    with pytest.raises(DocumentError):
        changes(document(A), {"rules": "nonsense"})


def test_the_form_of_the_decision_record_is_compared_by_what_it_says() -> None:
    bare: list[object] = [{"conditions": {"role": "x"}, "action": "deny", "reason": "Not for you."}]
    assert not compare_documents(bare, migrate_document(bare), name="acme")


LIMIT = {"per": ["subject.id"], "within": "24h", "max": 5}


@pytest.mark.parametrize(
    ("before", "after", "access"),
    [
        (None, LIMIT, "narrower"),
        (LIMIT, None, "wider"),
        (LIMIT, LIMIT | {"max": 6}, "wider"),
        (LIMIT, LIMIT | {"max": 4}, "narrower"),
        (LIMIT, LIMIT | {"within": "1h"}, "uncertain"),
    ],
)
def test_a_limit_narrows_what_its_rule_allows(before: Any, after: Any, access: str) -> None:
    def limited(limit: Any) -> dict[str, Any]:
        return document({**A, "limit": limit} if limit else A)

    assert compare_documents(limited(before), limited(after), name="acme").access == access
