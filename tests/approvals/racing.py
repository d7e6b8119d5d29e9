"""Attempts that meet: several processes with several threads each, all let go at once."""

from __future__ import annotations

import multiprocessing
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import contextmanager
from multiprocessing.synchronize import Barrier

import redis

from policy_middleware.approvals import ApprovalQueue, RedisApprovals
from policy_middleware.stores.keys import KeyLayout

PROCESSES = 4
Attempt = Callable[[ApprovalQueue, str, int], str]
"""Takes the queue, the id of a task and the number of the attempt; returns what came of it in a word."""

_start: Barrier | None = None


@contextmanager
def processes() -> Iterator[ProcessPoolExecutor]:
    """Start processes that race whenever each has been given something to do."""
    # Spawned, as servers do: a fork would inherit the threads and connections of the tests.
    context = multiprocessing.get_context("spawn")
    start = context.Barrier(PROCESSES)
    with ProcessPoolExecutor(PROCESSES, context, initializer=_remember, initargs=(start,)) as pool:
        yield pool


def race(
    pool: ProcessPoolExecutor, url: str, prefix: str, attempt: Attempt, task_id: str, attempts: int
) -> list[str]:
    """Make `attempts` attempts at once from all processes and return what came of each."""
    share = attempts // PROCESSES
    jobs = [
        pool.submit(_run_share, url, prefix, attempt, task_id, range(rank * share, (rank + 1) * share))
        for rank in range(PROCESSES)
    ]
    return [outcome for job in jobs for outcome in job.result(timeout=60)]


def race_threads(queue: ApprovalQueue, attempt: Attempt, task_id: str, attempts: int) -> list[str]:
    """Make `attempts` attempts at once from as many threads of this process."""
    return _run_threads(queue, attempt, task_id, range(attempts), threading.Barrier(attempts))


def _remember(start: Barrier) -> None:
    global _start
    _start = start


def _run_share(url: str, prefix: str, attempt: Attempt, task_id: str, numbers: range) -> list[str]:
    with redis.Redis.from_url(url, protocol=2, socket_timeout=30) as client:
        queue = RedisApprovals(client, KeyLayout(prefix))
        assert _start is not None
        _start.wait(60)
        return _run_threads(queue, attempt, task_id, numbers, threading.Barrier(len(numbers)))


def _run_threads(
    queue: ApprovalQueue, attempt: Attempt, task_id: str, numbers: range, start: threading.Barrier
) -> list[str]:
    def run(number: int) -> str:
        start.wait(60)
        return attempt(queue, task_id, number)

    with ThreadPoolExecutor(len(numbers)) as threads:
        return list(threads.map(run, numbers))
