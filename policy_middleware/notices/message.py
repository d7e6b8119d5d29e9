"""What a notice says: an event of an approval as JSON, shaped as Standard Webhooks ask for it."""

from __future__ import annotations

import json

from policy_middleware.approvals import ApprovalEvent
from policy_middleware.model.times import format_time


def message_of(event: ApprovalEvent) -> dict[str, object]:
    """Return the payload `{"type": "approval.denied", "timestamp", "data"}` of an event.

    It names the request and does not carry it: no query, no body. Whoever wants more looks it up.
    """
    task = event.task
    return {
        "type": f"approval.{event.kind.value}",
        "timestamp": format_time(event.at),
        "data": {
            "id": task.id,
            "tenant": task.tenant,
            "status": task.status.value,
            "requester": task.requester,
            "action": task.action,
            "resource": task.resource,
            "reason": task.reason,
            "rules": [requirement.rule_id for requirement in task.requirements],
            "approvals": {"required": task.approvals_required, "received": task.approvals_received},
            "expires_at": format_time(task.deadline),
            "actor": event.actor,
            "comment": event.comment,
            "verified": event.verified.value if event.verified is not None else None,
            "decision_id": task.decision_id,
        },
    }


def written(message: dict[str, object]) -> str:
    """Return a message as it is signed and sent."""
    # ASCII escapes keep lone surrogates of hostile names out of the wire bytes.
    return json.dumps(message, ensure_ascii=True, separators=(",", ":"))
