from __future__ import annotations

from typing import Any

import pytest

from policy_middleware.approvals import Approver
from policy_middleware.cli import demonstration
from policy_middleware.cli.demo_service import POLICY, incident
from policy_middleware.cli.demonstration import Walk
from policy_middleware.model.documents import parse_document
from tests.cli.running import Shell


def test_the_demo_takes_every_step_as_expected_without_any_server(shell: Shell) -> None:
    said = shell("demo", "-o", "json")
    assert (said.code, said.err) == (0, "")
    assert all(step["expected"] for step in said.data)
    effects = [step["decision"]["effect"] for step in said.data]
    assert {"allow", "deny", "mask", "require_approval"} <= set(effects)
    assert [step["response"]["status"] for step in said.data] == [
        200, 403, 200, 202, 200, 409, 403, 200, 200, 403, 200,
    ]  # fmt: skip


def test_the_transcript_shows_request_decision_and_response(shell: Shell) -> None:
    said = shell("demo")
    assert said.code == 0
    assert "   >  GET /customers/c1   sam, support of acme\n" in said.out
    assert "   =  mask by support-sees-masked: Support sees masked personal data.\n" in said.out
    assert '"email": "[REDACTED]"' in said.out
    assert said.out.endswith("\n11 of 11 steps as expected\n")


def test_settings_of_the_environment_do_not_change_the_demo(shell: Shell) -> None:
    said = shell(
        "demo", POLICY_MODE="observe", POLICY_STORE_URL="redis://127.0.0.1:1", POLICY_ON_MISSING_POLICY="x"
    )
    assert said.code == 0


def test_a_step_that_is_not_as_expected_ends_in_exit_code_1(
    shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unmasked(environ: Any, start_response: Any) -> list[bytes]:
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [b'{"email": "ada@example.com"}']

    monkeypatch.setattr(demonstration, "service", unmasked)
    said = shell("demo")
    assert said.code == 1
    assert "UNEXPECTED  mask" in said.out
    assert "unexpected: mask: GET /customers/c1 was answered 502" in said.err


def test_an_approval_that_fails_is_told_and_fails_the_walk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demonstration, "BEA", Approver("bea", ("intern",)))
    told: list[object] = []
    assert not Walk(told.append).run()
    assert any("cannot approve" in one for one in told if isinstance(one, str))


def test_the_policies_of_the_demo_are_without_warnings() -> None:
    assert parse_document(POLICY, name="acme").warnings == ()
    assert parse_document(incident(), name="_incident").warnings == ()
