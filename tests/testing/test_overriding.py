from __future__ import annotations

import asyncio
import os
import threading
import unittest
from collections.abc import AsyncIterator, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor

import pytest

from policy_middleware import (
    ContextError,
    DocumentError,
    Matched,
    PolicyEnforcer,
    RequestContext,
    SettingsError,
    StoreUnavailable,
)
from policy_middleware.approvals import MemoryApprovals, RedisApprovals
from policy_middleware.testing import override_policies
from tests.testing.applications import NOWHERE, SERVICES, Service
from tests.testing.documents import ALLOW, DENY, INCIDENT, POLICY, asked


def allowed(enforcer: PolicyEnforcer, **question: str) -> bool:
    return enforcer.evaluate(asked(**question)).allowed


# -- where it holds ------------------------------------------------------------------------------------------


def test_it_holds_in_every_framework_without_any_server(service: Service) -> None:
    with override_policies(POLICY):
        assert service("GET", "/customers/7", "admin").status_code == 200
        assert service("DELETE", "/customers/7", "viewer").status_code == 403
        assert service("GET", "/customers/7", "support").headers["X-Policy-Masked"] == "1"
        assert service("DELETE", "/customers/7", "support").status_code == 202
    assert service("GET", "/customers/7", "admin").status_code == 503


def test_it_holds_for_enforcers_from_before_and_from_inside(unreachable: PolicyEnforcer) -> None:
    with override_policies(ALLOW), PolicyEnforcer.from_url(NOWHERE) as inside:
        assert allowed(unreachable)
        assert allowed(inside)


def test_it_holds_in_other_threads_at_once(unreachable: PolicyEnforcer) -> None:
    with ThreadPoolExecutor(1) as pool:
        with override_policies(ALLOW):
            assert pool.submit(allowed, unreachable).result()
        with override_policies(DENY):
            assert not pool.submit(allowed, unreachable).result()


