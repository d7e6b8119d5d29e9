"""Which queue belongs to which store, and how those who wait at it are woken."""

from __future__ import annotations

from functools import partial

from policy_middleware.approvals.events import ApprovalListener
from policy_middleware.approvals.memory import MemoryApprovals
from policy_middleware.approvals.queue import ApprovalLimits, ApprovalQueue
from policy_middleware.approvals.redis import RedisApprovals
from policy_middleware.approvals.redis_feed import RedisFeed
from policy_middleware.approvals.watching import ApprovalHub
from policy_middleware.stores.protocol import Store
from policy_middleware.stores.redis_store import RedisStore


def open_approvals(
    store: Store,
    limits: ApprovalLimits | None = None,
    *,
    tell: ApprovalListener | None = None,
    require_replica_ack: bool = False,
) -> ApprovalQueue:
    """Return the queue of a store: on the same server when there is one, else in this process's memory.

    `tell` is called, and must not block, with every transition that this queue object makes.
    """
    if isinstance(store, RedisStore):
        return RedisApprovals(
            store.client, store.keys, limits, tell=tell, require_replica_ack=require_replica_ack
        )
    return MemoryApprovals(limits, tell=tell)


def open_hub(store: Store) -> ApprovalHub:
    """Return what wakes the waiting clients of this process; it hears of other processes through a server."""
    if isinstance(store, RedisStore):
        return ApprovalHub(partial(RedisFeed, store.client, store.keys))
    return ApprovalHub()
