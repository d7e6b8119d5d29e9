"""The event of a transition, read off the task that it has led to."""

from __future__ import annotations

from policy_middleware.approvals.events import ApprovalEvent, ApprovalEventKind
from policy_middleware.approvals.task import ApprovalTask

_BY_VOTE = frozenset({ApprovalEventKind.VOTED, ApprovalEventKind.APPROVED, ApprovalEventKind.DENIED})
_BY_REQUESTER = frozenset(
    {ApprovalEventKind.REQUESTED, ApprovalEventKind.CANCELLED, ApprovalEventKind.CONSUMED}
)


def event_of(task: ApprovalTask, kind: ApprovalEventKind, voter: str | None = None) -> ApprovalEvent:
    """Return what happened to `task`, which is as the transition `kind` has left it; `voter` made it."""
    if kind in _BY_VOTE:
        vote = next(vote for vote in task.votes if vote.approver == voter)
        return ApprovalEvent(
            kind, task.tenant, task, vote.at, vote.approver, vote.comment, vote.verified, vote.operator
        )
    return ApprovalEvent(
        kind, task.tenant, task, _moment(task, kind), task.requester if kind in _BY_REQUESTER else None
    )


def _moment(task: ApprovalTask, kind: ApprovalEventKind) -> float:
    if kind is ApprovalEventKind.REQUESTED:
        return task.created_at
    if kind is ApprovalEventKind.ESCALATED:
        return max(moment for moment in task.escalated if moment is not None)
    return task.ended_at if task.ended_at is not None else task.created_at