# Python 3.12 and later warn of a fork beside other threads, which is what gunicorn's workers are.
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_it_holds_in_a_forked_child(unreachable: PolicyEnforcer) -> None:
    with override_policies(ALLOW):
        child = os.fork()
        if child == 0:
            os._exit(0 if allowed(unreachable) else 1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_it_asks_no_store_and_starts_no_thread(unreachable: PolicyEnforcer) -> None:
    before = threading.active_count()
    with override_policies(POLICY):
        assert allowed(unreachable)
        inside = unreachable.approvals
        assert threading.active_count() == before
    outside = unreachable.approvals
    assert isinstance(inside, MemoryApprovals)
    assert isinstance(outside, RedisApprovals)
    with pytest.raises(StoreUnavailable):
        allowed(unreachable)


def test_its_decisions_are_recorded_but_not_in_the_store() -> None:
    records: list[Mapping[str, object]] = []
    sinks = ["redis", records.append]
    with PolicyEnforcer.from_url(NOWHERE, decision_log=sinks) as enforcer:
        with override_policies(POLICY):
            decision = enforcer.decide(asked())
            enforcer.decision_log.event("masked", decision.decision_id, {"count": 1})
        assert enforcer.decision_log.flush()
        assert enforcer.decision_log.status.failed == 0
    assert [record["event"] for record in records] == ["decision", "masked"]
    assert all(record["overridden"] for record in records)


def test_it_leaves_the_store_as_it_was(enforcer: PolicyEnforcer) -> None:
    stored = enforcer.publish("acme", DENY)
    with override_policies(ALLOW):
        assert allowed(enforcer)
        assert enforcer.snapshots.store.names() == ["acme"]
    assert enforcer.evaluate(asked()).revisions == {"acme": stored.revision}
    assert len(enforcer.snapshots.store.history("acme")) == 1


def test_what_is_published_meanwhile_holds_afterwards(enforcer: PolicyEnforcer) -> None:
    enforcer.publish("acme", DENY)
    with override_policies(DENY):
        enforcer.publish("acme", ALLOW)
        assert not allowed(enforcer)
    assert allowed(enforcer)


# -- what it says --------------------------------------------------------------------------------------------


def test_one_document_is_every_tenants_under_the_tenants_name(unreachable: PolicyEnforcer) -> None:
    with override_policies(POLICY):
        for tenant in ("acme", "globex"):
            decision = unreachable.evaluate(asked(tenant=tenant))
            assert (decision.allowed, decision.document) == (True, tenant)


def test_documents_by_name_are_those_tenants_only(unreachable: PolicyEnforcer) -> None:
    with override_policies({"acme": ALLOW, "globex": DENY}):
        assert allowed(unreachable)
        assert unreachable.evaluate(asked(tenant="globex")).matched is Matched.DEFAULT
        assert unreachable.evaluate(asked(tenant="initech")).matched is Matched.MISSING_POLICY


def test_guardrails_are_given_by_name(unreachable: PolicyEnforcer) -> None:
    with override_policies({"acme": ALLOW, "_incident": INCIDENT}):
        assert unreachable.evaluate(asked()).rule_id == "inc-42"
        assert allowed(unreachable, action="report.read")


def test_a_tenant_without_a_document_is_treated_as_the_enforcer_says() -> None:
    by_default = {"_default": ALLOW}
    with (
        PolicyEnforcer.from_url(NOWHERE, on_missing_policy="default", require_global=True) as default,
        PolicyEnforcer.from_url(NOWHERE, on_missing_policy="allow") as open_door,
        PolicyEnforcer.from_url(NOWHERE) as strict,
        override_policies(by_default),
    ):
        assert default.evaluate(asked()).document == "_default"
        assert open_door.evaluate(asked()).matched is Matched.MISSING_POLICY
        assert open_door.evaluate(asked()).allowed
        assert not strict.evaluate(asked()).allowed


def test_json_text_and_bytes_and_bare_lists_are_documents(unreachable: PolicyEnforcer) -> None:
    rule = {"conditions": {"role": "admin"}, "action": "deny", "reason": "No."}
    for document in (
        '{"schema": 1, "default": "deny", "rules": []}',
        b'{"schema":1,"default":"deny","rules":[]}',
    ):
        with override_policies(document):
            assert not allowed(unreachable)
    with override_policies([rule]):
        assert not allowed(unreachable)
        assert allowed(unreachable, role="viewer")


def test_a_tenant_may_be_called_default(unreachable: PolicyEnforcer) -> None:
    with override_policies({"default": ALLOW}):
        assert allowed(unreachable, tenant="default")


def test_a_document_that_is_not_valid_is_refused_at_once() -> None:
    with pytest.raises(DocumentError, match="effect"):
        override_policies(
            {"schema": 1, "default": "deny", "rules": [{"id": "x", "when": {}, "reason": "No."}]}
        )
    with pytest.raises(DocumentError, match="acme"):
        override_policies({"acme": {"schema": 1, "rules": []}})
    with pytest.raises(DocumentError, match="_incident"):
        override_policies({"_incident": ALLOW})
    with pytest.raises(SettingsError, match="neither a tenant id"):
        override_policies({"_acme": ALLOW})


def test_what_is_no_tenant_id_is_still_refused(unreachable: PolicyEnforcer) -> None:
    with override_policies(ALLOW), pytest.raises(ContextError):
        unreachable.evaluate(RequestContext("no tenant!", {"action": "x"}))


def test_a_document_changed_afterwards_changes_nothing(unreachable: PolicyEnforcer) -> None:
    document = {**ALLOW}
    with override_policies(document):
        document["default"] = "deny"
        assert allowed(unreachable)


# -- nesting and the end -------------------------------------------------------------------------------------


def test_an_inner_override_is_laid_over_the_outer_one_name_by_name(unreachable: PolicyEnforcer) -> None:
    with override_policies({"acme": ALLOW, "globex": ALLOW}):
        with override_policies({"acme": DENY}):
            assert not allowed(unreachable)
            assert allowed(unreachable, tenant="globex")
        with override_policies({"_incident": INCIDENT}):
            assert unreachable.evaluate(asked()).rule_id == "inc-42"
        with override_policies(DENY):
            assert not allowed(unreachable, tenant="globex")
        with override_policies({"acme": None}):
            assert unreachable.evaluate(asked()).matched is Matched.MISSING_POLICY
        assert allowed(unreachable)


def test_it_ends_with_an_exception(enforcer: PolicyEnforcer) -> None:
    enforcer.publish("acme", DENY)
    with pytest.raises(KeyError), override_policies(ALLOW):
        raise KeyError
    assert not allowed(enforcer)


def test_overrides_may_end_in_any_order(enforcer: PolicyEnforcer) -> None:
    enforcer.publish("acme", DENY)
    first, second = override_policies(DENY), override_policies(ALLOW)
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)
    assert allowed(enforcer)
    second.__exit__(None, None, None)
    assert not allowed(enforcer)


