"""Counters in Redis or Valkey: one sorted set of entries by time for each combination of values."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

import redis

from policy_middleware.evaluation.counting import Entry, Premise, Question
from policy_middleware.model.errors import StoreUnavailable
from policy_middleware.stores.connection import REDIS_ERRORS, explain
from policy_middleware.stores.keys import KeyLayout

_CLOCK: Final = r"""
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]

-- What is exactly a window old is out of it.
local function since(window) return '(' .. string.format('%.0f', now - window * 1000) end
"""

READ: Final = (
    _CLOCK
    + r"""
local counts = {}
for n = 1, #KEYS do counts[n] = redis.call('ZCOUNT', KEYS[n], since(ARGV[n]), '+inf') end
return counts
"""
)
"""KEYS: the counters asked. ARGV: for each the window in ms."""

WRITE: Final = (
    _CLOCK
    + r"""
local id, written = ARGV[1], tonumber(ARGV[2])

local missing = false
for n = 1, written do
  if not redis.call('ZSCORE', KEYS[n], id) then missing = true end
end
if not missing then return {1} end  -- sent a second time by a client that saw no answer

local answer, at = {1}, 3 + 2 * written
for n = written + 1, #KEYS do
  local count = redis.call('ZCOUNT', KEYS[n], since(ARGV[at]), '+inf')
  if count < tonumber(ARGV[at + 1]) or count > tonumber(ARGV[at + 2]) then answer[1] = 0 end
  answer[#answer + 1] = count
  at = at + 3
end
if answer[1] == 0 then return answer end

for n = 1, written do
  local key, window, cap = KEYS[n], ARGV[1 + 2 * n], tonumber(ARGV[2 + 2 * n])
  redis.call('ZADD', key, 'NX', string.format('%.0f', now), id)
  redis.call('ZREMRANGEBYSCORE', key, '-inf', string.format('%.0f', now - window * 1000))
  local surplus = redis.call('ZCARD', key) - cap
  if surplus > 0 then redis.call('ZREMRANGEBYRANK', key, 0, surplus - 1) end
  redis.call('PEXPIRE', key, window)
end
return {1}
"""
)
"""KEYS: the counters written, then those asked. ARGV: the entry's id, how many are written; for each of these
the window in ms and the cap; for each one asked the window in ms, the least and the most that it may find.

Answers {1} when the entry is in, else {0, what each one asked finds now}. The first write is one that a full
server refuses, so that running out of memory leaves nothing half done.
"""


class RedisCounters:
    """Counters shared by every process of a service; the clock is the server's."""

    def __init__(self, client: redis.Redis, keys: KeyLayout) -> None:
        self._client = client
        self._keys = keys
        self._read_script = client.register_script(READ)
        self._write_script = client.register_script(WRITE)

    def read(self, tenant: str, questions: Sequence[Question]) -> list[int]:
        """Return how many entries each question finds; see `Counters.read`."""
        with _counter_errors():
            counts: Any = self._read_script(
                keys=[self._keys.count(tenant, one.counter) for one in questions],
                args=[_milliseconds(one.within) for one in questions],
            )
        return list(counts)

    def write(
        self, tenant: str, entry_id: str, entries: Sequence[Entry], premises: Sequence[Premise] = ()
    ) -> list[int] | None:
        """Add one entry to every counter, provided that all premises still hold; see `Counters.write`."""
        if not entries:
            raise ValueError("there is no counter to write to")
        written = [self._keys.count(tenant, one.counter) for one in entries]
        asked = [self._keys.count(tenant, one.question.counter) for one in premises]
        arguments: list[str | int] = [entry_id, len(entries)]
        for entry in entries:
            arguments += (_milliseconds(entry.within), entry.cap)
        for premise in premises:
            arguments += (_milliseconds(premise.question.within), premise.low, premise.high)
        with _counter_errors():
            done, *found = self._write_script(keys=[*written, *asked], args=arguments)
        return None if done else found

    def withdraw(self, tenant: str, entry_id: str, entries: Sequence[Entry]) -> None:
        """Take an entry back; see `Counters.withdraw`."""
        with _counter_errors(), self._client.pipeline(transaction=False) as pipeline:
            for entry in entries:
                pipeline.zrem(self._keys.count(tenant, entry.counter), entry_id)
            pipeline.execute()

    def clear(self, tenant: str, counters: Sequence[str]) -> None:
        """Forget every entry of some counters; see `Counters.clear`."""
        # Not DEL: who may use counters has no right to delete keys.
        with _counter_errors(), self._client.pipeline(transaction=True) as pipeline:
            for counter in counters:
                pipeline.zremrangebyscore(self._keys.count(tenant, counter), "-inf", "+inf")
            pipeline.execute()


@contextmanager
def _counter_errors() -> Iterator[None]:
    try:
        yield
    except REDIS_ERRORS as error:
        raise StoreUnavailable(f"counters: {explain(error)}") from error


def _milliseconds(seconds: float) -> int:
    return max(1, round(seconds * 1000))
