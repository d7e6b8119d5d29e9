"""One request: everything somebody needs to decide on it."""

from __future__ import annotations

from dataclasses import dataclass

from policy_middleware.approvals import ApprovalQueue, ApprovalTask
from policy_middleware.console.history import (
    SIMILAR_LOOKED_AT,
    Happening,
    Precedents,
    history_of,
    precedents_of,
)
from policy_middleware.console.people import people_of
from policy_middleware.console.queue_page import path_of
from policy_middleware.console.redaction import LONGEST_READ, laid_out, redaction_of
from policy_middleware.console.standing import Standing, standing_of
from policy_middleware.console.visitor import Visitor
from policy_middleware.enforcer import PolicyEnforcer


@dataclass(frozen=True, slots=True)
class Demand:
    """One rule that asks for approval.

    `others` may agree as well from `escalates_at` on; `escalated` says that this is so by now. `signed_in`:
    votes by command do not count.
    """

    document: str
    rule_id: str
    reason: str
    people: str
    required: int
    received: int
    signed_in: bool
    others: str | None
    escalates_at: float
    escalated: bool


@dataclass(frozen=True, slots=True)
class RequestPage:
    """Everything the page of one request shows; `redacted` says that mask rules hide parts of it."""

    task: ApprovalTask
    standing: Standing
    path: str
    target: str
    body: str | None
    redacted: bool
    demands: tuple[Demand, ...]
    history: tuple[Happening, ...]
    precedents: Precedents


def request_page(enforcer: PolicyEnforcer, task: ApprovalTask, visitor: Visitor, now: float) -> RequestPage:
    """Bring together what is known of a request; raises StoreUnavailable when it cannot be looked up.

    Without the tenant's policy nothing of the request itself could be redacted, so that is an error as well.
    """
    redaction, summary = redaction_of(enforcer, task.tenant), task.summary
    task = redaction.task(task)
    # What is kept was redacted by the rules of its day; rules of today may hide more.
    path, query = redaction.path(summary.path), redaction.query(summary.query)
    body = redaction.body((summary.body or "").encode("utf-8", "replace"), summary.content_type, LONGEST_READ)
    latest = enforcer.approvals.list(task.tenant, limit=SIMILAR_LOOKED_AT)
    return RequestPage(
        task=task,
        standing=standing_of(task, visitor, now),
        path=path_of(task),
        target=f"{path}?{query}" if query else path,
        body=None if body is None else laid_out(body, summary.content_type),
        redacted=redaction.hides,
        demands=tuple(
            Demand(
                part.requirement.document,
                part.requirement.rule_id,
                part.requirement.reason,
                people_of(part.requirement.approval.approvers),
                part.required,
                part.received,
                part.requirement.approval.host_verified,
                None if escalation is None else people_of(escalation.approvers),
                task.created_at + (0.0 if escalation is None else escalation.after),
                escalated is not None,
            )
            for part, escalated in zip(task.progress, task.escalated, strict=True)
            for escalation in (part.requirement.approval.escalation,)
        ),
        history=tuple(history_of(task)),
        precedents=precedents_of(task, map(redaction.task, latest.tasks)),
    )


def visible_task(queue: ApprovalQueue, visitor: Visitor, tenant: str, task_id: str) -> ApprovalTask | None:
    """Return a task that the visitor may see; a foreign one is as unknown as a missing one."""
    return queue.get(tenant, task_id) if tenant in visitor.tenants else None
