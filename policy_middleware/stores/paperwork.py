"""What a process writes back about documents: revisions nobody recorded, and what it made of them."""

from __future__ import annotations

import logging
import os
import socket
import threading
import time
from typing import Final

from policy_middleware.model.errors import StoreUnavailable
from policy_middleware.stores.held import HeldDocument
from policy_middleware.stores.protocol import ProcessReport, Store

ATTEMPTS: Final = 3
RETRY_SECONDS: Final = 1.0
REPEAT_SECONDS: Final = 3600.0
"""How often a process repeats what it told, so that a process that is gone shows by its silence."""
MOST_PENDING: Final = 1000

logger = logging.getLogger("policy_middleware.stores")


class Paperwork:
    """Collects what is to be written, on any thread, and writes it on one of its own.

    Not on the loader's: a disk that syncs slowly must not hold up a reload.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._lock = threading.Lock()
        self.work = threading.Event()
        """Set when something is waiting to be written."""
        self._revisions: dict[tuple[str, str], bytes] = {}
        self._reports: dict[str, ProcessReport | None] = {}
        self._reported: set[str] = set()
        self._failures = 0
        self._repeat_at = time.monotonic() + REPEAT_SECONDS

    def took_effect(self, name: str, revision: str, body: bytes) -> None:
        """Ask for a revision to be in the history."""
        with self._lock:
            if len(self._revisions) < MOST_PENDING:
                self._revisions[name, revision] = body
        self.work.set()

    def tell(self, held: HeldDocument) -> None:
        """Ask for what is held of a document to be told; of one that never was there is nothing to tell."""
        with self._lock:
            if held.compiled is None and held.rejection is None and held.name not in self._reported:
                return
            self._reported.add(held.name)
            self._reports[held.name] = _report(held)
        self.work.set()

    def repetition_due(self) -> bool:
        """True once an hour: everything held is to be told again."""
        if time.monotonic() < self._repeat_at:
            return False
        self._repeat_at = time.monotonic() + REPEAT_SECONDS
        self._reported.clear()
        return True

    def repetition_in(self) -> float:
        """Return the seconds until everything is to be told again."""
        return max(0.0, self._repeat_at - time.monotonic())

    def carry_out(self) -> float:
        """Write what is waiting and return the seconds until it is to be tried again.

        Whatever fails three times in a row is dropped.
        """
        with self._lock:
            revisions, self._revisions = self._revisions, {}
            reports, self._reports = self._reports, {}
        try:
            for (name, _), body in revisions.items():
                self._store.record(name, body)
            if reports:
                self._store.report(process_id(), reports)
        except StoreUnavailable as error:
            self._failures += 1
            if self._failures < ATTEMPTS:
                with self._lock:
                    self._revisions = revisions | self._revisions
                    self._reports = reports | self._reports
                return RETRY_SECONDS
            if self._failures == ATTEMPTS:
                logger.warning("policy history and status are not written: %s", error)
        else:
            self._failures = 0
        return REPEAT_SECONDS

    def withdraw(self) -> None:
        """Take back everything this process told, when it ends in order."""
        try:
            if self._reported:
                self._store.report(process_id(), dict.fromkeys(self._reported))
        except StoreUnavailable as error:
            logger.debug("the status of this process stays behind: %s", error)

    def after_fork(self) -> None:
        """Leave everything to the parent; the child tells for itself what it reads."""
        self._lock = threading.Lock()
        self.work = threading.Event()
        self._revisions.clear()
        self._reports.clear()
        self._reported.clear()


def process_id() -> str:
    """Return a name for this process that other people can find: `host:pid`."""
    return f"{socket.gethostname()}:{os.getpid()}"


def _report(held: HeldDocument) -> ProcessReport:
    rejection = held.rejection
    return ProcessReport(
        process_id(),
        held.revision,
        None if rejection is None else rejection.revision,
        None if rejection is None else str(rejection),
        time.time(),
    )
