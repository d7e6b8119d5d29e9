"""Standing in for the people whose approval a request waits for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from policy_middleware.approvals import ApprovalQueue, ApprovalTask, Approver, Verification
from policy_middleware.model.context import AttributeValue
from policy_middleware.testing.recording import recorded_with_approval
from policy_middleware.testing.responses import read_response

APPROVER: Final = "approver"


def approve(
    waiting: object,
    *,
    as_: str = APPROVER,
    roles: Sequence[str] | str = (),
    attributes: Mapping[str, AttributeValue] | None = None,
    comment: str | None = None,
) -> ApprovalTask:
    """Approve a parked request, given by its 202 response or its approval's id, as somebody with these roles.

    `attributes` are further ones of the approver, by canonical path (`subject.department`). Returns the task,
    `approved` once enough people have agreed. Raises ApprovalError for somebody who may not approve it, and
    LookupError for a request that was not parked in this process.
    """
    queue, tenant, task_id = _parked(waiting)
    return queue.approve(tenant, task_id, _approver(as_, roles, attributes), comment)


def deny(
    waiting: object,
    *,
    as_: str = APPROVER,
    roles: Sequence[str] | str = (),
    attributes: Mapping[str, AttributeValue] | None = None,
    comment: str = "denied by a test",
) -> ApprovalTask:
    """Deny a parked request; arguments and errors as in `approve`."""
    queue, tenant, task_id = _parked(waiting)
    return queue.deny(tenant, task_id, _approver(as_, roles, attributes), comment)


def _approver(
    name: str, roles: Sequence[str] | str, attributes: Mapping[str, AttributeValue] | None
) -> Approver:
    held = (roles,) if isinstance(roles, str) else tuple(roles)
    return Approver(name, held, attributes or {}, Verification.HOST)


def _parked(waiting: object) -> tuple[ApprovalQueue, str, str]:
    """Return the queue, the tenant and the id of a task."""
    response = read_response(waiting)
    task_id = response.approval_id if response is not None else waiting
    if not isinstance(task_id, str):
        raise LookupError(
            f"{waiting!r} is neither the response of a parked request nor the id of an approval"
        )
    record = recorded_with_approval(task_id)
    enforcer = record.enforcer if record is not None else None
    if record is None or record.context is None or enforcer is None:
        raise LookupError(f"no request was parked in this process under approval {task_id!r}")
    return enforcer.approvals, record.context.tenant, task_id
