"""An approval as the hash that Redis keeps: written once, checked in full whenever it is read."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from policy_middleware.approvals.task import (
    ApprovalStatus,
    ApprovalTask,
    ParkedRequest,
    RequestSummary,
    Verdict,
    Verification,
    Vote,
)
from policy_middleware.model.condition_codec import condition_from_json, condition_to_json
from policy_middleware.model.decision import ApprovalRequirement
from policy_middleware.model.policy import ApprovalSpec, EscalationSpec

_VOTE: Final = b"vote:"
_Seconds = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class _Stored(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)


class _StoredEscalation(_Stored):
    after: _Seconds
    approvers: dict[str, object]


class _StoredRequirement(_Stored):
    document: str
    rule_id: str
    rule_digest: str
    reason: str
    approvers: dict[str, object]
    required: Annotated[int, Field(ge=1)]
    expires_in: _Seconds
    use_within: _Seconds
    host_verified: bool = False
    escalation: _StoredEscalation | None = None


class _StoredSummary(_Stored):
    method: str
    path: str
    query: str
    content_type: str | None
    body_size: int | None
    body: str | None = None


class _StoredRequest(_Stored):
    version: Literal[1] = 1
    id: str
    tenant: str
    action: str
    resource: str | None
    reason: str
    requirements: Annotated[list[_StoredRequirement], Field(min_length=1)]
    summary: _StoredSummary
    revisions: dict[str, str]
    decision_id: str | None


class _StoredVote(_Stored):
    verdict: Annotated[Verdict, Field(strict=False)]
    comment: str | None
    verified: Annotated[Verification, Field(strict=False)]
    operator: str | None


class _StoredState(BaseModel):
    """The fields scripts work with; Redis keeps numbers as text."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    status: ApprovalStatus
    fingerprint: Annotated[str, Field(min_length=1)]
    requester: Annotated[str, Field(min_length=1)]
    position: int
    created_at: int
    expires_at: int
    approved_at: int | None = None
    approved_until: int | None = None
    consumed_at: int | None = None
    ended_at: int | None = None
    superseded: bool = False


_STATE: Final = TypeAdapter(_StoredState)


def request_to_json(parked: ParkedRequest) -> bytes:
    """Return what never changes about a task; its fingerprint and requester have fields of their own."""
    stored = {
        "version": 1,
        "id": parked.id,
        "tenant": parked.tenant,
        "action": parked.action,
        "resource": parked.resource,
        "reason": parked.reason,
        "requirements": [_requirement_to_json(requirement) for requirement in parked.requirements],
        "summary": asdict(parked.summary),
        "revisions": dict(parked.revisions),
        "decision_id": parked.decision_id,
    }
    return _to_json(stored)


def vote_to_json(vote: Vote) -> bytes:
    """Return what the approver said; the script adds when, and what it counted for."""
    return _to_json(
        {
            "verdict": vote.verdict,
            "comment": vote.comment,
            "verified": vote.verified,
            "operator": vote.operator,
        }
    )


def task_from_hash(tenant: str, task_id: str, stored: Mapping[bytes, bytes]) -> ApprovalTask:
    """Return the task a hash holds. Raises ValueError when it is not one this package wrote under this id."""
    request = _StoredRequest.model_validate_json(stored[b"body"])
    if (request.tenant, request.id) != (tenant, task_id):
        raise ValueError(f"the hash describes {request.id} of tenant {request.tenant}")
    state = _STATE.validate_python(
        {name.decode(): value.decode() for name, value in stored.items() if not name.startswith(_VOTE)}
    )
    requirements = tuple(map(_requirement, request.requirements))
    received = tuple(int(stored[b"received:%d" % number]) for number in range(1, len(requirements) + 1))
    votes = [
        _vote(name.removeprefix(_VOTE).decode(), value, len(requirements))
        for name, value in stored.items()
        if name.startswith(_VOTE)
    ]
    return ApprovalTask(
        id=task_id,
        tenant=tenant,
        fingerprint=state.fingerprint,
        requester=state.requester,
        action=request.action,
        resource=request.resource,
        reason=request.reason,
        requirements=requirements,
        summary=RequestSummary(**request.summary.model_dump()),
        revisions=request.revisions,
        decision_id=request.decision_id,
        status=state.status,
        position=state.position,
        received=received,
        created_at=state.created_at / 1000,
        expires_at=state.expires_at / 1000,
        approved_at=_seconds(state.approved_at),
        approved_until=_seconds(state.approved_until),
        consumed_at=_seconds(state.consumed_at),
        ended_at=_seconds(state.ended_at),
        superseded=state.superseded,
        votes=tuple(sorted(votes, key=lambda vote: (vote.at, vote.approver))),
        escalated=tuple(
            _seconds(None if moment is None else int(moment))
            for moment in (stored.get(b"escalated:%d" % number) for number in range(1, len(requirements) + 1))
        ),
    )


def _requirement_to_json(requirement: ApprovalRequirement) -> dict[str, object]:
    return {
        "document": requirement.document,
        "rule_id": requirement.rule_id,
        "rule_digest": requirement.rule_digest,
        "reason": requirement.reason,
        "approvers": condition_to_json(requirement.approval.approvers),
        "required": requirement.approval.required,
        "expires_in": requirement.approval.expires_in,
        "use_within": requirement.approval.use_within,
        "host_verified": requirement.approval.host_verified,
        "escalation": _escalation_to_json(requirement.approval.escalation),
    }


def _escalation_to_json(escalation: EscalationSpec | None) -> dict[str, object] | None:
    if escalation is None:
        return None
    return {"after": escalation.after, "approvers": condition_to_json(escalation.approvers)}


def _requirement(stored: _StoredRequirement) -> ApprovalRequirement:
    second = stored.escalation
    approval = ApprovalSpec(
        condition_from_json(stored.approvers),
        stored.required,
        stored.expires_in,
        stored.use_within,
        stored.host_verified,
        None if second is None else EscalationSpec(second.after, condition_from_json(second.approvers)),
    )
    return ApprovalRequirement(stored.document, stored.rule_id, stored.rule_digest, stored.reason, approval)


def _vote(approver: str, stored: bytes, requirements: int) -> Vote:
    moment, _nonce, counted, body = stored.split(b" ", 3)
    vote = _StoredVote.model_validate_json(body)
    counts_for = () if counted == b"-" else tuple(int(number) - 1 for number in counted.split(b","))
    if not all(0 <= index < requirements for index in counts_for):
        raise ValueError(f"the vote of {approver!r} counts for a rule that is not asked for")
    return Vote(
        approver, vote.verdict, vote.comment, int(moment) / 1000, vote.verified, vote.operator, counts_for
    )


def _seconds(milliseconds: int | None) -> float | None:
    return None if milliseconds is None else milliseconds / 1000


def _to_json(data: object) -> bytes:
    # What people are shown may hold undecodable octets as lone surrogates, which have no UTF-8 form.
    return json.dumps(data, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode(
        "utf-8", "replace"
    )
