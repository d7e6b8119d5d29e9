from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from policy_middleware import PolicyEnforcer, RequestContext
from policy_middleware.testing import (
    assert_allowed,
    assert_denied,
    assert_masked,
    assert_pending,
    override_policies,
)
from tests.testing.applications import SERVICES, Service
from tests.testing.documents import ALLOW, DENY, POLICY, asked

CONTEXTS: dict[Any, dict[str, object]] = {
    assert_allowed: asked(),
    assert_denied: asked("customer.delete", "viewer"),
    assert_masked: asked(role="support"),
    assert_pending: asked("customer.delete", "support"),
}


def failure(assertion: Any, *arguments: Any, **options: Any) -> str:
    """Return the message of an assertion that has to fail."""
    with pytest.raises(AssertionError) as failed:
        assertion(*arguments, **options)
    return str(failed.value)


# -- responses -----------------------------------------------------------------------------------------------


def test_responses_of_every_framework_are_understood(service: Service) -> None:
    with override_policies(POLICY):
        assert_allowed(service("GET", "/customers/7", "admin"), rule="admins")
        assert_denied(
            service("DELETE", "/customers/7", "viewer"), rule="viewer-no-delete", reason="cannot delete"
        )
        assert_masked(service("GET", "/customers/7", "support"), fields=["email"], count=1)
        assert_denied(service("GET", "/customers/7", "guest"))
        parked = service("DELETE", "/customers/7", "support")
        assert assert_pending(parked, rule="delete-needs-dpo") == parked.headers["X-Approval-Id"]


def test_a_failed_assertion_about_a_response_shows_the_trace(service: Service) -> None:
    with override_policies(POLICY):
        response = service("DELETE", "/customers/7", "viewer")
    message = failure(assert_allowed, response)
    assert message.startswith("the request was denied, not 'allow'")
    assert "response: 403: Viewers cannot delete customers." in message
    assert response.headers["X-Policy-Decision-Id"] in message
    assert "deny by rule 'viewer-no-delete' of document 'acme'" in message
    assert "> viewer-no-delete (deny) holds: decides" in message
    assert 'subject.roles is "viewer"; eq "viewer" is true' in message


def test_every_wrong_assertion_about_a_response_fails(service: Service) -> None:
    with override_policies(POLICY):
        responses = {
            assert_allowed: service("GET", "/customers/7", "admin"),
            assert_denied: service("DELETE", "/customers/7", "viewer"),
            assert_masked: service("GET", "/customers/7", "support"),
            assert_pending: service("DELETE", "/customers/7", "support"),
        }
    for right, response in responses.items():
        for assertion in responses:
            if assertion is right:
                assertion(response)
            else:
                failure(assertion, response)


def test_a_response_without_a_decision_is_neither_allowed_nor_denied(service: Service) -> None:
    with override_policies(ALLOW):
        response = service("GET", "/version", "admin")
    for assertion in CONTEXTS:
        assert "exempt" in failure(assertion, response)


def test_a_request_refused_before_any_policy_is_not_denied(service: Service) -> None:
    with override_policies(DENY):
        response = service("GET", "/customers/7", "admin", X_Tenant_ID="_incident")
    assert response.status_code == 400
    assert "no policy was asked" in failure(assert_denied, response)


def test_what_was_only_observed_was_not_denied() -> None:
    for build in SERVICES.values():
        with build(mode="observe") as service, override_policies(POLICY):
            response = service("DELETE", "/customers/7", "viewer")
            assert response.status_code == 200
            assert "observe mode" in failure(assert_denied, response)
            failure(assert_allowed, response)
            assert_allowed(service("GET", "/customers/7", "admin"))


def test_a_mask_that_meets_nothing_is_no_success(service: Service) -> None:
    mask = {"fields": {"e-mail": "redact"}}
    rule = {"id": "m", "when": {}, "effect": "mask", "reason": "Masked.", "mask": mask}
    with override_policies({"schema": 1, "default": "deny", "rules": [rule]}):
        response = service("GET", "/customers/7", "support")
    assert "0 values were masked, not at least 1; masked are e-mail" in failure(assert_masked, response)
    assert_masked(response, count=0)
    assert "'email' is not among the fields" in failure(assert_masked, response, fields=["email"])


