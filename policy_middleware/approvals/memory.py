"""The queue in the memory of one process: for tests, demonstrations and single-process services."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from itertools import islice

from policy_middleware.approvals.checked_queue import (
    CLOSED,
    DONE,
    EXISTS,
    KEEP_CLAIM,
    MAX_CLAIMS,
    CheckedQueue,
    Step,
    consumption_of,
)
from policy_middleware.approvals.events import ApprovalEventKind, ApprovalListener
from policy_middleware.approvals.persons import same_person
from policy_middleware.approvals.queue import ApprovalLimits
from policy_middleware.approvals.task import (
    ApprovalPage,
    ApprovalStatus,
    ApprovalTask,
    Consumption,
    ConsumptionOutcome,
    ParkedRequest,
    Verdict,
    Vote,
)

_Claims = dict[str, dict[str, tuple[float, str, str]]]
"""By requester and idempotency key: until when, the digest, the task."""


@dataclass(slots=True)
class _TenantQueue:
    tasks: dict[str, ApprovalTask] = field(default_factory=dict)
    """By id, oldest first."""
    open_by_fingerprint: dict[str, str] = field(default_factory=dict)
    claims: _Claims = field(default_factory=dict)
    nonces: dict[str, str] = field(default_factory=dict)
    """Which attempt used an approval."""
    last_position: int = 0


class MemoryApprovals(CheckedQueue):
    """An ApprovalQueue that lives and dies with the process; safe to use from any thread."""

    def __init__(
        self,
        limits: ApprovalLimits | None = None,
        *,
        clock: Callable[[], float] = time.time,
        tell: ApprovalListener | None = None,
    ) -> None:
        super().__init__(tell)
        self._limits = limits or ApprovalLimits()
        self._clock = clock
        self._lock = threading.RLock()  # who is told of a transition may look at the queue
        self._tenants: dict[str, _TenantQueue] = {}

    def now(self) -> float:
        """Return the time by the clock that was given."""
        return self._clock()

    def _create(self, parked: ParkedRequest, gone: str | None) -> tuple[str, str]:
        with self._lock:
            now = self._clock()
            queue = self._tenants.setdefault(parked.tenant, _TenantQueue())
            self._lapse_all(queue, now)
            self._forget_ended(queue, now)
            holder = queue.open_by_fingerprint.get(parked.fingerprint)
            if holder is not None:
                return EXISTS, holder
            waiting = [queue.tasks[task_id] for task_id in queue.open_by_fingerprint.values()]
            if sum(task.requester == parked.requester for task in waiting) >= self._limits.open_per_requester:
                return "too_many_pending", parked.id
            if len(waiting) >= self._limits.open_per_tenant:
                return "queue_full", parked.id
            queue.last_position = max(int(now * 1000), queue.last_position + 1)
            queue.tasks[parked.id] = ApprovalTask(
                **{name: getattr(parked, name) for name in ParkedRequest.__dataclass_fields__},
                status=ApprovalStatus.PENDING,
                position=queue.last_position,
                received=(0,) * len(parked.requirements),
                escalated=(None,) * len(parked.requirements),
                created_at=now,
                expires_at=now + parked.expires_in,
            )
            queue.open_by_fingerprint[parked.fingerprint] = parked.id
            self._happened(queue.tasks[parked.id], ApprovalEventKind.REQUESTED)
            return DONE, parked.id

    def _load(self, tenant: str, task_id: str) -> ApprovalTask | None:
        with self._lock:
            return self._settled(tenant, task_id)

    def _page(
        self,
        tenant: str,
        status: ApprovalStatus | None,
        requester: str | None,
        limit: int,
        before: int | None,
    ) -> ApprovalPage:
        with self._lock:
            queue = self._tenants.get(tenant, _TenantQueue())
            self._lapse_all(queue, self._clock())
            newest_first = reversed(tuple(queue.tasks.values()))
        found = [
            task
            for task in newest_first
            if (before is None or task.position < before)
            and (status is None or task.status is status)
            and (requester is None or task.requester == requester)
        ]
        return ApprovalPage(tuple(found[:limit]), found[limit - 1].position if len(found) > limit else None)

    def _open_of(self, tenant: str, requester: str) -> tuple[ApprovalTask, ...]:
        with self._lock:
            queue = self._tenants.get(tenant, _TenantQueue())
            self._lapse_all(queue, self._clock())
            tasks = [queue.tasks[task_id] for task_id in queue.open_by_fingerprint.values()]
        return tuple(task for task in tasks if task.requester == requester)

    def _vote(self, task: ApprovalTask, vote: Vote) -> Step:
        with self._lock:
            current = self._settled(task.tenant, task.id)
            if current is None or current.status is not ApprovalStatus.PENDING:
                return Step(CLOSED, current)
            if any(same_person(cast.approver, vote.approver) for cast in current.votes):
                return Step("already_voted", current)
            now = self._clock()
            if vote.verdict is Verdict.DENY:
                vote = replace(vote, at=now, counts_for=())
                votes = (*current.votes, vote)
                denied = replace(current, votes=votes)
                return self._end(
                    denied, ApprovalEventKind.DENIED, vote.approver, status=ApprovalStatus.DENIED
                )
            counted = tuple(index for index in vote.counts_for if not current.progress[index].satisfied)
            if not counted:
                return Step("not_eligible", current)
            voted = replace(
                current,
                votes=(*current.votes, replace(vote, at=now, counts_for=counted)),
                received=tuple(count + (index in counted) for index, count in enumerate(current.received)),
            )
            if all(part.satisfied for part in voted.progress):
                voted = replace(
                    voted,
                    status=ApprovalStatus.APPROVED,
                    approved_at=now,
                    approved_until=now + voted.use_within,
                )
            step = self._put(voted)
            self._happened(voted, ApprovalEventKind.VOTED, vote.approver)
            if voted.status is ApprovalStatus.APPROVED:
                self._happened(voted, ApprovalEventKind.APPROVED, vote.approver)
            return step

    def _escalate(self, task: ApprovalTask) -> Step:
        with self._lock:
            current = self._settled(task.tenant, task.id)
            if current is None or current.status is not ApprovalStatus.PENDING:
                return Step(CLOSED, current)
            now = self._clock()
            opened = tuple(
                now
                if since is None
                and part.approval.escalation is not None
                and current.created_at + part.approval.escalation.after <= now
                else since
                for part, since in zip(current.requirements, current.escalated, strict=True)
            )
            if opened == current.escalated:
                return Step(DONE, current)
            step = self._put(replace(current, escalated=opened))
            if step.task is not None:
                self._happened(step.task, ApprovalEventKind.ESCALATED)
            return step

    def advance(self, tenant: str) -> float | None:
        """End what has lapsed and open what waited long enough to its second group (see CheckedQueue)."""
        with self._lock:
            queue = self._tenants.get(tenant)
            if queue is None:
                return None
            now = self._clock()
            self._lapse_all(queue, now)
            moments: list[float] = []
            for task_id in tuple(queue.open_by_fingerprint.values()):
                task = self._escalate(queue.tasks[task_id]).task or queue.tasks[task_id]
                second = task.next_escalation if task.status is ApprovalStatus.PENDING else None
                moments.append(task.deadline if second is None else min(second, task.deadline))
            return max(0.0, min(moments) - now) if moments else None

    def count_open(self, tenant: str) -> int:
        """Return how many tasks are pending, or approved and not used."""
        with self._lock:
            queue = self._tenants.get(tenant, _TenantQueue())
            self._lapse_all(queue, self._clock())
            return len(queue.open_by_fingerprint)

    def _cancel(self, task: ApprovalTask) -> Step:
        with self._lock:
            current = self._settled(task.tenant, task.id)
            if current is None or current.status is not ApprovalStatus.PENDING:
                return Step(CLOSED, current)
            return self._end(current, ApprovalEventKind.CANCELLED, status=ApprovalStatus.CANCELLED)

    def _claim(self, tenant: str, requester: str, key: str, digest: str) -> tuple[str, str] | None:
        with self._lock:
            now = self._clock()
            claims = self._tenants.setdefault(tenant, _TenantQueue()).claims
            own = claims.setdefault(requester, {})
            if key not in own or own[key][0] <= now:
                self._forget_claims(claims, requester, now)
                own = claims.setdefault(requester, {})
                if len(own) >= MAX_CLAIMS:
                    return None
                own[key] = (now + KEEP_CLAIM, digest, "")
            _, claimed, task_id = own[key]
            return claimed, task_id

    def _forget_claims(self, claims: _Claims, requester: str, now: float) -> None:
        """Drop what has lapsed of this requester, and whoever has nothing left of a few others."""
        for other in (requester, *islice(claims, 2)):
            claims[other] = {key: claim for key, claim in claims.pop(other, {}).items() if claim[0] > now}
            if not claims[other]:
                del claims[other]

    def _keep_claim(self, tenant: str, requester: str, key: str, digest: str, task: ApprovalTask) -> None:
        with self._lock:
            until = task.deadline + KEEP_CLAIM
            claims = self._tenants[tenant].claims
            claims.setdefault(requester, {})[key] = (until, digest, task.id)

    def _supersede(self, task: ApprovalTask) -> Step:
        with self._lock:
            current = self._settled(task.tenant, task.id)
            if current is None or not current.is_open:
                return Step(CLOSED, current)
            return self._end(
                current, ApprovalEventKind.SUPERSEDED, status=ApprovalStatus.CANCELLED, superseded=True
            )

    def _consume(
        self, tenant: str, task_id: str, fingerprint: str, requester: str, nonce: str
    ) -> Consumption:
        with self._lock:
            current = self._settled(tenant, task_id)
            if current is None:
                return Consumption(ConsumptionOutcome.MISSING)
            if (current.fingerprint, current.requester) != (fingerprint, requester):
                return Consumption(ConsumptionOutcome.MISMATCH)
            nonces = self._tenants[tenant].nonces
            if nonces.get(task_id) == nonce:
                return Consumption(ConsumptionOutcome.OK, current)
            if current.status is not ApprovalStatus.APPROVED or current.consumed_at is not None:
                return Consumption(consumption_of(current), current)
            nonces[task_id] = nonce
            step = self._end(current, ApprovalEventKind.CONSUMED, consumed_at=self._clock())
            return Consumption(ConsumptionOutcome.OK, step.task)

    def _settled(self, tenant: str, task_id: str) -> ApprovalTask | None:
        queue = self._tenants.get(tenant)
        task = queue.tasks.get(task_id) if queue is not None else None
        if task is not None and task.is_open and task.deadline <= self._clock():
            return self._end(task, ApprovalEventKind.EXPIRED, status=ApprovalStatus.EXPIRED).task
        return task

    def _lapse_all(self, queue: _TenantQueue, now: float) -> None:
        for task_id in tuple(queue.open_by_fingerprint.values()):
            task = queue.tasks[task_id]
            if task.deadline <= now:
                self._end(task, ApprovalEventKind.EXPIRED, status=ApprovalStatus.EXPIRED)

    def _forget_ended(self, queue: _TenantQueue, now: float) -> None:
        ended = sorted((task.ended_at, task.id) for task in queue.tasks.values() if task.ended_at is not None)
        surplus = len(ended) - self._limits.ended_per_tenant
        for rank, (ended_at, task_id) in enumerate(ended):
            if rank >= surplus and ended_at + self._limits.keep_ended > now:
                break
            del queue.tasks[task_id]
            queue.nonces.pop(task_id, None)

    def _end(
        self, task: ApprovalTask, kind: ApprovalEventKind, voter: str | None = None, **changes: object
    ) -> Step:
        self._tenants[task.tenant].open_by_fingerprint.pop(task.fingerprint, None)
        ended = replace(task, ended_at=self._clock(), **changes)  # type: ignore[arg-type]
        self._put(ended)
        self._happened(ended, kind, voter)
        return Step(DONE, ended)

    def _put(self, task: ApprovalTask) -> Step:
        self._tenants[task.tenant].tasks[task.id] = task
        return Step(DONE, task)
