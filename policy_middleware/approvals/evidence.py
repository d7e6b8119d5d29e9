"""A transition as the decision log keeps it."""

from __future__ import annotations

from policy_middleware.approvals.events import ApprovalEvent, ApprovalEventKind
from policy_middleware.model.times import format_time

EVENT_PREFIX = "approval_"
"""What the `event` of such a record starts with; the kind of the transition follows."""


def evidence(event: ApprovalEvent) -> tuple[str, str | None, dict[str, object]]:
    """Return the record's event, the decision it belongs to, and its details.

    `actor` is who did it (None: time passed), `verified` and `operator` how that is known of an approver, and
    `fingerprint` names the exact request. What people asked for is told once, when it is requested.
    """
    task = event.task
    details: dict[str, object] = {
        "tenant": event.tenant,
        "approval": task.id,
        "at": format_time(event.at),
        "status": task.status.value,
        "actor": event.actor,
        "verified": None if event.verified is None else event.verified.value,
        "operator": event.operator,
        "comment": event.comment,
        "fingerprint": task.fingerprint,
        "requester": task.requester,
        "approvals": {"required": task.approvals_required, "received": task.approvals_received},
    }
    if event.kind is ApprovalEventKind.REQUESTED:
        summary = task.summary
        details |= {
            "action": task.action,
            "resource": task.resource,
            "reason": task.reason,
            "rules": [
                {"document": part.document, "rule": part.rule_id, "digest": part.rule_digest}
                for part in task.requirements
            ],
            "revisions": dict(task.revisions),
            "request": {"method": summary.method, "path": summary.path, "body_size": summary.body_size},
            "expires_at": format_time(task.expires_at),
        }
    return EVENT_PREFIX + event.kind.value, task.decision_id, details
