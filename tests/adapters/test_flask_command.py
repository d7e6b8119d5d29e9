from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from flask import Flask
from flask.cli import FlaskGroup, ScriptInfo

from policy_middleware.attributes import const
from policy_middleware_flask import PolicyMiddleware, cli

DOCUMENT = {"schema": 1, "default": "deny", "rules": []}


@pytest.fixture(autouse=True)
def _own_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    # The command sets variables for policyctl; monkeypatch takes them back.
    for name in ("POLICY_STORE_URL", "POLICY_KEY_PREFIX"):
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)


def app_over(store: str) -> Flask:
    app = Flask(__name__)
    PolicyMiddleware(app, store_url=store, tenant=const("acme"), decision_log=lambda record: None)
    return app


def flask(app: Flask, *arguments: str) -> Result:
    """Run `flask ...` for an app, commands of entry points included."""
    group = FlaskGroup(create_app=lambda: app, load_dotenv=False, set_debug_flag=False)
    return CliRunner().invoke(group, arguments, prog_name="flask")


def test_it_is_a_command_of_flask() -> None:
    result = flask(app_over("memory://"), "policy", "--help")
    assert result.exit_code == 0
    assert "flask policy" in result.output


def test_it_uses_the_store_of_the_app(tmp_path: Path) -> None:
    app = app_over(f"file://{tmp_path}")
    app.extensions["policy_middleware"].gate.enforcer.publish("acme", DOCUMENT)
    result = flask(app, "policy", "show", "--tenant", "acme")
    assert result.exit_code == 0, result.output
    assert json.loads(result.output)


def test_its_exit_codes_are_policyctls(tmp_path: Path) -> None:
    broken = tmp_path / "broken.json"
    broken.write_text("{")
    result = flask(app_over("memory://"), "policy", "check", str(broken))
    assert result.exit_code == 3


def test_a_store_in_the_environment_is_left_alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("POLICY_STORE_URL", f"file://{tmp_path}")
    flask(app_over("memory://"), "policy", "--help")
    assert os.environ["POLICY_STORE_URL"] == f"file://{tmp_path}"


def test_without_an_app_it_is_plain_policyctl() -> None:
    result = CliRunner().invoke(cli, ["--help"], obj=ScriptInfo(app_import_path="nowhere:app"))
    assert result.exit_code == 0
    assert "POLICY_STORE_URL" not in os.environ
