"""What happened before: sliding windows that conditions can ask and limits reserve in."""

from policy_middleware.counters.complaints import Complaints
from policy_middleware.counters.holding import (
    COUNTERS_RESET,
    HeldCount,
    NoSuchCount,
    clear_counts,
    held_counts,
)
from policy_middleware.counters.memory import MemoryCounters
from policy_middleware.counters.opening import open_counters
from policy_middleware.counters.protocol import Counters
from policy_middleware.counters.redis import RedisCounters
from policy_middleware.counters.settling import Counted, CountedDecision, with_facts

__all__ = [
    "COUNTERS_RESET",
    "Complaints",
    "CountedDecision",
    "Counters",
    "HeldCount",
    "MemoryCounters",
    "NoSuchCount",
    "RedisCounters",
    "Counted",
    "clear_counts",
    "held_counts",
    "open_counters",
    "with_facts",
]
