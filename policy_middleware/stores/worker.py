"""A thread that does one kind of work whenever there is some."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Final

from policy_middleware.model.errors import StoreUnavailable

RETRY_SECONDS: Final = 0.25

logger = logging.getLogger("policy_middleware.stores")


class Worker:
    """Calls `step` when `work` is set, and again after the seconds that it returned."""

    def __init__(self, name: str, work: threading.Event, step: Callable[[], float]) -> None:
        self._work = work
        self._step = step
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stop and join the thread."""
        self._stopping.set()
        self._work.set()
        if self._thread is not threading.current_thread():
            self._thread.join()

    def _run(self) -> None:
        while True:
            self._work.clear()  # before it is looked at: an order to stop that comes later sets it again
            if self._stopping.is_set():
                return
            try:
                self._work.wait(self._step())
            except StoreUnavailable:
                self._stopping.wait(RETRY_SECONDS)
            except Exception:  # the thread must live on; what it did not do is still to be done
                logger.exception("%s failed; trying again", self._thread.name)
                self._stopping.wait(RETRY_SECONDS)
