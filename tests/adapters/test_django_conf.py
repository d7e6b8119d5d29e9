from __future__ import annotations

import pytest
from django.test import override_settings

from policy_middleware.attributes import const
from policy_middleware.enforcer import PolicyEnforcer
from policy_middleware.model.errors import SettingsError
from policy_middleware_django.conf import SETTING, installations, options_of
from tests.adapters import django_project

django_project.configure()


def settings_of(**more: object) -> dict[str, object]:
    return {"TENANT": const("acme"), "DECISION_LOG": lambda record: None, **more}


def test_overridden_settings_hold_from_the_next_request_on() -> None:
    with override_settings(POLICY_MIDDLEWARE=settings_of(PREFIX="/_one")):
        first = installations[SETTING]
        assert first.gate.settings.prefix == "/_one"
        assert installations[SETTING] is first
        with override_settings(POLICY_MIDDLEWARE=settings_of(PREFIX="/_two")):
            assert installations[SETTING].gate.settings.prefix == "/_two"
        assert installations[SETTING].gate.settings.prefix == "/_one"


def test_an_enforcer_of_its_own_ends_with_its_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    closed: list[PolicyEnforcer] = []
    monkeypatch.setattr(PolicyEnforcer, "close", lambda self: closed.append(self))
    with override_settings(POLICY_MIDDLEWARE=settings_of()):
        own = installations[SETTING].gate.enforcer
    assert closed == [own]


def test_an_enforcer_that_was_given_lives_on(
    enforcer: PolicyEnforcer, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed: list[PolicyEnforcer] = []
    with monkeypatch.context() as patched:
        patched.setattr(PolicyEnforcer, "close", lambda self: closed.append(self))
        with override_settings(POLICY_MIDDLEWARE={"TENANT": const("acme"), "ENFORCER": enforcer}):
            assert installations[SETTING].gate.enforcer is enforcer
    assert closed == []


def test_the_enforcer_may_be_a_dotted_path() -> None:

    with override_settings(POLICY_MIDDLEWARE={"ENFORCER": f"{__name__}.enforcer_somewhere"}):
        assert options_of(SETTING)["enforcer"] is enforcer_somewhere


enforcer_somewhere = object()


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        (None, "must be a dict"),
        ({"ENFORCER": "nowhere.enforcer"}, r"POLICY_MIDDLEWARE\['ENFORCER'\].*nowhere"),
        ({"TENANTS": "x"}, "did you mean 'tenant'"),
        ({}, "tenant"),
    ],
)
def test_settings_that_cannot_work_are_named(wrong: object, sentence: str) -> None:
    with override_settings(POLICY_MIDDLEWARE=wrong), pytest.raises(SettingsError, match=sentence):
        installations[SETTING]
