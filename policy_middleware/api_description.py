"""The OpenAPI description of what the package serves under its prefix."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from policy_middleware.approval_documents import REQUESTS_PATH
from policy_middleware.approvals import ApprovalStatus
from policy_middleware.responses import PROBLEM_JSON
from policy_middleware.settings import GateSettings

OPENAPI_VERSION: Final = "3.1.0"
_TEXT: Final = {"type": "string"}
_MOMENT: Final = {"type": "string", "format": "date-time"}

PROBLEM: Final = {
    "title": "PolicyProblem",
    "description": "Why policy refused the request (RFC 9457).",
    "type": "object",
    "required": ["type", "title", "status", "detail"],
    "properties": {
        "type": {"type": "string", "format": "uri"},
        "title": _TEXT,
        "status": {"type": "integer"},
        "detail": {"type": "string", "description": "The deciding rule's reason."},
        "instance": _TEXT,
        "decision_id": _TEXT,
        "action": _TEXT,
        "reason": {"type": "string", "description": "Why an approval was not accepted."},
        "next_action": {"enum": ["request", "retry", "none"]},
        "comment": {"type": "string", "description": "What the approver who denied the request said."},
    },
}
TASK: Final = {
    "title": "ApprovalTask",
    "type": "object",
    "required": ["id", "status", "status_endpoint"],
    "properties": {
        "id": _TEXT,
        "status": {"enum": [status.value for status in ApprovalStatus]},
        "status_endpoint": _TEXT,
        "expires_at": _MOMENT,
        "approvals": {
            "type": "object",
            "properties": {"required": {"type": "integer"}, "received": {"type": "integer"}},
        },
        "links": {"type": "object", "properties": {"cancel": _TEXT}},
        "display": {"type": "object", "properties": {"summary": _TEXT, "reason": _TEXT}},
        "consumed_at": _MOMENT,
        "comment": _TEXT,
    },
}
RESULT: Final = {
    "title": "ApprovalResult",
    "type": "object",
    "properties": {
        "mode": {"const": "reevaluate"},
        "approval": {
            "type": "object",
            "properties": {"id": _TEXT, "approved_at": _MOMENT, "approved_until": _MOMENT},
        },
    },
}
HANDLE: Final = {
    "title": "ApprovalHandle",
    "type": "object",
    "required": ["task"],
    "properties": {
        "task": {"$ref": "#/components/schemas/ApprovalTask"},
        "result": {"$ref": "#/components/schemas/ApprovalResult"},
    },
}
PENDING: Final = {
    "title": "PendingApproval",
    "description": "The request waits for a person; send it again with X-Approval-Id once it is approved.",
    "type": "object",
    "required": ["task", "decision_id", "reason"],
    "properties": {
        **HANDLE["properties"],  # type: ignore[dict-item]  # a literal is inferred too widely
        "decision_id": _TEXT,
        "reason": _TEXT,
        "context": {"type": "object"},
    },
}
SUBMISSION: Final = {
    "title": "AccessRequest",
    "description": "What an approval is asked for: a request answered with 202, or one still to be sent.",
    "type": "object",
    "required": ["subject", "action"],
    "properties": {
        "subject": {"type": "object", "required": ["id"], "properties": {"id": _TEXT, "type": _TEXT}},
        "action": {"type": "object", "required": ["name"], "properties": {"name": _TEXT}},
        "resource": {
            "type": "object",
            "properties": {"type": _TEXT, "id": _TEXT, "properties": {"type": "object"}},
        },
        "context": {
            "type": "object",
            "properties": {
                "http": {
                    "type": "object",
                    "required": ["method", "path"],
                    "properties": {
                        "method": _TEXT,
                        "path": _TEXT,
                        "query": _TEXT,
                        "content_type": _TEXT,
                        "body_sha256": {"type": "string", "pattern": "^[0-9a-f]{64}$"},
                        "body_size": {"type": "integer"},
                    },
                }
            },
        },
        "denial": {
            "type": "object",
            "required": ["evaluation_id"],
            "properties": {"evaluation_id": _TEXT, "expires_at": _MOMENT},
        },
    },
}
SCHEMAS: Final[Mapping[str, Any]] = {
    "PolicyProblem": PROBLEM,
    "ApprovalTask": TASK,
    "ApprovalResult": RESULT,
    "ApprovalHandle": HANDLE,
    "PendingApproval": PENDING,
    "AccessRequest": SUBMISSION,
}


def api_paths(settings: GateSettings) -> dict[str, Any]:
    """Return the paths under the prefix, with references into `SCHEMAS`."""
    requests = settings.prefix + REQUESTS_PATH
    handle = _content("ApprovalHandle")
    prefer = _header("Prefer", "wait=N: hold the answer for up to N seconds until something changes.")
    task_id = {"name": "task_id", "in": "path", "required": True, "schema": _TEXT}
    return {
        requests: {
            "post": {
                "summary": "Ask for an approval",
                "tags": ["policy"],
                "parameters": [_header("Idempotency-Key", "Sent again, the same task is returned.")],
                "requestBody": {"required": True, **_content("AccessRequest")},
                "responses": {
                    "202": {"description": "Waiting for approval", **handle},
                    "201": {"description": "Decided already", **handle},
                    **_problems("400", "403", "409", "410", "429", "503"),
                },
            }
        },
        f"{requests}/{{task_id}}": {
            "get": {
                "summary": "What became of an approval",
                "tags": ["policy"],
                "parameters": [task_id, prefer],
                "responses": {
                    "200": {"description": "The task; Retry-After while it is pending", **handle},
                    **_problems("404", "503"),
                },
            }
        },
        f"{requests}/{{task_id}}/cancel": {
            "post": {
                "summary": "Withdraw a request for approval",
                "tags": ["policy"],
                "parameters": [task_id],
                "responses": {
                    "200": {"description": "Cancelled", **handle},
                    **_problems("404", "409", "410", "503"),
                },
            }
        },
    }


def api_description(settings: GateSettings) -> dict[str, Any]:
    """Return a whole OpenAPI document of the pages under the prefix."""
    return {
        "openapi": OPENAPI_VERSION,
        "info": {
            "title": "Approvals",
            "version": "1",
            "description": "OpenID AuthZEN Access Request and Approval Profile (draft), as spoken here.",
        },
        "paths": api_paths(settings),
        "components": {"schemas": dict(SCHEMAS)},
    }


def _content(schema: str, media_type: str = "application/json") -> dict[str, Any]:
    return {"content": {media_type: {"schema": {"$ref": f"#/components/schemas/{schema}"}}}}


def _problems(*statuses: str) -> dict[str, Any]:
    return {
        status: {"description": "Refused", **_content("PolicyProblem", PROBLEM_JSON)} for status in statuses
    }


def _header(name: str, description: str) -> dict[str, Any]:
    return {"name": name, "in": "header", "schema": _TEXT, "description": description}
