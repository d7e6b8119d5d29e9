"""What an approval is: the request that waits, the votes on it, and what became of it.

All times are seconds since the epoch by the clock of the queue (the server's, when the queue is in Redis).
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from policy_middleware.model.context import AttributeValue
from policy_middleware.model.decision import ApprovalRequirement

_ID = re.compile(r"apr_[A-Za-z0-9_-]{22}", re.ASCII)


def new_task_id() -> str:
    """Return an unguessable id (128 random bits)."""
    return f"apr_{secrets.token_urlsafe(16)}"


def is_task_id(text: str) -> bool:
    """True for what `new_task_id` could have returned; anything else never reaches a key."""
    return _ID.fullmatch(text) is not None


class ApprovalStatus(StrEnum):
    """The statuses of a task on the wire (OpenID AuthZEN Access Request and Approval Profile)."""

    PENDING = "pending"
    APPROVED = "approved"
    DENIED = "denied"
    EXPIRED = "expired"
    CANCELLED = "cancelled"
    FAILED = "failed"


class Verdict(StrEnum):
    """What an approver says."""

    APPROVE = "approve"
    DENY = "deny"


class Verification(StrEnum):
    """How it is known that an approver is who they say."""

    HOST = "host"
    """The host application authenticated them."""
    ASSERTED = "asserted"
    """Whoever could reach the queue said so (`operator` names the operating-system user)."""


@dataclass(frozen=True, slots=True)
class Approver:
    """Somebody who votes. `attributes` maps further canonical paths (`subject.department`) to values.

    `tenants` are the ones whose requests they are shown in the inbox; none: the one that their request names.
    """

    id: str
    roles: tuple[str, ...] = ()
    attributes: Mapping[str, AttributeValue] = field(default_factory=dict)
    verified: Verification = Verification.ASSERTED
    operator: str | None = None
    tenants: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Vote:
    """One person's verdict; `counts_for` holds the indexes of the requirements it helped to satisfy."""

    approver: str
    verdict: Verdict
    comment: str | None
    at: float
    verified: Verification
    operator: str | None = None
    counts_for: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class RequestSummary:
    """What people are shown of the request, `body_size` in bytes; it binds nothing, the fingerprint does.

    `body` is the body as it may be shown, redacted, None where it is not kept.
    """

    method: str
    path: str
    query: str = ""
    content_type: str | None = None
    body_size: int | None = None
    body: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ParkedRequest:
    """A request that needs people to agree, as it enters the queue; none of this ever changes.

    `revisions` maps each policy document that was asked to its revision, `decision_id` names the decision
    that parked the request.
    """

    id: str
    tenant: str
    fingerprint: str
    requester: str
    action: str
    resource: str | None
    reason: str
    requirements: tuple[ApprovalRequirement, ...]
    summary: RequestSummary
    revisions: Mapping[str, str]
    decision_id: str | None = None

    @property
    def expires_in(self) -> float:
        """For how many seconds people may vote: the shortest that any rule grants."""
        return min(requirement.approval.expires_in for requirement in self.requirements)

    @property
    def use_within(self) -> float:
        """For how many seconds an approval may be used: the shortest that any rule grants."""
        return min(requirement.approval.use_within for requirement in self.requirements)


@dataclass(frozen=True, slots=True)
class RequirementProgress:
    """One rule's demand and how many of its approvers have agreed."""

    requirement: ApprovalRequirement
    received: int

    @property
    def required(self) -> int:
        """How many approvers the rule asks for."""
        return self.requirement.approval.required

    @property
    def satisfied(self) -> bool:
        """True when enough of them have agreed."""
        return self.received >= self.required


@dataclass(frozen=True, slots=True, kw_only=True)
class ApprovalTask(ParkedRequest):
    """A request in the queue and what has happened to it.

    `position` orders the tasks of a tenant by creation (unique, rising). `received` counts votes per
    requirement, `expires_at` ends the voting, `approved_until` ends the use, `ended_at` is when the task
    left the queue. A used task stays `approved` and has `consumed_at`; a superseded one is `cancelled`.
    """

    status: ApprovalStatus
    position: int
    received: tuple[int, ...]
    created_at: float
    expires_at: float
    approved_at: float | None = None
    approved_until: float | None = None
    consumed_at: float | None = None
    ended_at: float | None = None
    superseded: bool = False
    votes: tuple[Vote, ...] = ()
    escalated: tuple[float | None, ...] = ()
    """When each requirement was opened to its second group; None: not yet, or it has none."""

    @property
    def next_escalation(self) -> float | None:
        """When the next requirement of a pending task is opened to its second group, None when none is."""
        return min(
            (
                self.created_at + part.approval.escalation.after
                for part, opened in zip(self.requirements, self.escalated, strict=True)
                if part.approval.escalation is not None and opened is None
            ),
            default=None,
        )

    @property
    def progress(self) -> tuple[RequirementProgress, ...]:
        """Every rule's demand with the votes it has received."""
        return tuple(map(RequirementProgress, self.requirements, self.received))

    @property
    def approvals_required(self) -> int:
        """How many votes all rules together ask for."""
        return sum(part.required for part in self.progress)

    @property
    def approvals_received(self) -> int:
        """How many of those have been given."""
        return sum(part.received for part in self.progress)

    @property
    def is_open(self) -> bool:
        """True while somebody can still act on the task: vote on it, or use it."""
        return self.status is ApprovalStatus.PENDING or (
            self.status is ApprovalStatus.APPROVED and self.consumed_at is None
        )

    @property
    def deadline(self) -> float:
        """When an open task lapses: the end of the voting, or of the use once approved."""
        return self.expires_at if self.approved_until is None else self.approved_until

    @property
    def satisfied(self) -> frozenset[tuple[str, str, str]]:
        """Document, rule id and rule digest of every rule that this task asks for."""
        return _rules(self.requirements)

    def answers(self, requirements: tuple[ApprovalRequirement, ...]) -> bool:
        """True when the task still asks the right people about `requirements`.

        Rules are compared by digest, so an unrelated edit of a document changes nothing. A pending task has
        to ask for exactly these rules; an approved one may have asked for more.
        """
        asked = _rules(requirements)
        return asked == self.satisfied if self.status is ApprovalStatus.PENDING else asked <= self.satisfied


def _rules(requirements: tuple[ApprovalRequirement, ...]) -> frozenset[tuple[str, str, str]]:
    return frozenset((part.document, part.rule_id, part.rule_digest) for part in requirements)


class ConsumptionOutcome(StrEnum):
    """What came of the attempt to use an approval."""

    OK = "ok"
    PENDING = "pending"
    USED = "used"
    MISMATCH = "mismatch"
    DENIED = "denied"
    EXPIRED = "expired"
    CANCELLED = "cancelled"
    SUPERSEDED = "superseded"
    FAILED = "failed"
    MISSING = "missing"


@dataclass(frozen=True, slots=True)
class Consumption:
    """The outcome and the task after it; no task is shown to a request that it was not made for."""

    outcome: ConsumptionOutcome
    task: ApprovalTask | None = None


@dataclass(frozen=True, slots=True)
class ApprovalPage:
    """Part of a listing, newest first; hand `next` to `list(before=)` for the rest (None: that was all)."""

    tasks: tuple[ApprovalTask, ...]
    next: int | None = None
