"""The part of a queue that does not depend on where it is kept: who may do what, and what to say if not."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from policy_middleware.approvals.events import ApprovalEventKind, ApprovalListener
from policy_middleware.approvals.persons import same_person
from policy_middleware.approvals.queue import DEFAULT_PAGE, MAX_PAGE
from policy_middleware.approvals.refusals import checked_comment, checked_subject, closed, is_subject, refusal
from policy_middleware.approvals.task import (
    ApprovalPage,
    ApprovalStatus,
    ApprovalTask,
    Approver,
    Consumption,
    ConsumptionOutcome,
    ParkedRequest,
    RequestSummary,
    Verdict,
    Vote,
    is_task_id,
    new_task_id,
)
from policy_middleware.approvals.transitions import event_of
from policy_middleware.approvals.voting import answers_to, well_enough_known
from policy_middleware.model.decision import ApprovalRequirement
from policy_middleware.model.errors import ContextError, StoreUnavailable
from policy_middleware.model.vocabulary import is_tenant_id

DONE = "ok"
CLOSED = "closed"
EXISTS = "exists"
KEEP_CLAIM = 86400.0
"""Seconds for which an idempotency key outlives its task (at most); the profile asks for a day."""
MAX_CLAIMS = 10_000
"""Idempotency keys that one requester may use within `KEEP_CLAIM`."""

_REQUEST_ATTEMPTS = 5


@dataclass(frozen=True, slots=True)
class Step:
    """What storage answers to one transition: `ok`, `closed`, `exists` or the code of a refusal."""

    outcome: str
    task: ApprovalTask | None


class CheckedQueue(ABC):
    """An ApprovalQueue over a few storage steps, each of them atomic.

    What is checked here is checked on a task that was read before; whatever of it may have changed since is
    decided again inside the step.
    """

    def __init__(self, tell: ApprovalListener | None = None) -> None:
        self._tell = tell

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
        """Return the open task of this fingerprint, or a new one (see ApprovalQueue)."""
        if not requirements:
            raise ValueError("an approval needs at least one requirement")
        parked = ParkedRequest(
            id=new_task_id(),
            tenant=_checked_tenant(tenant),
            fingerprint=fingerprint,
            requester=checked_subject(requester),
            action=action,
            resource=resource,
            reason=reason,
            requirements=requirements,
            summary=summary,
            revisions=dict(revisions),
            decision_id=decision_id,
        )
        gone: str | None = None
        for _ in range(_REQUEST_ATTEMPTS):
            outcome, holder = self._create(parked, gone)
            if outcome not in (DONE, EXISTS):
                raise refusal(outcome)
            task = self._load(tenant, holder)
            if task is None:
                gone = holder
            elif outcome == DONE or (task.is_open and task.answers(requirements)):
                return task
            elif task.is_open:
                self._supersede(task)
        raise StoreUnavailable("the approval of this request keeps changing; repeat the request")

    def get(self, tenant: str, task_id: str) -> ApprovalTask | None:
        """Return a task, or None for an id that is unknown, malformed or another tenant's."""
        return self._load(_checked_tenant(tenant), task_id) if is_task_id(task_id) else None

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
        if not 1 <= limit <= MAX_PAGE:
            raise ValueError(f"limit must be 1 to {MAX_PAGE}, not {limit}")
        return self._page(_checked_tenant(tenant), status, requester, limit, before)

    def open_of(self, tenant: str, requester: str) -> tuple[ApprovalTask, ...]:
        """Return the open tasks of a requester (see ApprovalQueue)."""
        found = self._open_of(_checked_tenant(tenant), requester) if is_subject(requester) else ()
        return tuple(task for task in found if task.is_open)

    def approve(
        self, tenant: str, task_id: str, approver: Approver, comment: str | None = None
    ) -> ApprovalTask:
        """Count a vote for every open requirement that the approver answers to (see ApprovalQueue)."""
        return self._decide(tenant, task_id, approver, Verdict.APPROVE, checked_comment(comment))

    def deny(self, tenant: str, task_id: str, approver: Approver, comment: str) -> ApprovalTask:
        """End a pending task; one denial is enough (see ApprovalQueue)."""
        checked = checked_comment(comment)
        if checked is None:
            raise refusal("comment_required")
        return self._decide(tenant, task_id, approver, Verdict.DENY, checked)

    def cancel(self, tenant: str, task_id: str, requester: str) -> ApprovalTask:
        """End a pending task on behalf of who asked (see ApprovalQueue)."""
        task = self._existing(tenant, task_id)
        if task.requester != requester:
            raise refusal("not_requester")
        return _changed(self._cancel(task))

    def consume(
        self, tenant: str, task_id: str, *, fingerprint: str, requester: str, nonce: str
    ) -> Consumption:
        """Use an approval for the one request it was given for (see ApprovalQueue)."""
        if not nonce:
            raise ValueError("a consumption needs a nonce")
        if not is_task_id(task_id):
            return Consumption(ConsumptionOutcome.MISSING)
        if not is_subject(requester):
            return Consumption(ConsumptionOutcome.MISMATCH)
        return self._consume(_checked_tenant(tenant), task_id, fingerprint, requester, nonce)

    def claim(self, tenant: str, requester: str, key: str, digest: str) -> ApprovalTask | None:
        """Take an idempotency key (see ApprovalQueue)."""
        held = self._claim(_checked_tenant(tenant), checked_subject(requester), key, digest)
        if held is None:
            raise refusal("too_many_keys")
        claimed, task_id = held
        if claimed != digest:
            raise refusal("duplicate_request")
        return self._load(tenant, task_id) if task_id else None

    def keep_claim(self, tenant: str, requester: str, key: str, digest: str, task: ApprovalTask) -> None:
        """Remember what a claimed key led to (see ApprovalQueue)."""
        self._keep_claim(_checked_tenant(tenant), checked_subject(requester), key, digest, task)

    def supersede(self, tenant: str, task_id: str) -> ApprovalTask:
        """Withdraw an open task whose rules have changed (see ApprovalQueue)."""
        return _changed(self._supersede(self._existing(tenant, task_id)))

    def _decide(
        self, tenant: str, task_id: str, approver: Approver, verdict: Verdict, comment: str | None
    ) -> ApprovalTask:
        checked_subject(approver.id)
        task = self._existing(tenant, task_id)
        if task.status is ApprovalStatus.PENDING and task.next_escalation is not None:
            task = self._escalate(task).task or task  # by the queue's clock, which alone counts
        if task.status is not ApprovalStatus.PENDING:
            raise closed(task)
        if same_person(approver.id, task.requester):
            raise refusal("self_approval")
        if any(same_person(vote.approver, approver.id) for vote in task.votes):
            raise refusal("already_voted")
        try:
            eligible = answers_to(task, approver, self.now())
        except ContextError as error:
            raise refusal("not_eligible") from error
        if not eligible:
            raise refusal("not_eligible")
        accepted = well_enough_known(task, approver, eligible)
        if not accepted:
            raise refusal("not_verified")
        vote = Vote(approver.id, verdict, comment, 0.0, approver.verified, approver.operator, accepted)
        return _changed(self._vote(task, vote))

    def _happened(self, task: ApprovalTask, kind: ApprovalEventKind, voter: str | None = None) -> None:
        """Tell of a transition that this object has just made."""
        if self._tell is not None:
            self._tell(event_of(task, kind, voter))

    def _existing(self, tenant: str, task_id: str) -> ApprovalTask:
        task = self.get(tenant, task_id)
        if task is None:
            raise refusal("unknown_task")
        return task

    @abstractmethod
    def now(self) -> float:
        """Return the time by the queue's clock, which is also the one that conditions of approvers see."""

    @abstractmethod
    def advance(self, tenant: str) -> float | None:
        """Do what the passing of time asks for: tasks lapse, and second groups of approvers are asked.

        Returns in how many seconds there is more to do, None when nothing is open. Nothing depends on its
        being called: who looks at a task, votes on it or uses it finds it lapsed or opened all the same.
        Raises StoreUnavailable.
        """

    @abstractmethod
    def _create(self, parked: ParkedRequest, gone: str | None) -> tuple[str, str]:
        """Queue `parked` unless its fingerprint has a task (other than `gone`, which is known to be lost).

        Returns the outcome and the id of the task that now has the fingerprint.
        """

    @abstractmethod
    def _load(self, tenant: str, task_id: str) -> ApprovalTask | None:
        """Return the task, lapsed if that is due."""

    @abstractmethod
    def _page(
        self,
        tenant: str,
        status: ApprovalStatus | None,
        requester: str | None,
        limit: int,
        before: int | None,
    ) -> ApprovalPage:
        """Return part of the listing."""

    @abstractmethod
    def _open_of(self, tenant: str, requester: str) -> Iterable[ApprovalTask]:
        """Return the open tasks of a requester, and perhaps some that have just lapsed."""

    @abstractmethod
    def _vote(self, task: ApprovalTask, vote: Vote) -> Step:
        """Record the vote of an eligible person and what follows from it (`at` is filled in)."""

    @abstractmethod
    def _cancel(self, task: ApprovalTask) -> Step:
        """Cancel a pending task."""

    @abstractmethod
    def _escalate(self, task: ApprovalTask) -> Step:
        """Open the requirements of a pending task whose time has come to their second group."""

    @abstractmethod
    def _claim(self, tenant: str, requester: str, key: str, digest: str) -> tuple[str, str] | None:
        """Take a key unless it is taken; return the digest it is taken for and the task it led to (or "").

        None where the requester has used `MAX_CLAIMS` keys lately.
        """

    @abstractmethod
    def _keep_claim(self, tenant: str, requester: str, key: str, digest: str, task: ApprovalTask) -> None:
        """Note the task that a key led to."""

    @abstractmethod
    def _supersede(self, task: ApprovalTask) -> Step:
        """Withdraw an open task."""

    @abstractmethod
    def _consume(
        self, tenant: str, task_id: str, fingerprint: str, requester: str, nonce: str
    ) -> Consumption:
        """Use an approval once."""


def consumption_of(task: ApprovalTask) -> ConsumptionOutcome:
    """Return why a task that matches the request cannot be used (again)."""
    if task.consumed_at is not None:
        return ConsumptionOutcome.USED
    if task.superseded:
        return ConsumptionOutcome.SUPERSEDED
    return ConsumptionOutcome(task.status.value)


def _changed(step: Step) -> ApprovalTask:
    if step.task is None:
        raise refusal("unknown_task")
    if step.outcome == CLOSED:
        raise closed(step.task)
    if step.outcome != DONE:
        raise refusal(step.outcome)
    return step.task


def _checked_tenant(tenant: str) -> str:
    if not is_tenant_id(tenant):
        raise ContextError("tenant", "must be 1-128 characters of A-Za-z0-9._:@- that do not start with '_'")
    return tenant
