"""Which queue belongs to which store."""

from __future__ import annotations

from policy_middleware.approvals.memory import MemoryApprovals
from policy_middleware.approvals.queue import ApprovalLimits, ApprovalQueue
from policy_middleware.approvals.redis import RedisApprovals
from policy_middleware.stores.protocol import Store
from policy_middleware.stores.redis_store import RedisStore


def open_approvals(store: Store, limits: ApprovalLimits | None = None) -> ApprovalQueue:
    """Return the queue of a store: on the same server when there is one, else in this process's memory."""
    if isinstance(store, RedisStore):
        return RedisApprovals(store.client, store.keys, limits)
    return MemoryApprovals(limits)
