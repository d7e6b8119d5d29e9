from __future__ import annotations

from typing import Any

from policy_middleware.authoring.draft import KnownNames
from policy_middleware.authoring.findings import Code
from tests.authoring.linting import document, lint, rule

KNOWN = KnownNames(
    actions=frozenset({"document.read", "document.delete", "GET /health"}), tags=frozenset({"pii"})
)


def found(when: Any) -> list[tuple[Code, str, str]]:
    raw = document(rule("a", "allow", when))
    return [(one.code, one.message, one.remedy) for one in lint(raw, known=KNOWN)]


def test_an_action_no_route_has_is_remarked_with_the_one_that_was_meant() -> None:
    assert found({"action": "documents.read"}) == [
        (
            Code.UNKNOWN_ACTION,
            "The application knows no action 'documents.read'.",
            "Did you mean 'document.read'?",
        )
    ]


def test_a_prefix_no_action_has_is_remarked() -> None:
    assert found({"not": {"action": {"prefix": "invoice."}}}) == [
        (
            Code.UNKNOWN_ACTION,
            "No action of the application begins with 'invoice.'.",
            "Compare with the actions of the application.",
        )
    ]


def test_each_unknown_tag_is_remarked() -> None:
    assert [code for code, _, _ in found({"tags": {"in": ["pii", "money", "x"]}})] == [Code.UNKNOWN_TAG] * 2


def test_known_names_are_not_remarked_nor_kinds_of_which_nothing_is_known() -> None:
    assert found({"action": {"prefix": "document."}, "tags": "pii", "role": "whoever"}) == []


def test_a_star_is_remarked_once() -> None:
    assert [code for code, _, _ in found({"action": "document.*"})] == [Code.STAR_IN_EQUALITY]


def test_a_path_without_a_route_is_no_unknown_action() -> None:
    assert found({"action": {"in": ["GET /wp-admin", "POST /xmlrpc.php"]}}) == []
    assert [code for code, _, _ in found({"action": "GET /documents/{nr}"})] == [Code.UNKNOWN_ACTION]
