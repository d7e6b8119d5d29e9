"""The plugin as pytest itself finds it, in a project that knows nothing but the installed package."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path

PROJECT = """
from flask import Flask
import pytest

from policy_middleware import PolicyEnforcer
from policy_middleware.attributes import header
from policy_middleware.testing import assert_allowed, assert_denied, assert_masked, assert_pending
from policy_middleware_flask import PolicyMiddleware

ALLOW = {"schema": 1, "default": "allow", "rules": []}
APPROVAL = {
    "schema": 1,
    "default": "deny",
    "rules": [
        {"id": "boss", "when": {}, "effect": "require_approval", "reason": "Ask.",
         "approval": {"approvers": {"role": "boss"}}}
    ],
}
HEADERS = {"X-Tenant-ID": "acme", "X-User": "bea"}


@pytest.fixture
def client():
    app = Flask(__name__)
    PolicyMiddleware(
        app, store_url="redis://127.0.0.1:1/0", tenant=header("X-Tenant-ID"), subject=header("X-User")
    )
    app.get("/")(lambda: "hello")
    return app.test_client()


def test_override(client, policies, policy_decisions):
    policies(ALLOW)
    assert_allowed(client.get("/", headers=HEADERS))
    policies({"acme": APPROVAL})
    assert_pending(client.get("/", headers=HEADERS))
    assert len(policy_decisions) == 2


def test_override_has_ended(client):
    assert client.get("/", headers=HEADERS).status_code == 503


def test_approval(client, policies, approve):
    policies(APPROVAL)
    task = approve(client.get("/", headers=HEADERS), roles=["boss"])
    assert_allowed(client.get("/", headers={**HEADERS, "X-Approval-Id": task.id}))


def test_enforcer(policy_enforcer):
    policy_enforcer.publish("acme", ALLOW)
    assert_allowed(policy_enforcer, {"tenant": "acme", "action": "x"})


def test_failure(client, policies):
    policies(ALLOW)
    assert_denied(client.get("/", headers=HEADERS))
"""


def run(directory: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST")}
    return subprocess.run(
        (sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-W", "error", *arguments),
        cwd=directory,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )


def test_pytest_finds_the_plugin_by_its_entry_point() -> None:
    assert [point.value for point in entry_points(group="pytest11", name="policy_middleware")] == [
        "policy_middleware.pytest_plugin"
    ]


def test_the_fixtures_serve_a_project_without_any_server(tmp_path: Path) -> None:
    (tmp_path / "test_shop.py").write_text(PROJECT)
    done = run(tmp_path)
    assert "4 passed" in done.stdout, done.stdout + done.stderr
    assert "1 failed" in done.stdout


def test_a_failure_is_told_by_its_message_and_not_by_our_code(tmp_path: Path) -> None:
    (tmp_path / "test_shop.py").write_text(PROJECT)
    done = run(tmp_path, "-k", "test_failure")
    assert "AssertionError: the request was allowed, not 'deny'" in done.stdout
    assert "assert_denied(client.get" in done.stdout
    assert "def expect(" not in done.stdout


def test_a_run_that_needs_no_policy_imports_none_of_it(tmp_path: Path) -> None:
    (tmp_path / "test_other.py").write_text(
        "import sys\n"
        "def test_imports():\n"
        "    assert 'policy_middleware.pytest_plugin' in sys.modules\n"
        "    heavy = {'pydantic', 'redis', 'django', 'flask', 'fastapi', 'starlette', "
        "'policy_middleware.enforcer', 'policy_middleware.testing'}\n"
        "    assert not heavy & set(sys.modules), heavy & set(sys.modules)\n"
    )
    done = run(tmp_path, "-p", "no:valkey", "-p", "no:anyio", "-p", "no:hypothesispytest", "-p", "no:xdist")
    assert done.returncode == 0, done.stdout
