from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.running import Shell

ROOT = str(Path(__file__).parents[2])

POLICY = {
    "schema": 1,
    "default": "deny",
    "rules": [
        {
            "id": "read",
            "when": {"action": "customer.read", "role": "x"},
            "effect": "allow",
            "reason": "Read.",
        },
        {"id": "pii", "when": {"tags": "pii"}, "effect": "deny", "reason": "No personal data."},
        {"id": "off", "when": {}, "enabled": False, "effect": "deny", "reason": "Off."},
    ],
}
APPS = ["examples.fastapi_service:app", "examples.flask_service:app", "examples.django_service.settings"]


@pytest.mark.parametrize("app", APPS)
def test_every_route_is_listed_with_the_rules_that_can_touch_it(shell: Shell, app: str) -> None:
    path = shell.write("acme.json", POLICY)
    said = shell.process("routes", app, "--policy", path, "-o", "json", PYTHONPATH=ROOT)
    assert said.code == 0, said.err
    rows = {(row["method"], row["route"]): row for row in said.data}
    read = rows["GET", "/customers/{customer_id}"]
    assert read["action"] == "customer.read"
    assert "read" in read["rules"]
    assert "off" not in read["rules"]
    assert any(not row["covered"] for row in said.data)
    assert shell.process("routes", app, "--policy", path, "--fail-on-uncovered", PYTHONPATH=ROOT).code == 6


@pytest.mark.parametrize("app", ["examples.nowhere:app", "examples.company:Customer", "json:dumps"])
def test_what_is_no_application_is_a_usage_error(shell: Shell, app: str) -> None:
    assert shell("routes", app).code == 2


def test_failing_on_uncovered_routes_needs_rules(shell: Shell) -> None:
    assert shell.process("routes", APPS[0], "--fail-on-uncovered", PYTHONPATH=ROOT).code == 2
