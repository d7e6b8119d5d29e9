from __future__ import annotations

import json

import pytest

from policy_middleware.responses import ProblemType, prefers_html, problem, unauthenticated, unavailable


def test_a_problem_is_complete_and_never_cached() -> None:
    response = problem(ProblemType.DENIED, "No.", decision_id="d-1", members={"action": "x", "rule": None})
    headers = dict(response.headers)
    assert headers["Content-Type"] == "application/problem+json"
    assert headers["Cache-Control"] == "no-store"
    assert headers["X-Policy-Decision-Id"] == "d-1"
    assert int(headers["Content-Length"]) == len(response.body)
    assert json.loads(response.body) == {
        "type": "urn:problem-type:policy-middleware:denied",
        "title": "Denied by policy",
        "status": 403,
        "detail": "No.",
        "instance": "urn:policy-middleware:decision:d-1",
        "decision_id": "d-1",
        "action": "x",
    }


def test_every_kind_of_problem_has_a_title_and_a_status() -> None:
    for kind in ProblemType:
        assert problem(kind, "x").status >= 400


def test_hostile_text_stays_inside_the_json() -> None:
    response = problem(ProblemType.DENIED, 'a"\r\nSet-Cookie: x\ud800')
    assert json.loads(response.body)["detail"].startswith('a"\r\nSet-Cookie')
    assert b"\r" not in response.body


def test_401_has_a_challenge_and_503_says_when_to_come_back() -> None:
    assert dict(unauthenticated(ProblemType.IDENTITY_MISSING, "x", None).headers)["WWW-Authenticate"]
    assert dict(unavailable(ProblemType.STORE_UNAVAILABLE, "x", None).headers)["Retry-After"]


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        ("text/html,application/xhtml+xml,*/*;q=0.8", True),
        ("application/json", False),
        ("*/*", False),
        ("", False),
        (None, False),
        ("text/html;q=0.5, application/json", False),
        ("text/html;q=0", False),
        ("text/html;q=x", False),
    ],
)
def test_html_has_to_be_asked_for_explicitly(accept: str | None, expected: bool) -> None:
    assert prefers_html(accept) is expected