def test_one_override_can_be_used_again_and_inside_itself(enforcer: PolicyEnforcer) -> None:
    enforcer.publish("acme", DENY)
    override = override_policies(ALLOW)
    with override:
        with override:
            assert allowed(enforcer)
        assert allowed(enforcer)
    assert not allowed(enforcer)
    with override:
        assert allowed(enforcer)


def test_what_was_parked_is_forgotten_with_the_outermost_override() -> None:
    with SERVICES["flask"]() as service:
        with override_policies(POLICY):
            first = service("DELETE", "/customers/7", "support").headers["X-Approval-Id"]
            with override_policies({}):
                assert service("DELETE", "/customers/7", "support").status_code == 202
            assert service("DELETE", "/customers/7", "support").headers["X-Approval-Id"] == first
        with override_policies(POLICY):
            assert service("DELETE", "/customers/7", "support").headers["X-Approval-Id"] != first


# -- as a decorator ------------------------------------------------------------------------------------------


def test_it_decorates_a_function(enforcer: PolicyEnforcer) -> None:
    @override_policies(ALLOW)
    def asks(enforcer: PolicyEnforcer) -> bool:
        return allowed(enforcer)

    assert asks(enforcer)
    assert asks(enforcer)
    assert not allowed(enforcer)


def test_it_decorates_a_coroutine_function(enforcer: PolicyEnforcer) -> None:
    @override_policies(ALLOW)
    async def asks() -> bool:
        await asyncio.sleep(0)
        return allowed(enforcer)

    assert asyncio.run(asks())
    assert not allowed(enforcer)


def test_it_decorates_generators_such_as_fixtures(enforcer: PolicyEnforcer) -> None:
    @override_policies(ALLOW)
    def fixture() -> Iterator[bool]:
        yield allowed(enforcer)

    @override_policies(ALLOW)
    async def async_fixture() -> AsyncIterator[bool]:
        yield allowed(enforcer)

    async def through() -> None:
        async for inside in async_fixture():
            assert inside
            assert allowed(enforcer)

    for inside in fixture():
        assert inside
        assert allowed(enforcer)
    assert not allowed(enforcer)
    asyncio.run(through())
    assert not allowed(enforcer)


@override_policies(ALLOW)
def test_it_decorates_tests_with_fixtures(enforcer: PolicyEnforcer) -> None:
    assert allowed(enforcer)


@override_policies(ALLOW)
class TestDecoratedClass:
    """A class of pytest's."""

    def test_each_test_is_inside(self, enforcer: PolicyEnforcer) -> None:
        assert allowed(enforcer)

    @override_policies(DENY)
    def test_a_test_of_it_can_have_its_own(self, enforcer: PolicyEnforcer) -> None:
        assert not allowed(enforcer)


class TestDerivedClass(TestDecoratedClass):
    """Inherits the override."""


@override_policies(ALLOW)
class DecoratedTestCase(unittest.TestCase):
    """A class of unittest's, as Django's are."""

    def setUp(self) -> None:
        self.enforcer = PolicyEnforcer.from_url("memory://")
        self.addCleanup(self.enforcer.close)
        assert allowed(self.enforcer)

    def test_each_test_is_inside(self) -> None:
        assert allowed(self.enforcer)


@override_policies(ALLOW)
class DecoratedAsyncTestCase(unittest.IsolatedAsyncioTestCase):
    """An asynchronous one."""

    async def test_each_test_is_inside(self) -> None:
        with PolicyEnforcer.from_url("memory://") as enforcer:
            assert allowed(enforcer)


def test_nothing_is_left_in_force(enforcer: PolicyEnforcer) -> None:
    assert enforcer.evaluate(asked()).matched is Matched.MISSING_POLICY
