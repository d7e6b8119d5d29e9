"""The thread that reads and compiles ahead, so that requests do not have to."""

from __future__ import annotations

import logging
import threading
from typing import Final

from policy_middleware.model.errors import StoreUnavailable
from policy_middleware.stores.follower import Follower

RETRY_SECONDS: Final = 0.25

logger = logging.getLogger("policy_middleware.stores")


class Loader:
    """Runs `Follower.catch_up` whenever there is work."""

    def __init__(self, follower: Follower) -> None:
        self._follower = follower
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="policy-loader", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stop and join the thread."""
        self._stopping.set()
        self._follower.work.set()
        if self._thread is not threading.current_thread():
            self._thread.join()

    def _run(self) -> None:
        while not self._stopping.is_set():
            self._follower.work.clear()
            try:
                self._follower.work.wait(self._follower.catch_up())
            except StoreUnavailable:
                self._stopping.wait(RETRY_SECONDS)
            except (
                Exception
            ):  # what is in doubt stays in doubt, so the lease runs out and nothing outdated is served
                logger.exception("policies could not be reloaded; trying again")
                self._stopping.wait(RETRY_SECONDS)
