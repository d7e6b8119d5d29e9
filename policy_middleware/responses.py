"""What the client is told when the handler does not answer: problem documents and pending tasks."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

DECISION_ID_HEADER: Final = "X-Policy-Decision-Id"
APPROVAL_ID_HEADER: Final = "X-Approval-Id"
MASKED_HEADER: Final = "X-Policy-Masked"

PROBLEM_JSON: Final = "application/problem+json"
_NO_STORE: Final = ("Cache-Control", "no-store")
_TYPE_PREFIX: Final = "urn:problem-type:policy-middleware:"
RETRY_AFTER_OUTAGE: Final = 5
"""Seconds after which a client may try again when the policy store is away."""

Headers = tuple[tuple[str, str], ...]


class ProblemType(StrEnum):
    """The kinds of refusal, as the last part of the problem's `type` URN.

    Whole URNs are those of OpenID AuthZEN's Access Request and Approval Profile (draft).
    """

    DENIED = "denied"
    IDENTITY_MISSING = "identity-missing"
    CREDENTIAL_INVALID = "credential-invalid"
    ATTRIBUTE_MALFORMED = "attribute-malformed"
    TENANT_MISSING = "tenant-missing"
    TENANT_MISMATCH = "tenant-mismatch"
    POLICY_MISSING = "policy-missing"
    STORE_UNAVAILABLE = "store-unavailable"
    ATTRIBUTE_UNAVAILABLE = "attribute-unavailable"
    LOG_UNAVAILABLE = "log-unavailable"
    BODY_TOO_LARGE = "body-too-large"
    MASK_FAILED = "mask-failed"
    UNDECIDED = "undecided"
    NOT_FOUND = "not-found"
    METHOD_NOT_ALLOWED = "method-not-allowed"
    APPROVAL_DENIED = "approval-denied"
    APPROVAL_EXPIRED = "approval-expired"
    APPROVAL_CANCELLED = "approval-cancelled"
    APPROVAL_CONSUMED = "approval-consumed"
    APPROVAL_MISMATCH = "approval-mismatch"
    APPROVAL_SUPERSEDED = "approval-superseded"
    APPROVAL_UNAVAILABLE = "approval-unavailable"
    TOO_MANY_PENDING = "too-many-pending-approvals"
    NOT_REQUESTABLE = "urn:openid:authzen:access-request:error:not_requestable"
    EXPIRED_DENIAL = "urn:openid:authzen:access-request:error:expired_denial"
    INVALID_DENIAL_BINDING = "urn:openid:authzen:access-request:error:invalid_denial_binding"
    DUPLICATE_REQUEST = "urn:openid:authzen:access-request:error:duplicate_request"
    UNKNOWN_TASK = "urn:openid:authzen:access-request:error:unknown_task"
    TASK_EXPIRED = "urn:openid:authzen:access-request:error:task_expired"
    INVALID_TASK_STATE = "urn:openid:authzen:access-request:error:invalid_task_state"


@dataclass(frozen=True, slots=True)
class Response:
    """A complete answer; every framework's adapter turns it into its own."""

    status: int
    headers: Headers
    body: bytes

    def adding(self, headers: Headers) -> Response:
        """Return the same answer with further headers."""
        return Response(self.status, self.headers + headers, self.body) if headers else self


