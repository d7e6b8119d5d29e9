"""The thread that works when there is something to do: it misses neither work nor the order to stop."""

from __future__ import annotations

import threading

from policy_middleware.stores.worker import Worker

FOREVER = 3600.0


def test_an_order_to_stop_just_before_the_thread_waits_is_heard() -> None:
    workers: list[Worker] = []
    made = threading.Event()
    ended = threading.Event()

    class Interrupted(threading.Event):
        """Somebody orders to stop right before the thread forgets what it was woken for."""

        def clear(self) -> None:
            if made.is_set():
                workers[0].stop()  # joins nothing, because the thread itself gives the order here
                ended.set()
            super().clear()

    pauses = iter([0.0, FOREVER])

    def step() -> float:
        assert made.wait(10)
        return next(pauses)

    workers.append(Worker("test-worker", Interrupted(), step))
    made.set()
    assert ended.wait(10)
    for thread in threading.enumerate():
        if thread.name == "test-worker":
            thread.join(10)
            assert not thread.is_alive()


def test_work_that_comes_up_while_the_thread_works_is_done() -> None:
    work = threading.Event()
    steps = threading.Semaphore(0)
    busy = iter([True, False])

    def step() -> float:
        if next(busy):
            work.set()
        steps.release()
        return FOREVER

    worker = Worker("test-worker", work, step)
    try:
        assert steps.acquire(timeout=10)
        assert steps.acquire(timeout=10)
    finally:
        worker.stop()
