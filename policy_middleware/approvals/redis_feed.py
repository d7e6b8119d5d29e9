"""Hearing what other processes do to approvals: one subscription per process, while somebody waits.

Every transition publishes its kind on a channel that is named like the task's key; see scripts.py.
"""

from __future__ import annotations

import logging
import os
import re
import threading
import time
from typing import Any, Final

import redis

from policy_middleware.approvals.watching import ApprovalHub
from policy_middleware.stores.connection import REDIS_ERRORS, explain
from policy_middleware.stores.keys import KeyLayout

HEARTBEAT_SECONDS: Final = 1.0
DEAD_AFTER_SECONDS: Final = 2.5
IDLE_SECONDS: Final = 30.0
"""How long the subscription outlives the last waiting client."""
FIRST_PAUSE_SECONDS: Final = 0.05
LONGEST_PAUSE_SECONDS: Final = 2.0
_POLL_SECONDS: Final = 0.2  # bounds how long `close` waits for the thread

log: Final = logging.getLogger("policy_middleware")


class RedisFeed:
    """The thread that subscribes on `client` and tells a hub; starts with the first watch, ends when idle."""

    def __init__(self, client: redis.Redis, keys: KeyLayout, hub: ApprovalHub) -> None:
        self._client = client
        self._hub = hub
        self._pattern = f"{keys.prefix}approval:*"
        self._channel = re.compile(
            re.escape(f"{keys.prefix}approval:{{") + r"([^{}]+)" + re.escape("}:task:") + "(.+)"
        )
        self._reset()

    def _reset(self) -> None:
        self._process = os.getpid()
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self._complained = False

    def start(self) -> None:
        """Subscribe unless this process does already; every watch is woken once it hears."""
        if self._process != os.getpid():
            self._reset()
        with self._lock:
            if self._thread is not None or self._stopping.is_set():
                return
            self._thread = threading.Thread(target=self._run, name="policy-approval-feed", daemon=True)
            self._thread.start()

    def close(self) -> None:
        """Stop listening for good."""
        with self._lock:
            self._stopping.set()
            thread = self._thread if self._process == os.getpid() else None
        if thread is not None and thread is not threading.current_thread():
            thread.join()

    def _run(self) -> None:
        pause = FIRST_PAUSE_SECONDS
        while not self._ended():
            try:
                self._listen()
                pause = FIRST_PAUSE_SECONDS
            except REDIS_ERRORS as error:
                self._complain(explain(error))
                self._stopping.wait(pause)
                pause = min(pause * 2, LONGEST_PAUSE_SECONDS)

    def _listen(self) -> None:
        """Hear messages until nobody waits any more; raises what redis-py raises."""
        pubsub: Any = self._client.pubsub()  # type: ignore[no-untyped-call]  # redis-py leaves it untyped
        try:
            pubsub.psubscribe(self._pattern)
            last_heard = last_ping = last_needed = time.monotonic()
            while not self._stopping.is_set():
                message = pubsub.get_message(timeout=_POLL_SECONDS)
                now = time.monotonic()
                if message is not None:
                    last_heard = now
                    self._tell(message)
                elif now - last_heard > DEAD_AFTER_SECONDS:
                    raise redis.TimeoutError(f"no sign of life for {DEAD_AFTER_SECONDS} s")
                if now - last_ping > HEARTBEAT_SECONDS:
                    pubsub.ping()
                    last_ping = now
                if self._hub.waiting:
                    last_needed = now
                elif now - last_needed > IDLE_SECONDS:
                    return
        finally:
            pubsub.close()

    def _tell(self, message: dict[str, Any]) -> None:
        if message["type"] == "psubscribe":
            if self._complained:
                log.info("changes of approvals are heard again")
            self._complained = False
            self._hub.tell(None)  # whatever happened before the server confirmed
        elif message["type"] == "pmessage":
            found = self._channel.fullmatch(message["channel"].decode(errors="replace"))
            if found is not None:
                self._hub.tell(found[1], found[2])

    def _ended(self) -> bool:
        """True when the thread is to end; a watch that comes later starts another one."""
        with self._lock:
            if self._stopping.is_set() or not self._hub.waiting:
                self._thread = None
                return True
            return False

    def _complain(self, reason: str) -> None:
        if not self._complained:
            self._complained = True
            log.warning(
                "changes of approvals are not heard, so waiting clients learn of them late: %s", reason
            )
