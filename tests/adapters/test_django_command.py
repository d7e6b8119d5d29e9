from __future__ import annotations

import json
from pathlib import Path

import pytest
from django.core.management import ManagementUtility, call_command
from django.core.management.base import CommandError
from django.test import override_settings

from policy_middleware.attributes import const
from policy_middleware_django.conf import SETTING, installations
from tests.adapters import django_project

django_project.configure()

DOCUMENT = {"schema": 1, "default": "deny", "rules": []}


@pytest.fixture(autouse=True)
def _own_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    # The command sets variables for policyctl; monkeypatch takes them back.
    for name in ("POLICY_STORE_URL", "POLICY_KEY_PREFIX"):
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)


def settings_over(store: str) -> dict[str, object]:
    return {"STORE_URL": store, "TENANT": const("acme"), "DECISION_LOG": lambda record: None}


def manage(*arguments: str) -> int:
    """Run `manage.py policy ...` and return its exit code."""
    with pytest.raises(SystemExit) as exited:
        ManagementUtility(["manage.py", "policy", *arguments]).execute()
    return int(exited.value.code or 0)


def test_its_help_is_policyctls(capsys: pytest.CaptureFixture[str]) -> None:
    with override_settings(POLICY_MIDDLEWARE=settings_over("memory://")):
        assert manage("--help") == 0
    assert "manage.py policy" in capsys.readouterr().out


def test_it_uses_the_store_of_the_project(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with override_settings(POLICY_MIDDLEWARE=settings_over(f"file://{tmp_path}")):
        installations[SETTING].gate.enforcer.publish("acme", DOCUMENT)
        assert manage("show", "--tenant", "acme") == 0
    assert json.loads(capsys.readouterr().out) == DOCUMENT


def test_its_exit_codes_are_policyctls(tmp_path: Path) -> None:
    broken = tmp_path / "broken.json"
    broken.write_text("{")
    with override_settings(POLICY_MIDDLEWARE=settings_over("memory://")):
        assert manage("check", str(broken)) == 3


def test_it_can_be_called_from_code(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    settings = override_settings(POLICY_MIDDLEWARE=settings_over("memory://"))
    with settings, pytest.raises(SystemExit) as exited:
        call_command("policy", "schema")
    assert exited.value.code in (0, None)
    assert json.loads(capsys.readouterr().out)


def test_settings_that_cannot_work_are_named() -> None:
    with override_settings(POLICY_MIDDLEWARE={"TENANTS": "x"}), pytest.raises(CommandError, match="tenant"):
        call_command("policy", "schema")
