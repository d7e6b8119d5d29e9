"""The queue in Redis or Valkey, shared by every process of a service."""

from __future__ import annotations

import hashlib
import secrets
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import chain
from typing import Any, Final, NoReturn

import redis

from policy_middleware.approvals import scripts
from policy_middleware.approvals.checked_queue import (
    CLOSED,
    KEEP_CLAIM,
    MAX_CLAIMS,
    CheckedQueue,
    Step,
    consumption_of,
)
from policy_middleware.approvals.events import ApprovalEventKind, ApprovalListener
from policy_middleware.approvals.persons import spelling_of
from policy_middleware.approvals.queue import ApprovalLimits
from policy_middleware.approvals.stored_task import request_to_json, task_from_hash, vote_to_json
from policy_middleware.approvals.task import (
    ApprovalPage,
    ApprovalStatus,
    ApprovalTask,
    Consumption,
    ConsumptionOutcome,
    ParkedRequest,
    Vote,
)
from policy_middleware.model.decision import ApprovalRequirement
from policy_middleware.model.errors import StoreUnavailable
from policy_middleware.stores.connection import REDIS_ERRORS, explain
from policy_middleware.stores.keys import KeyLayout

_READ_AT_ONCE = 100
REPLICA_ACK_MS: Final = 200
"""How long a consumption waits for a replica; below the client's own timeout of 250 ms."""


