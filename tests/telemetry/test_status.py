"""How an enforcer says that it is doing."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable

import pytest

from policy_middleware.enforcer import PolicyEnforcer
from policy_middleware.model.errors import LogUnavailable
from tests.conftest import RedisPlace
from tests.servers import Server
from tests.waiting import eventually

ALLOWING = {"schema": 1, "default": "allow", "rules": []}
READ = {"tenant": "acme", "action": "read"}
NOWHERE = "redis://127.0.0.1:1/0"


def kind(enforcer: PolicyEnforcer, patience: float = 0.0) -> str | None:
    unready = enforcer.unready(patience)
    return None if unready is None else unready.kind


def test_a_new_process_is_ready_once_it_has_read_the_shared_documents(clean_redis: RedisPlace) -> None:
    with PolicyEnforcer.from_url(clean_redis.url, key_prefix=clean_redis.key_prefix) as enforcer:
        assert kind(enforcer, patience=5.0) is None
        eventually(lambda: enforcer.status().listener == "synced")
        assert enforcer.status().ready
    assert kind(enforcer) == "closed"


def test_a_store_that_goes_away_makes_a_process_unready_after_max_stale_and_ready_when_back(
    new_server: Callable[..., Server],
) -> None:
    server = new_server(persistent=True)
    with PolicyEnforcer.from_url(server.url, max_stale=0.5, decision_log="logging") as enforcer:
        assert kind(enforcer, patience=5.0) is None
        server.kill()
        eventually(lambda: kind(enforcer) == "store unavailable", timeout=10)
        status = enforcer.status()
        assert status.listener.startswith("lost: ")
        assert (status.age or 0) > 0.4
        server.start()
        eventually(lambda: kind(enforcer) is None, timeout=10)


@pytest.mark.parametrize(("on_store_failure", "said"), [("deny", "store unavailable"), ("allow", None)])
def test_without_a_store_a_process_is_as_ready_as_its_operator_wants(
    on_store_failure: str, said: str | None
) -> None:
    with PolicyEnforcer.from_url(NOWHERE, on_store_failure=on_store_failure) as enforcer:
        assert kind(enforcer, patience=5.0) == said


def test_a_guardrail_that_was_never_valid_makes_a_process_unready(clean_redis: RedisPlace) -> None:
    clean_redis.client.set(clean_redis.keys.doc("_global"), "nonsense")
    with PolicyEnforcer.from_url(clean_redis.url, key_prefix=clean_redis.key_prefix) as enforcer:
        assert kind(enforcer, patience=5.0) == "no usable policy"


def test_one_tenants_bad_document_leaves_a_process_ready(clean_redis: RedisPlace) -> None:
    with PolicyEnforcer.from_url(clean_redis.url, key_prefix=clean_redis.key_prefix) as enforcer:
        enforcer.publish("acme", ALLOWING)
        enforcer.evaluate(READ)
        clean_redis.client.set(clean_redis.keys.doc("acme"), "nonsense")
        eventually(lambda: enforcer.status().refused == 1)
        status = enforcer.status()
        assert (status.ready, status.in_force, status.rejected) == (True, 1, 1)


def test_a_log_that_refuses_requests_makes_a_process_unready() -> None:
    def full(record: object) -> None:
        raise OSError("disk full")

    with PolicyEnforcer.from_url("memory://", decision_log=full, on_log_failure="refuse") as enforcer:
        enforcer.publish("acme", ALLOWING)
        assert kind(enforcer, patience=5.0) is None
        enforcer.decide(READ)
        enforcer.decision_log.flush()
        with pytest.raises(LogUnavailable):
            enforcer.decide(READ)
        assert kind(enforcer) == "decision log unavailable"


@pytest.mark.parametrize(
    ("package", "setting", "extra"),
    [("prometheus_client", "metrics", "prometheus"), ("opentelemetry", "opentelemetry", "otel")],
)
def test_a_missing_extra_is_named(package: str, setting: str, extra: str) -> None:
    program = (
        f"import sys; sys.modules[{package!r}] = None\n"
        "from policy_middleware import PolicyEnforcer\n"
        f"PolicyEnforcer.from_url('memory://', {setting}=True)\n"
    )
    done = subprocess.run((sys.executable, "-c", program), capture_output=True, text=True, timeout=60)
    assert f"policy-middleware[{extra}]" in done.stderr.splitlines()[-1]


# Not `opentelemetry` itself, which redis-py imports where it finds it.
def test_nothing_of_it_is_imported_where_it_is_not_asked_for() -> None:
    program = (
        "import sys\n"
        "from policy_middleware import PolicyEnforcer\n"
        "PolicyEnforcer.from_url('memory://').status()\n"
        "names = ('prometheus_client', 'policy_middleware.telemetry.opentelemetry')\n"
        "print([name for name in names if name in sys.modules])\n"
    )
    done = subprocess.run((sys.executable, "-c", program), capture_output=True, text=True, timeout=60)
    assert done.stdout == "[]\n", done.stderr
