"""An approval on the wire, shaped as OpenID AuthZEN's Access Request and Approval Profile (draft)."""

from __future__ import annotations

from typing import Final
from urllib.parse import quote

from policy_middleware.approvals import ApprovalStatus, ApprovalTask, Verdict
from policy_middleware.model.times import format_time
from policy_middleware.responses import (
    APPROVAL_ID_HEADER,
    DECISION_ID_HEADER,
    Headers,
    Response,
    json_response,
)
from policy_middleware.settings import GateSettings

REQUESTS_PATH: Final = "/access/v1/requests"
"""Where tasks live below the prefix; the profile's resource for access requests."""

POLL_AFTER: Final = 5
"""Seconds between two looks at a pending task."""


def task_url(settings: GateSettings, root_path: str, task_id: str) -> str:
    """Return where a task is looked up; see `requests_url`."""
    return f"{requests_url(settings, root_path)}/{task_id}"


def requests_url(settings: GateSettings, root_path: str) -> str:
    """Return where access requests are submitted: absolute by `public_url`, else relative to the host.

    Never built from the Host header, which the client chooses.
    """
    if settings.public_url is not None:
        base = settings.public_url.rstrip("/")
    else:
        # A mount may take a part of the path that the client chose, decoded: it must neither end this header
        # nor, after two slashes, name another host.
        base = quote("/" + root_path.strip("/")) if root_path.strip("/") else ""
    return f"{base}{settings.prefix}{REQUESTS_PATH}"


def task_document(task: ApprovalTask, settings: GateSettings, root_path: str) -> dict[str, object]:
    """Return the profile's `task` object with what its requester may know."""
    url = task_url(settings, root_path, task.id)
    document: dict[str, object] = {
        "id": task.id,
        "status": task.status.value,
        "status_endpoint": url,
        "expires_at": format_time(task.deadline),
        "approvals": {"required": task.approvals_required, "received": task.approvals_received},
        "links": {"cancel": f"{url}/cancel"} if task.status is ApprovalStatus.PENDING else {},
        "display": {"summary": f"{task.requester} asks for {task.action}", "reason": task.reason},
    }
    if task.consumed_at is not None:
        document["consumed_at"] = format_time(task.consumed_at)
    comment = denial_comment(task)
    if comment is not None:
        document["comment"] = comment
    return document


def handle_document(task: ApprovalTask, settings: GateSettings, root_path: str) -> dict[str, object]:
    """Return the profile's response: the `task`, and once it is approved the `result`."""
    document: dict[str, object] = {"task": task_document(task, settings, root_path)}
    if (
        task.status is ApprovalStatus.APPROVED
        and task.approved_at is not None
        and task.approved_until is not None
    ):
        document["result"] = {
            "mode": "reevaluate",
            "approval": {
                "id": task.id,
                "approved_at": format_time(task.approved_at),
                "approved_until": format_time(task.approved_until),
            },
        }
    return document


def denial_comment(task: ApprovalTask) -> str | None:
    """Return why an approver denied a task, None for one that was not denied."""
    return next((vote.comment for vote in task.votes if vote.verdict is Verdict.DENY), None)


def pending_response(
    task: ApprovalTask, settings: GateSettings, root_path: str, decision_id: str
) -> Response:
    """Build the 202 that tells a client where to wait and what to send then."""
    headers: Headers = (
        ("Location", task_url(settings, root_path, task.id)),
        ("Retry-After", str(POLL_AFTER)),
        (APPROVAL_ID_HEADER, task.id),
        (DECISION_ID_HEADER, decision_id),
    )
    document = {
        **handle_document(task, settings, root_path),
        "decision_id": decision_id,
        "reason": task.reason,
        "context": {
            "evaluation_id": task.decision_id,
            "reason": "approval_required",
            "access_request": {
                "endpoint": requests_url(settings, root_path),
                "expires_at": format_time(task.deadline),
            },
        },
    }
    return json_response(202, document, headers=headers)


def submitted_response(
    task: ApprovalTask, settings: GateSettings, root_path: str, decision_id: str | None
) -> Response:
    """Build the answer to an access request: 202 while it waits, 201 when it is decided already."""
    waiting = task.status is ApprovalStatus.PENDING
    headers: Headers = (
        ("Location", task_url(settings, root_path, task.id)),
        (APPROVAL_ID_HEADER, task.id),
        *((("Retry-After", str(POLL_AFTER)),) if waiting else ()),
        *(((DECISION_ID_HEADER, decision_id),) if decision_id is not None else ()),
    )
    document = handle_document(task, settings, root_path)
    return json_response(202 if waiting else 201, document, headers=headers)


def status_response(task: ApprovalTask, settings: GateSettings, root_path: str) -> Response:
    """Build the answer of the status endpoint; while the task is pending it says when to come back."""
    waiting: Headers = (("Retry-After", str(POLL_AFTER)),) if task.status is ApprovalStatus.PENDING else ()
    return json_response(200, handle_document(task, settings, root_path), headers=waiting)
