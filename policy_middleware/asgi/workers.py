"""Run what may block in worker threads of our own, so that a slow store cannot starve the application's."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager
from functools import cache
from typing import TYPE_CHECKING, Final, TypeVar

if TYPE_CHECKING:
    import anyio
    import anyio.lowlevel

Result = TypeVar("Result")

WORKER_THREADS: Final = 40
"""As many as AnyIO gives an application by default; ours are counted apart from those."""


async def run_in_worker(work: Callable[[], Result]) -> Result:
    """Run `work` in a worker thread with the caller's context variables; never cancelled half-way."""
    limiter_of_this_loop = _anyio_limiter()
    if limiter_of_this_loop is None:
        context = contextvars.copy_context()
        return await asyncio.get_running_loop().run_in_executor(_threads(), context.run, work)
    from anyio.to_thread import run_sync

    return await run_sync(work, limiter=limiter_of_this_loop())


def new_lock() -> AbstractAsyncContextManager[object]:
    """Return a lock for the tasks of the event loop that runs."""
    if _anyio_limiter() is None:
        return asyncio.Lock()
    import anyio

    return anyio.Lock()


@cache
def _anyio_limiter() -> Callable[[], anyio.CapacityLimiter] | None:
    """Return how to get the event loop's limiter, None when the host has no AnyIO (and so runs asyncio)."""
    try:
        import anyio
        import anyio.lowlevel
    except ImportError:
        return None
    # A CapacityLimiter belongs to one event loop, and tests and servers run several in a process.
    limiters: anyio.lowlevel.RunVar[anyio.CapacityLimiter] = anyio.lowlevel.RunVar(
        "policy_middleware_limiter"
    )

    def limiter() -> anyio.CapacityLimiter:
        try:
            return limiters.get()
        except LookupError:
            made = anyio.CapacityLimiter(WORKER_THREADS)
            limiters.set(made)
            return made

    return limiter


@cache
def _threads() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(WORKER_THREADS, thread_name_prefix="policy-middleware")
