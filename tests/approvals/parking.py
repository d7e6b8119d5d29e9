"""Requests to park and people to ask, for tests of the queue."""

from __future__ import annotations

from policy_middleware.approvals import (
    ApprovalQueue,
    ApprovalTask,
    Approver,
    Consumption,
    RequestSummary,
    fingerprint,
)
from policy_middleware.model.conditions import Condition, Leaf, Operator
from policy_middleware.model.decision import ApprovalRequirement
from policy_middleware.model.policy import ApprovalSpec

BEA = Approver("bea", roles=("dpo",))
CARL = Approver("carl", roles=("dpo", "finance"))
DORA = Approver("dora", roles=("finance",))


def role(name: str) -> Condition:
    return Leaf("subject.roles", Operator.EQ, name)


def requirement(
    rule_id: str = "big-export",
    *,
    approvers: Condition | None = None,
    required: int = 1,
    digest: str = "d1",
    expires_in: float = 3600.0,
    use_within: float = 600.0,
) -> ApprovalRequirement:
    spec = ApprovalSpec(approvers or role("dpo"), required, expires_in, use_within)
    return ApprovalRequirement("acme", rule_id, digest, "Exports need a second person.", spec)


def fingerprint_of(body: str = "export 1", *, tenant: str = "acme", subject: str = "alice") -> str:
    return fingerprint(
        tenant=tenant,
        subject=subject,
        method="POST",
        path="/exports",
        query="a=1",
        content_type="text/plain",
        body_digest=body,
        action="report.export",
        resource="report:7",
    )


def park(
    queue: ApprovalQueue,
    *requirements: ApprovalRequirement,
    tenant: str = "acme",
    requester: str = "alice",
    body: str = "export 1",
) -> ApprovalTask:
    return queue.request(
        tenant,
        fingerprint=fingerprint_of(body, tenant=tenant, subject=requester),
        requester=requester,
        action="report.export",
        resource="report:7",
        reason="Exports need a second person.",
        requirements=requirements or (requirement(),),
        revisions={"acme": "r1"},
        summary=RequestSummary("POST", "/exports", "a=1", "text/plain", 8),
        decision_id="d-1",
    )


def use(queue: ApprovalQueue, task: ApprovalTask, nonce: str = "attempt 1") -> Consumption:
    return queue.consume(
        task.tenant, task.id, fingerprint=task.fingerprint, requester=task.requester, nonce=nonce
    )
