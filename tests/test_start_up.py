from __future__ import annotations

import sys

import pytest

from policy_middleware.attributes import claim, const, header, subdomain
from policy_middleware.settings import EnforcerSettings, GateSettings
from policy_middleware.start_up import remarks, rewritten_peers

QUIET = {"tenant": const("acme")}
REDIS = {"store_url": "redis://localhost"}


def _remarks(gate: dict[str, object], enforcer: dict[str, object] | None = None) -> list[str]:
    settings = EnforcerSettings.load({**REDIS, **(enforcer or {})}, {})
    return [str(remark) for remark in remarks(GateSettings.load({**QUIET, **gate}, {}), settings)]


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
        ({"expose": "debug"}, {}, "reads which rule decided"),
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


@pytest.mark.parametrize(
    ("environ", "arguments", "hidden"),
    [
        ({}, ["uvicorn", "main:app"], "127.0.0.1/32"),
        ({}, ["uvicorn", "--no-proxy-headers"], None),
        ({"FORWARDED_ALLOW_IPS": "192.0.2.1"}, [], None),
        ({"FORWARDED_ALLOW_IPS": "*"}, [], "127.0.0.1/32, 10.0.0.0/8"),
        ({}, ["uvicorn", "--forwarded-allow-ips", "10.1.2.3,proxy.internal"], "10.0.0.0/8"),
        ({}, ["uvicorn", "--forwarded-allow-ips=10.1.2.3"], "10.0.0.0/8"),
    ],
)
def test_a_proxy_whose_address_uvicorn_hides_is_told(
    monkeypatch: pytest.MonkeyPatch, environ: dict[str, str], arguments: list[str], hidden: str | None
) -> None:
    monkeypatch.setitem(sys.modules, "uvicorn", sys)
    given = {**QUIET, "subject": header("X-User"), "trusted_proxies": ["127.0.0.1", "10.0.0.0/8"]}
    told = list(rewritten_peers(GateSettings.load(given, {}), environ, arguments))
    assert [str(remark).partition(" of ")[2].partition(" by ")[0] for remark in told] == [hidden][
        : hidden is not None
    ]


def test_other_servers_and_other_identities_have_no_hidden_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    given = {**QUIET, "subject": header("X-User"), "trusted_proxies": ["127.0.0.1"]}
    monkeypatch.delitem(sys.modules, "uvicorn", raising=False)
    assert list(rewritten_peers(GateSettings.load(given, {}), {}, [])) == []
    monkeypatch.setitem(sys.modules, "uvicorn", sys)
    assert list(rewritten_peers(GateSettings.load({**given, "subject": claim("sub")}, {}), {}, [])) == []
