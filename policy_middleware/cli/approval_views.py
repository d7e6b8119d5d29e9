"""How an approval is shown: as a row, as fields, as a sentence, as JSON."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from policy_middleware.approvals import ApprovalStatus, ApprovalTask
from policy_middleware.cli.output import counted, moment
from policy_middleware.responses import APPROVAL_ID_HEADER

LIST_COLUMNS: Final = ("id", "status", "requester", "action", "resource", "votes", "open until", "reason")


def row_of(task: ApprovalTask) -> tuple[object, ...]:
    """Return a task under `LIST_COLUMNS`."""
    return (
        task.id,
        standing_of(task),
        task.requester,
        task.action,
        task.resource,
        f"{task.approvals_received} of {task.approvals_required}",
        moment(task.deadline) if task.is_open else None,
        task.reason,
    )


def fields_of(task: ApprovalTask) -> dict[str, object]:
    """Return everything a person needs to decide on a task, by its name."""
    summary = task.summary
    request = f"{summary.method} {summary.path}" + (f"?{summary.query}" if summary.query else "")
    if summary.body_size:
        request += f" with {counted(summary.body_size, 'byte')} of {summary.content_type or 'unknown type'}"
    fields: dict[str, object] = {
        "id": task.id,
        "status": standing_of(task),
        "requester": task.requester,
        "action": task.action,
        "resource": task.resource,
        "request": request,
        "reason": task.reason,
        "asked": moment(task.created_at),
    }
    if task.is_open:
        fields["open until"] = moment(task.deadline)
    for part in task.progress:
        fields[f"rule {part.requirement.rule_id}"] = f"{part.received} of {counted(part.required, 'vote')}"
    for vote in task.votes:
        how = vote.verified.value + (f" by {vote.operator}" if vote.operator else "")
        comment = f": {vote.comment}" if vote.comment else ""
        fields[f"{vote.verdict.value} {vote.approver}"] = f"{moment(vote.at)}, {how}{comment}"
    return fields


def outcome_of(task: ApprovalTask) -> str:
    """Return the sentence that tells what a step has led to."""
    return f"{task.id}: {_OUTCOMES[task.status](task)}"


def as_dict(task: ApprovalTask) -> dict[str, object]:
    """Return plain JSON data; times are seconds since the epoch."""
    summary = task.summary
    return {
        "id": task.id,
        "tenant": task.tenant,
        "status": task.status.value,
        "superseded": task.superseded,
        "requester": task.requester,
        "action": task.action,
        "resource": task.resource,
        "reason": task.reason,
        "request": {
            "method": summary.method,
            "path": summary.path,
            "query": summary.query,
            "content_type": summary.content_type,
            "body_size": summary.body_size,
            "fingerprint": task.fingerprint,
        },
        "requirements": [
            {
                "document": part.requirement.document,
                "rule_id": part.requirement.rule_id,
                "required": part.required,
                "received": part.received,
            }
            for part in task.progress
        ],
        "votes": [
            {
                "approver": vote.approver,
                "verdict": vote.verdict.value,
                "comment": vote.comment,
                "at": vote.at,
                "verified": vote.verified.value,
                "operator": vote.operator,
            }
            for vote in task.votes
        ],
        "created_at": task.created_at,
        "expires_at": task.expires_at,
        "approved_at": task.approved_at,
        "approved_until": task.approved_until,
        "consumed_at": task.consumed_at,
        "decision_id": task.decision_id,
        "revisions": dict(task.revisions),
    }


def standing_of(task: ApprovalTask) -> str:
    """Return the status, and what it leaves out: whether the approval was used, or superseded."""
    if task.consumed_at is not None:
        return f"{task.status.value}, used"
    return f"{task.status.value}, superseded" if task.superseded else task.status.value


def _still_pending(task: ApprovalTask) -> str:
    missing = ", ".join(
        f"{counted(part.required - part.received, 'vote')} for {part.requirement.rule_id}"
        for part in task.progress
        if not part.satisfied
    )
    return f"your vote is counted; still needed before {moment(task.deadline)}: {missing}"


def _approved(task: ApprovalTask) -> str:
    return (
        f"approved; {task.requester} may repeat the request once until {moment(task.deadline)}, "
        f"with the header {APPROVAL_ID_HEADER}: {task.id}"
    )


_OUTCOMES: Final[Mapping[ApprovalStatus, Callable[[ApprovalTask], str]]] = {
    ApprovalStatus.PENDING: _still_pending,
    ApprovalStatus.APPROVED: _approved,
    ApprovalStatus.DENIED: lambda task: f"denied; {task.requester} is told why",
    ApprovalStatus.EXPIRED: lambda task: "expired",
    ApprovalStatus.CANCELLED: lambda task: "cancelled",
    ApprovalStatus.FAILED: lambda task: "failed",
}
