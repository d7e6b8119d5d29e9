from __future__ import annotations

import pytest

from policy_middleware import ApprovalError
from policy_middleware.approvals import ApprovalStatus
from policy_middleware.testing import (
    approve,
    assert_allowed,
    assert_pending,
    decisions,
    deny,
    override_policies,
)
from tests.testing.applications import Service
from tests.testing.documents import POLICY


def test_an_approved_request_runs_once(service: Service) -> None:
    with override_policies(POLICY):
        parked = service("DELETE", "/customers/7", "support")
        task = approve(parked, as_="dana", roles=["dpo"], comment="checked")
        assert task.status is ApprovalStatus.APPROVED
        assert [vote.approver for vote in task.votes] == ["dana"]
        run = service("DELETE", "/customers/7", "support", X_Approval_Id=task.id)
        assert run.status_code == 200
        assert_allowed(run, rule="delete-needs-dpo")
        assert service("DELETE", "/customers/7", "support", X_Approval_Id=task.id).status_code == 409


def test_an_approval_is_named_by_its_id_too(service: Service) -> None:
    with override_policies(POLICY):
        task_id = assert_pending(service("DELETE", "/customers/7", "support"))
        assert approve(task_id, roles="dpo").status is ApprovalStatus.APPROVED


def test_a_denied_request_does_not_run(service: Service) -> None:
    with override_policies(POLICY):
        parked = service("DELETE", "/customers/7", "support")
        assert deny(parked, roles="dpo").status is ApprovalStatus.DENIED
        again = service("DELETE", "/customers/7", "support", X_Approval_Id=parked.headers["X-Approval-Id"])
        assert again.status_code == 403


def test_only_those_whom_the_rule_names_can_approve(service: Service) -> None:
    with override_policies(POLICY), decisions() as made:
        parked = service("DELETE", "/customers/7", "support")
        with pytest.raises(ApprovalError) as refused:
            approve(parked, as_="sam", roles=["support"])
        assert refused.value.code == "not_eligible"
        with pytest.raises(ApprovalError) as refused:
            approve(parked, as_="bea", roles=["dpo"])
        assert refused.value.code == "self_approval"
        assert len(made) == 1


def test_what_was_not_parked_cannot_be_approved(service: Service) -> None:
    with override_policies(POLICY):
        allowed = service("GET", "/customers/7", "admin")
    with pytest.raises(LookupError, match="neither the response of a parked request"):
        approve(allowed)
    with pytest.raises(LookupError, match="no request was parked in this process"):
        approve("apr_AAAAAAAAAAAAAAAAAAAAAA")