class RedisApprovals(CheckedQueue):
    """An ApprovalQueue whose transitions are Lua scripts; `client` must answer in bytes."""

    def __init__(
        self,
        client: redis.Redis,
        keys: KeyLayout,
        limits: ApprovalLimits | None = None,
        *,
        tell: ApprovalListener | None = None,
        require_replica_ack: bool = False,
    ) -> None:
        super().__init__(tell)
        self._client = client
        self._keys = keys
        self._limits = limits or ApprovalLimits()
        self._require_replica_ack = require_replica_ack
        self._ahead = 0.0
        self._create_script = client.register_script(scripts.CREATE)
        self._vote_script = client.register_script(scripts.VOTE)
        self._close_script = client.register_script(scripts.CLOSE)
        self._consume_script = client.register_script(scripts.CONSUME)
        self._release_script = client.register_script(scripts.RELEASE)
        self._settle_script = client.register_script(scripts.SETTLE)
        self._escalate_script = client.register_script(scripts.ESCALATE)
        self._due_script = client.register_script(scripts.DUE)
        self._claim_script = client.register_script(scripts.CLAIM)
        self._look_script = client.register_script(scripts.LOOK)

    def now(self) -> float:
        """Return the server's time, by what its clock was ahead of this machine's at the last look."""
        return time.time() + self._ahead

    def _create(self, parked: ParkedRequest, gone: str | None) -> tuple[str, str]:
        limits = self._limits
        arguments: tuple[str | bytes | int, ...] = (
            parked.id,
            self._keep_ms,
            gone or "",
            limits.open_per_tenant,
            limits.open_per_requester,
            limits.ended_per_tenant,
            parked.fingerprint,
            parked.requester,
            request_to_json(parked),
            _milliseconds(parked.expires_in),
            _milliseconds(parked.use_within),
            *chain.from_iterable(map(_counts_of, parked.requirements)),
        )
        keys = self._keys_of(parked.tenant, parked.id, parked.requester, parked.fingerprint)
        with _queue_errors():
            outcome, holder, forgettable, lapsed, transitions = self._create_script(keys=keys, args=arguments)
            if forgettable:
                self._forget(parked.tenant, forgettable)
        for task_id in lapsed:
            self._settle(parked.tenant, task_id.decode())
        if transitions:
            self._tell_of(self._load(parked.tenant, parked.id), transitions)
        return outcome.decode(), holder.decode()

    def _load(self, tenant: str, task_id: str) -> ApprovalTask | None:
        [task] = self._load_all(tenant, [task_id])
        return task

    def _page(
        self,
        tenant: str,
        status: ApprovalStatus | None,
        requester: str | None,
        limit: int,
        before: int | None,
    ) -> ApprovalPage:
        found: list[ApprovalTask] = []
        for task in self._newest_first(tenant, status, before):
            if (status is None or task.status is status) and (
                requester is None or task.requester == requester
            ):
                if len(found) == limit:
                    return ApprovalPage(tuple(found), found[-1].position)
                found.append(task)
        return ApprovalPage(tuple(found))

    def _open_of(self, tenant: str, requester: str) -> Iterator[ApprovalTask]:
        with _queue_errors():
            own = self._keys.approval(tenant, "open-of", _digest(requester))
            waiting: Any = self._client.zrange(own, 0, -1)
        return self._load_existing(tenant, waiting)

    def _vote(self, task: ApprovalTask, vote: Vote) -> Step:
        eligible = (index + 1 for index in vote.counts_for)  # Lua counts from one
        arguments: tuple[str | bytes | int, ...] = (
            vote.approver,
            vote.verdict,
            _nonce(),
            vote_to_json(vote),
            spelling_of(vote.approver),
            *eligible,
        )
        return self._transition(self._vote_script, task, *arguments, voter=vote.approver)

    def _cancel(self, task: ApprovalTask) -> Step:
        return self._transition(self._close_script, task, "cancel", _nonce())

    def _claim(self, tenant: str, requester: str, key: str, digest: str) -> tuple[str, str] | None:
        keys = [
            self._claim_key(tenant, requester, key),
            self._keys.approval(tenant, "claims-of", _digest(requester)),
        ]
        with _queue_errors():
            held = self._claim_script(keys=keys, args=(digest, _milliseconds(KEEP_CLAIM), MAX_CLAIMS))
        if held is None:
            return None
        claimed, _, task_id = held.decode().partition(" ")
        return claimed, task_id

    def _keep_claim(self, tenant: str, requester: str, key: str, digest: str, task: ApprovalTask) -> None:
        lasts = _milliseconds(task.deadline - task.created_at + KEEP_CLAIM)
        with _queue_errors():
            self._client.set(self._claim_key(tenant, requester, key), f"{digest} {task.id}", px=lasts)

    def _claim_key(self, tenant: str, requester: str, key: str) -> str:
        parts = (str(len(requester)), requester, key)
        return self._keys.approval(tenant, "claim", _digest("\0".join(parts)))

    def _supersede(self, task: ApprovalTask) -> Step:
        return self._transition(self._close_script, task, "supersede", _nonce())

    def _consume(
        self, tenant: str, task_id: str, fingerprint: str, requester: str, nonce: str
    ) -> Consumption:
        keys = self._keys_of(tenant, task_id, requester, fingerprint)
        arguments = (task_id, self._keep_ms, fingerprint, requester, nonce)
        with _queue_errors():
            if self._require_replica_ack:
                (outcome, stored, transitions), acknowledged = self._with_ack(keys, arguments)
            else:
                outcome, stored, transitions = self._consume_script(keys=keys, args=arguments)
                acknowledged = True
        if outcome in (b"missing", b"mismatch"):
            return Consumption(ConsumptionOutcome(outcome.decode()))
        task = _task(tenant, task_id, stored)
        if task is None:
            return Consumption(ConsumptionOutcome.MISSING)
        if outcome == b"ok" and not acknowledged:
            self._give_back(task, nonce)
        self._tell_of(task, transitions)
        return Consumption(ConsumptionOutcome.OK if outcome == b"ok" else consumption_of(task), task)

    def _with_ack(self, keys: list[str], arguments: tuple[str | int, ...]) -> tuple[Any, bool]:
        """Consume and wait for a replica on the same connection: WAIT covers what this one has written."""
        pipeline = self._client.pipeline(transaction=False)
        self._consume_script(keys=keys, args=arguments, client=pipeline)
        pipeline.wait(1, REPLICA_ACK_MS)
        answer, replicas = pipeline.execute()
        return answer, replicas >= 1

    def _give_back(self, task: ApprovalTask, nonce: str) -> NoReturn:
        """Undo a consumption that may be lost in a failover, and refuse; its handler has not run."""
        reason = f"no replica confirmed the use of approval {task.id} within {REPLICA_ACK_MS} ms"
        try:
            self._transition(self._release_script, task, nonce)
        except StoreUnavailable as error:
            raise StoreUnavailable(
                f"approval queue: {reason}, and it could not be undone: {error}"
            ) from error
        raise StoreUnavailable(f"approval queue: {reason}; it can still be used")

    def _escalate(self, task: ApprovalTask) -> Step:
        return self._transition(self._escalate_script, task, _nonce())

    def advance(self, tenant: str) -> float | None:
        """End what has lapsed and open what waited long enough to its second group (see CheckedQueue)."""
        keys = [self._keys.approval(tenant, "open"), self._keys.approval(tenant, "escalations")]
        with _queue_errors():
            lapsed, waiting, soonest = self._due_script(keys=keys)
        for task_id in lapsed:
            self._settle(tenant, task_id.decode())
        for task_id in waiting:
            task = self._load(tenant, task_id.decode())
            if task is not None:
                self._escalate(task)
            else:
                with _queue_errors():
                    self._client.zrem(keys[1], task_id)
        if len(lapsed) == 100 or len(waiting) == 100:
            return 0.0
        return None if soonest < 0 else soonest / 1000

    def count_open(self, tenant: str) -> int:
        """Return how many tasks are pending, or approved and not used; some may just have lapsed."""
        with _queue_errors():
            count: Any = self._client.zcard(self._keys.approval(tenant, "open"))
        return int(count)

    def _settle(self, tenant: str, task_id: str) -> None:
        """Let a task lapse if that is due; an id whose task is gone leaves the indexes."""
        with _queue_errors():
            stored: Any = self._client.hmget(self._task_key(tenant, task_id), "requester", "fingerprint")
            requester, fingerprint = (b"" if value is None else value for value in stored)
            keys = self._keys_of(tenant, task_id, requester.decode(), fingerprint.decode())
            _, after, transitions = self._settle_script(keys=keys, args=(task_id, self._keep_ms, _nonce()))
        self._tell_of(_task(tenant, task_id, after), transitions)

    def _tell_of(
        self, task: ApprovalTask | None, transitions: Sequence[bytes], voter: str | None = None
    ) -> None:
        if task is not None:
            for kind in transitions:
                self._happened(task, ApprovalEventKind(kind.decode()), voter)

    def _forget(self, tenant: str, ended: Sequence[bytes]) -> None:
        """Remove ended tasks, and only then their ids: whoever is interrupted leaves them to the next."""
        pipeline = self._client.pipeline(transaction=False)
        pipeline.unlink(*(self._task_key(tenant, task_id.decode()) for task_id in ended))
        pipeline.zrem(self._keys.approval(tenant, "all"), *ended)
        pipeline.zrem(self._keys.approval(tenant, "ended"), *ended)
        pipeline.execute()

    def _newest_first(
        self, tenant: str, status: ApprovalStatus | None, before: int | None
    ) -> Iterator[ApprovalTask]:
        """Yield the tasks below the cursor; who looks for pending ones is not led through all ended ones."""
        if status is ApprovalStatus.PENDING:
            with _queue_errors():
                waiting: Any = self._client.zrange(self._keys.approval(tenant, "open"), 0, -1)
            tasks = sorted(self._load_existing(tenant, waiting), key=lambda task: task.position, reverse=True)
            yield from (task for task in tasks if before is None or task.position < before)
            return
        below = "+inf" if before is None else f"({before}"
        while True:
            with _queue_errors():
                rows: Any = self._client.zrevrangebyscore(
                    self._keys.approval(tenant, "all"), below, "-inf", 0, _READ_AT_ONCE, withscores=True
                )
            yield from self._load_existing(tenant, [task_id for task_id, _ in rows])
            if len(rows) < _READ_AT_ONCE:
                return
            below = f"({int(rows[-1][1])}"

    def _load_existing(self, tenant: str, task_ids: Sequence[bytes]) -> Iterator[ApprovalTask]:
        for start in range(0, len(task_ids), _READ_AT_ONCE):
            part = [task_id.decode() for task_id in task_ids[start : start + _READ_AT_ONCE]]
            yield from (task for task in self._load_all(tenant, part) if task is not None)

    def _load_all(self, tenant: str, task_ids: Sequence[str]) -> list[ApprovalTask | None]:
        if not task_ids:
            return []
        with _queue_errors():
            now, hashes = self._look_script(keys=[self._task_key(tenant, task_id) for task_id in task_ids])
        self._ahead = now / 1000 - time.time()
        return [
            self._settled(_task(tenant, task_id, stored), now / 1000)
            for task_id, stored in zip(task_ids, hashes, strict=True)
        ]

    def _settled(self, task: ApprovalTask | None, now: float) -> ApprovalTask | None:
        """Record that a task has lapsed when somebody sees it: what was once expired stays expired."""
        if task is None or not task.is_open or task.deadline > now:
            return task
        return self._transition(self._settle_script, task, _nonce()).task

    def _transition(
        self, script: Any, task: ApprovalTask, *arguments: str | bytes | int, voter: str | None = None
    ) -> Step:
        keys = self._keys_of(task.tenant, task.id, task.requester, task.fingerprint)
        with _queue_errors():
            outcome, stored, transitions = script(keys=keys, args=(task.id, self._keep_ms, *arguments))
        after = _task(task.tenant, task.id, stored)
        self._tell_of(after, transitions, voter)
        return Step(CLOSED if after is None else outcome.decode(), after)

    @property
    def _keep_ms(self) -> int:
        return _milliseconds(self._limits.keep_ended)

    def _task_key(self, tenant: str, task_id: str) -> str:
        return self._keys.approval(tenant, "task", task_id)

    def _keys_of(self, tenant: str, task_id: str, requester: str, fingerprint: str) -> list[str]:
        """Return the keys in the order in which scripts.py numbers them."""
        person = _digest(requester)
        return [
            self._task_key(tenant, task_id),
            self._keys.approval(tenant, "open"),
            self._keys.approval(tenant, "ended"),
            self._keys.approval(tenant, "all"),
            self._keys.approval(tenant, "open-of", person),
            self._keys.approval(tenant, "request", fingerprint),
            self._keys.approval(tenant, "escalations"),
        ]


