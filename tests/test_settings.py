from __future__ import annotations

import pytest

from policy_middleware.model.errors import SettingsError
from policy_middleware.settings import EnforcerSettings, GateSettings, check_names


def test_explicit_settings_win_over_the_environment() -> None:
    environ = {"POLICY_MAX_STALE": "5", "POLICY_ON_MISSING_POLICY": "default"}
    settings = EnforcerSettings.load({"max_stale": 7}, environ)
    assert (settings.max_stale, settings.on_missing_policy) == (7.0, "default")


def test_the_environment_writes_lists_with_commas() -> None:
    assert GateSettings.load({}, {"POLICY_EXEMPT": "/up, /live"}).exempt == ("/up", "/live")


def test_an_unknown_setting_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(SettingsError, match="unknown setting 'max_stael': did you mean 'max_stale'"):
        EnforcerSettings.load({"max_stael": 1}, {})
    with pytest.raises(SettingsError, match="unknown setting 'tennant': did you mean 'tenant'"):
        check_names(["enforcer", "tennant"])


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"prefix": "policy"}, "prefix: 'policy' must start with '/'"),
        ({"prefix": "/"}, "prefix"),
        ({"exempt": ["/"]}, "would exempt everything"),
        ({"exempt": ["//"]}, "would exempt everything"),
        ({"exempt": ["healthz"]}, "must be a path such as"),
        ({"on_missing_tenant": "a b"}, "neither '400' nor a tenant id"),
        ({"public_url": "example.org"}, "public_url"),
        ({"mode": "audit"}, "mode: input should be 'enforce' or 'observe', not 'audit'"),
        ({"max_body": -1}, "max_body"),
    ],
)
def test_bad_values_are_refused_by_name(settings: dict[str, object], sentence: str) -> None:
    with pytest.raises(SettingsError, match=sentence):
        GateSettings.load(settings, {})


def test_a_password_in_the_store_url_is_not_shown_with_the_settings() -> None:
    settings = EnforcerSettings.load({"store_url": "redis://:hidden@localhost/0"}, {})
    assert settings.store_url.endswith("hidden@localhost/0")
    assert "hidden" not in f"{settings!r} {settings}"
