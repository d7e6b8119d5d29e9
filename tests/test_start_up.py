from __future__ import annotations

import pytest

from policy_middleware.attributes import claim, const, header, subdomain
from policy_middleware.settings import EnforcerSettings, GateSettings
from policy_middleware.start_up import remarks

QUIET = {"tenant": const("acme")}
REDIS = {"store_url": "redis://localhost"}


def _remarks(gate: dict[str, object], enforcer: dict[str, object] | None = None) -> list[str]:
    settings = EnforcerSettings.load({**REDIS, **(enforcer or {})}, {})
    return list(remarks(GateSettings.load({**QUIET, **gate}, {}), settings))


def test_settings_that_are_what_they_seem_need_no_remark() -> None:
    assert _remarks({}) == []
    assert _remarks({"tenant": [claim("org"), const("acme")]}) == []
    assert _remarks({"subject": header("X-User"), "trusted_proxies": "10.0.0.1"}) == []


@pytest.mark.parametrize(
    ("gate", "enforcer", "says"),
    [
        ({"subject": header("X-User"), "roles": header("X-Roles")}, {}, "subject, roles come from headers"),
        ({"tenant": [claim("org"), subdomain()]}, {}, "tenant come from headers"),
        ({"mode": "observe"}, {}, "nothing is enforced"),
        ({}, {"on_store_failure": "allow"}, "on_store_failure is 'allow'"),
        ({}, {"on_missing_policy": "allow"}, "on_missing_policy is 'allow'"),
        ({}, {"store_url": "memory://"}, "other workers do not see them"),
    ],
)
def test_each_surprise_is_told_with_its_remedy(
    gate: dict[str, object], enforcer: dict[str, object], says: str
) -> None:
    (remark,) = _remarks(gate, enforcer)
    assert says in remark
