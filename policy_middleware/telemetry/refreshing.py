"""A thread that looks at something every few seconds, in whichever process it is needed."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from typing import Final

REFRESH_SECONDS: Final = 5.0


class Refresher:
    """Calls `refresh` every `REFRESH_SECONDS` once started; a forked child starts its own."""

    def __init__(self, refresh: Callable[[], object]) -> None:
        self._refresh = refresh
        self._reset()

    def _reset(self) -> None:
        self._process = os.getpid()
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Start unless it runs in this process; cheap enough to be called now and then."""
        if self._process != os.getpid():
            self._reset()
        with self._lock:
            if self._thread is not None:
                return
            thread = threading.Thread(
                target=self._run, args=(self._stopping,), name="policy-metrics", daemon=True
            )
            try:
                thread.start()
            except RuntimeError:  # the interpreter is ending
                return
            self._thread = thread

    @property
    def running(self) -> bool:
        """True while the thread runs in this process."""
        return self._thread is not None and self._process == os.getpid()

    def stop(self) -> None:
        """Stop and join the thread; it may be started again."""
        if self._process != os.getpid():
            return
        with self._lock:
            thread, self._thread = self._thread, None
            self._stopping.set()
            self._stopping = threading.Event()
        if thread is not None and thread is not threading.current_thread():
            thread.join()

    def _run(self, stopping: threading.Event) -> None:
        while True:
            self._refresh()
            if stopping.wait(REFRESH_SECONDS):
                return