def test_a_request_that_cannot_be_parked_is_not_pending(service: Service) -> None:
    with override_policies(POLICY):
        response = service("DELETE", "/customers/7", "support", X_Approval_Id="apr_AAAAAAAAAAAAAAAAAAAAAA")
    message = failure(assert_pending, response)
    assert message.startswith("it could not be parked")
    assert "422: This approval is for another request." in message


def test_a_tenant_without_a_policy_is_not_denied_by_accident(service: Service) -> None:
    with override_policies({"globex": POLICY}):
        response = service("GET", "/customers/7", "admin")
    assert "by missing policy" in failure(assert_denied, response)
    assert_denied(response, matched="missing_policy")


def test_a_response_of_another_process_is_not_guessed_at() -> None:
    response = SimpleNamespace(status_code=403, headers={"X-Policy-Decision-Id": "elsewhere-1"})
    assert "another process" in failure(assert_denied, response)


# -- enforcers and decisions ---------------------------------------------------------------------------------


@pytest.mark.parametrize("assertion", CONTEXTS)
def test_an_enforcer_is_asked_with_a_context(assertion: Any, unreachable: PolicyEnforcer) -> None:
    with override_policies(POLICY):
        assertion(unreachable, CONTEXTS[assertion])
        assertion(unreachable, RequestContext.from_mapping(CONTEXTS[assertion]))
        for other, context in CONTEXTS.items():
            if other is not assertion:
                assert "document 'acme' at" in failure(assertion, unreachable, context)


@pytest.mark.parametrize("assertion", CONTEXTS)
def test_a_decision_is_enough(assertion: Any, enforcer: PolicyEnforcer) -> None:
    enforcer.publish("acme", POLICY)
    assertion(enforcer.decide(CONTEXTS[assertion]))
    assertion(enforcer.evaluate(CONTEXTS[assertion]), CONTEXTS[assertion])
    assertion(enforcer.evaluate(CONTEXTS[assertion]))


def test_a_decision_is_explained_as_far_as_it_is_known(enforcer: PolicyEnforcer) -> None:
    enforcer.publish("acme", POLICY)
    trace = "> viewer-no-delete (deny) holds: decides"
    question = CONTEXTS[assert_denied]
    assert trace in failure(assert_allowed, enforcer.decide(question))
    assert trace in failure(assert_allowed, enforcer.evaluate(question), question)
    earlier = enforcer.evaluate(question)
    assert trace not in failure(assert_allowed, earlier)
    enforcer.publish("acme", DENY)
    assert trace not in failure(assert_allowed, earlier, question)


def test_the_trace_is_that_of_the_moment_of_the_decision(enforcer: PolicyEnforcer) -> None:
    enforcer.publish("acme", POLICY)
    decision = enforcer.decide(CONTEXTS[assert_denied])
    enforcer.publish("acme", ALLOW)
    assert "> viewer-no-delete (deny) holds: decides" in failure(assert_allowed, decision)


def test_rule_and_reason_have_to_be_the_ones_that_decided(enforcer: PolicyEnforcer) -> None:
    enforcer.publish("acme", POLICY)
    question = CONTEXTS[assert_denied]
    assert_denied(enforcer, question, rule="viewer-no-delete", reason="cannot delete")
    assert "not decided by rule 'other'" in failure(assert_denied, enforcer, question, rule="other")
    assert "for the reason 'No.'" in failure(assert_denied, enforcer, question, reason="No.")
    default = asked(role="guest")
    assert "deny by default of document 'acme'" in failure(assert_denied, enforcer, default, rule="x")


def test_masked_fields_of_a_decision_can_be_asked_for(enforcer: PolicyEnforcer) -> None:
    enforcer.publish("acme", POLICY)
    assert_masked(enforcer, CONTEXTS[assert_masked], fields=["email"])
    assert "'ssn' is not among" in failure(assert_masked, enforcer, CONTEXTS[assert_masked], fields=["ssn"])


def test_a_wrong_use_is_no_failed_assertion(enforcer: PolicyEnforcer) -> None:
    with pytest.raises(TypeError, match="needs a context"):
        assert_denied(enforcer)
    with pytest.raises(TypeError, match="no response of a test client"):
        assert_denied({"tenant": "acme"})
