"""Which counters belong to which store."""

from __future__ import annotations

from policy_middleware.counters.memory import MemoryCounters
from policy_middleware.counters.protocol import Counters
from policy_middleware.counters.redis import RedisCounters
from policy_middleware.stores.memory import MemoryStore
from policy_middleware.stores.protocol import Store
from policy_middleware.stores.redis_store import RedisStore


def open_counters(store: Store) -> Counters:
    """Return the counters of a store: on the same server when there is one, else in this process's memory."""
    if isinstance(store, RedisStore):
        return RedisCounters(store.client, store.keys)
    return MemoryCounters(told=isinstance(store, MemoryStore))