def _counts_of(requirement: ApprovalRequirement) -> tuple[int, int]:
    """Return how many have to agree, and after how many ms the second group may (0: there is none)."""
    second = requirement.approval.escalation
    return requirement.approval.required, 0 if second is None else _milliseconds(second.after)


def _task(tenant: str, task_id: str, flat: Sequence[bytes]) -> ApprovalTask | None:
    if not flat:
        return None
    stored: Mapping[bytes, bytes] = dict(zip(flat[::2], flat[1::2], strict=True))
    try:
        return task_from_hash(tenant, task_id, stored)
    except (ValueError, KeyError) as error:
        raise StoreUnavailable(
            f"approval {task_id} of tenant {tenant} holds something this version cannot read: {error}"
        ) from error


@contextmanager
def _queue_errors() -> Iterator[None]:
    try:
        yield
    except REDIS_ERRORS as error:
        raise StoreUnavailable(f"approval queue: {explain(error)}") from error


def _digest(text: str) -> str:
    """Return what stands for a text in keys: ids of people may be long and hold anything."""
    return hashlib.sha256(text.encode()).hexdigest()


def _nonce() -> str:
    """Return a name for one attempt, so that the client may send it twice."""
    return secrets.token_hex(8)


def _milliseconds(seconds: float) -> int:
    return max(1, round(seconds * 1000))
