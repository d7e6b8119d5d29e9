"""The queue of approvals as the rest of the package sees it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from policy_middleware.approvals.task import (
    ApprovalPage,
    ApprovalStatus,
    ApprovalTask,
    Approver,
    Consumption,
    ConsumptionOutcome,
    ParkedRequest,
    RequestSummary,
    RequirementProgress,
    Verdict,
    Verification,
    Vote,
)
from policy_middleware.model.decision import ApprovalRequirement

__all__ = [
    "ApprovalLimits",
    "ApprovalPage",
    "ApprovalQueue",
    "ApprovalStatus",
    "ApprovalTask",
    "Approver",
    "Consumption",
    "ConsumptionOutcome",
    "ParkedRequest",
    "RequestSummary",
    "RequirementProgress",
    "Verdict",
    "Verification",
    "Vote",
]

DEFAULT_PAGE = 50
MAX_PAGE = 500


@dataclass(frozen=True, slots=True)
class ApprovalLimits:
    """How much a tenant's queue may hold.

    `open_per_tenant` and `open_per_requester` bound the tasks that are pending, or approved and not used yet.
    `ended_per_tenant` bounds the finished ones, which are kept for `keep_ended` seconds.
    """

    open_per_tenant: int = 1000
    open_per_requester: int = 50
    ended_per_tenant: int = 10_000
    keep_ended: float = 30 * 86400.0


class ApprovalQueue(Protocol):
    """Requests that wait for people. Every change of a task is atomic and happens exactly once.

    Methods raise `ApprovalError` (its `code` says which) for a step that is not possible and
    `StoreUnavailable` when the queue cannot be reached; then nothing is half done.
    """

    def request(
        self,
        tenant: str,
        *,
        fingerprint: str,
        requester: str,
        action: str,
        resource: str | None,
        reason: str,
        requirements: tuple[ApprovalRequirement, ...],
        revisions: Mapping[str, str],
        summary: RequestSummary,
        decision_id: str | None = None,
    ) -> ApprovalTask:
        """Return the open task of this fingerprint, or a new one.

        An open task that asks for other rules than `requirements` is superseded first. Errors: `no_subject`,
        `invalid_subject`, `too_many_pending`, `queue_full`.
        """

    def get(self, tenant: str, task_id: str) -> ApprovalTask | None:
        """Return a task, or None for an id that is unknown, malformed or another tenant's."""

    def now(self) -> float:
        """Return the time by the clock that all times of tasks are of (seconds since the epoch)."""

    def list(
        self,
        tenant: str,
        *,
        status: ApprovalStatus | None = None,
        requester: str | None = None,
        limit: int = DEFAULT_PAGE,
        before: int | None = None,
    ) -> ApprovalPage:
        """Return up to `limit` (1-500) tasks, newest first, older than the cursor `before`."""

    def open_of(self, tenant: str, requester: str) -> tuple[ApprovalTask, ...]:
        """Return what a requester has pending, or approved and not used: little, by `ApprovalLimits`."""

    def approve(
        self, tenant: str, task_id: str, approver: Approver, comment: str | None = None
    ) -> ApprovalTask:
        """Count a vote for every open requirement that the approver answers to.

        Errors: `unknown_task`, `task_expired`, `invalid_task_state`, `self_approval`, `already_voted`,
        `not_eligible`, `comment_too_long`, `no_subject`, `invalid_subject`.
        """

    def deny(self, tenant: str, task_id: str, approver: Approver, comment: str) -> ApprovalTask:
        """End a pending task; one denial is enough. Errors: those of `approve`, and `comment_required`."""

    def cancel(self, tenant: str, task_id: str, requester: str) -> ApprovalTask:
        """End a pending task on behalf of who asked. Errors: `unknown_task`, `not_requester`, `task_expired`,
        `invalid_task_state`.
        """

    def consume(
        self, tenant: str, task_id: str, *, fingerprint: str, requester: str, nonce: str
    ) -> Consumption:
        """Use an approval for the one request it was given for.

        Of any number of attempts exactly one is `ok`; the same attempt repeated (one `nonce`, after a lost
        answer) is `ok` again.
        """

    def advance(self, tenant: str) -> float | None:
        """Do what the passing of time asks for: tasks lapse, and second groups of approvers are asked.

        Returns in how many seconds there is more to do, None when nothing is open.
        """

    def count_open(self, tenant: str) -> int:
        """Return how many tasks are pending, or approved and not used; some may just have lapsed."""

    def claim(self, tenant: str, requester: str, key: str, digest: str) -> ApprovalTask | None:
        """Take an idempotency key for a submission with this digest; return the task it led to before.

        None for a key that is new, or whose submission did not come to an end. Errors: `duplicate_request`
        for a key that was used with another digest, `too_many_keys` for more new ones than anybody may use.
        """

    def keep_claim(self, tenant: str, requester: str, key: str, digest: str, task: ApprovalTask) -> None:
        """Remember what a claimed key led to, until a day after the task has ended at the latest."""

    def supersede(self, tenant: str, task_id: str) -> ApprovalTask:
        """Withdraw an open task whose rules have changed, approved or not, so that it is asked anew.

        Errors: `unknown_task`, `task_expired`, `invalid_task_state`.
        """
