"""Worker threads, with AnyIO and without."""

from __future__ import annotations

import asyncio
import contextvars
import threading

import anyio
import pytest

from policy_middleware.asgi import workers


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_work_runs_outside_the_event_loop(backend: str) -> None:
    here = threading.get_ident()
    assert anyio.run(workers.run_in_worker, threading.get_ident, backend=backend) != here


def test_a_host_without_anyio_gets_threads_of_our_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "_anyio_limiter", lambda: None)
    variable = contextvars.ContextVar("variable", default="")

    async def main() -> tuple[str, str]:
        variable.set("seen")
        return await workers.run_in_worker(lambda: (threading.current_thread().name, variable.get()))

    name, seen = asyncio.run(main())
    assert name.startswith("policy-middleware")
    assert seen == "seen"


def test_what_the_work_raises_is_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> None:
        raise LookupError("mine")

    with pytest.raises(LookupError):
        anyio.run(workers.run_in_worker, broken)
    monkeypatch.setattr(workers, "_anyio_limiter", lambda: None)
    with pytest.raises(LookupError):
        asyncio.run(workers.run_in_worker(broken))


def test_our_workers_are_counted_apart_from_the_applications() -> None:
    async def main() -> float:
        limiter = workers._anyio_limiter()
        assert limiter is not None
        assert limiter() is limiter()
        assert limiter() is not anyio.to_thread.current_default_thread_limiter()
        return limiter().total_tokens

    assert anyio.run(main) == workers.WORKER_THREADS
    assert anyio.run(main, backend="trio") == workers.WORKER_THREADS
