from __future__ import annotations

import gc
import weakref
from concurrent.futures import ThreadPoolExecutor

from policy_middleware import Effect, PolicyEnforcer
from policy_middleware.testing import decisions, override_policies
from tests.testing.applications import Service
from tests.testing.documents import ALLOW, POLICY, asked


def test_what_is_decided_in_the_block_is_collected_in_order(service: Service) -> None:
    with override_policies(POLICY), decisions() as made:
        service("GET", "/customers/7", "admin")
        service("DELETE", "/customers/8", "viewer")
        service("DELETE", "/customers/9", "support")
    service("GET", "/customers/7", "admin")
    assert [one.effect for one in made] == [Effect.ALLOW, Effect.DENY, Effect.REQUIRE_APPROVAL]
    assert [one.rule_id for one in made] == ["admins", "viewer-no-delete", "delete-needs-dpo"]
    assert made[1].context is not None
    assert made[1].context.attributes["resource.id"] == "8"
    assert made[2].approval_id is not None


def test_refusals_are_collected_with_their_kind(service: Service) -> None:
    with override_policies(POLICY), decisions() as made:
        service("GET", "/customers/7", "admin", X_Tenant_ID="_incident")
    assert [one.refusal for one in made] == ["attribute-malformed"]
    assert made[0].explain() is None


def test_an_evaluation_without_a_record_is_not_collected(enforcer: PolicyEnforcer) -> None:
    enforcer.publish("acme", ALLOW)
    with decisions() as made:
        enforcer.evaluate(asked())
        decision = enforcer.decide(asked())
    assert [one.decision for one in made] == [decision]
    assert made[0].enforcer is enforcer


def test_other_threads_are_heard_and_blocks_nest(enforcer: PolicyEnforcer) -> None:
    enforcer.publish("acme", ALLOW)
    with decisions() as outer, ThreadPoolExecutor(1) as pool:
        pool.submit(enforcer.decide, asked()).result()
        with decisions() as inner:
            pool.submit(enforcer.decide, asked()).result()
    assert (len(outer), len(inner)) == (2, 1)


def test_a_decision_is_explained_over_the_policies_it_was_made_over(enforcer: PolicyEnforcer) -> None:
    enforcer.publish("acme", POLICY)
    with decisions() as made:
        enforcer.decide(asked("customer.delete", "viewer"))
    enforcer.publish("acme", ALLOW)
    explanation = made[0].explain()
    assert explanation is not None
    assert explanation.outcome.rule_id == "viewer-no-delete"


def test_an_enforcer_is_not_kept_alive() -> None:
    enforcer = PolicyEnforcer.from_url("memory://")
    enforcer.publish("acme", ALLOW)
    with decisions() as made:
        enforcer.decide(asked())
    enforcer.close()
    gone = weakref.ref(enforcer)
    del enforcer
    gc.collect()
    assert gone() is None
    assert made[0].enforcer is None