_TITLES: Final[Mapping[ProblemType, tuple[int, str]]] = {
    ProblemType.DENIED: (403, "Denied by policy"),
    ProblemType.IDENTITY_MISSING: (401, "Authentication required"),
    ProblemType.CREDENTIAL_INVALID: (401, "Credential not accepted"),
    ProblemType.ATTRIBUTE_MALFORMED: (400, "Malformed request attribute"),
    ProblemType.TENANT_MISSING: (400, "Tenant missing"),
    ProblemType.TENANT_MISMATCH: (403, "Tenants disagree"),
    ProblemType.POLICY_MISSING: (403, "No policy"),
    ProblemType.STORE_UNAVAILABLE: (503, "Policy store unavailable"),
    ProblemType.ATTRIBUTE_UNAVAILABLE: (503, "Request attribute unavailable"),
    ProblemType.LOG_UNAVAILABLE: (503, "Decision log unavailable"),
    ProblemType.BODY_TOO_LARGE: (413, "Body too large to be approved"),
    ProblemType.MASK_FAILED: (502, "Response could not be masked"),
    ProblemType.UNDECIDED: (500, "Response without a decision"),
    ProblemType.NOT_FOUND: (404, "Not found"),
    ProblemType.METHOD_NOT_ALLOWED: (405, "Method not allowed"),
    ProblemType.APPROVAL_DENIED: (403, "Approval denied"),
    ProblemType.APPROVAL_EXPIRED: (403, "Approval expired"),
    ProblemType.APPROVAL_CANCELLED: (403, "Approval cancelled"),
    ProblemType.APPROVAL_CONSUMED: (409, "Approval already used"),
    ProblemType.APPROVAL_MISMATCH: (422, "Approval is for another request"),
    ProblemType.APPROVAL_SUPERSEDED: (403, "Approval superseded"),
    ProblemType.APPROVAL_UNAVAILABLE: (403, "Approval impossible"),
    ProblemType.TOO_MANY_PENDING: (429, "Too many pending approvals"),
    ProblemType.NOT_REQUESTABLE: (400, "Approval is not what this request needs"),
    ProblemType.EXPIRED_DENIAL: (410, "No longer open to an approval"),
    ProblemType.INVALID_DENIAL_BINDING: (400, "Not bound to a request"),
    ProblemType.DUPLICATE_REQUEST: (409, "Idempotency key used for another request"),
    ProblemType.UNKNOWN_TASK: (404, "Unknown approval"),
    ProblemType.TASK_EXPIRED: (410, "Approval expired"),
    ProblemType.INVALID_TASK_STATE: (409, "Approval already decided"),
}


def problem_status(kind: ProblemType) -> int:
    """Return the HTTP status that a kind of refusal is answered with."""
    return _TITLES[kind][0]


def problem(
    kind: ProblemType,
    detail: str,
    *,
    decision_id: str | None = None,
    headers: Headers = (),
    members: Mapping[str, object] | None = None,
) -> Response:
    """Build an RFC 9457 problem document; `members` are extension members, None values left out."""
    status, title = _TITLES[kind]
    document: dict[str, object] = {
        "type": kind.value if kind.startswith("urn:") else _TYPE_PREFIX + kind,
        "title": title,
        "status": status,
        "detail": detail,
    }
    if decision_id is not None:
        document["instance"] = f"urn:policy-middleware:decision:{decision_id}"
        document["decision_id"] = decision_id
        headers = (*headers, (DECISION_ID_HEADER, decision_id))
    document.update((name, value) for name, value in (members or {}).items() if value is not None)
    return json_response(status, document, content_type=PROBLEM_JSON, headers=headers)


def json_response(
    status: int, document: object, *, content_type: str = "application/json", headers: Headers = ()
) -> Response:
    """Build a JSON answer that no cache may keep."""
    # ASCII escapes keep lone surrogates and control characters of attributes out of the wire bytes.
    body = json.dumps(document, ensure_ascii=True, separators=(",", ":")).encode("ascii")
    fixed: Headers = (("Content-Type", content_type), ("Content-Length", str(len(body))), _NO_STORE)
    return Response(status, fixed + headers, body)


def unauthenticated(kind: ProblemType, detail: str, decision_id: str | None) -> Response:
    """Build a 401; RFC 9110 section 15.5.2 demands a challenge with it."""
    return problem(kind, detail, decision_id=decision_id, headers=(("WWW-Authenticate", "Bearer"),))


def unavailable(kind: ProblemType, detail: str, decision_id: str | None) -> Response:
    """Build a 503 with Retry-After."""
    retry = (("Retry-After", str(RETRY_AFTER_OUTAGE)),)
    return problem(kind, detail, decision_id=decision_id, headers=retry)


def prefers_html(accept: str | None) -> bool:
    """True when an Accept header names text/html explicitly, ranked above any JSON type it names."""
    html, machine = 0.0, 0.0
    for item in (accept or "").split(","):
        media_type, *parameters = (part.strip().lower() for part in item.split(";"))
        quality = 1.0
        for parameter in parameters:
            if parameter.startswith("q="):
                try:
                    quality = float(parameter[2:])
                except ValueError:
                    quality = 0.0
        if media_type in ("text/html", "application/xhtml+xml"):
            html = max(html, quality)
        elif media_type.endswith("json"):
            machine = max(machine, quality)
    return html > 0.0 and html > machine
