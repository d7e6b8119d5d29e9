"""Waking whoever waits for an approval to change, without holding a thread for each of them.

    with hub.watch(tenant, task_id) as watch:
        look()                              # open the watch first, then look: nothing is missed in between
        while await watch.changed(timeout=10):
            look()

News are hints. Whoever waits also looks now and then by itself (`LOOK_ANYWAY_SECONDS`), because a message may
be lost while the connection to the store is.
"""

from __future__ import annotations

import asyncio
import threading
import weakref
from collections.abc import Callable
from types import TracebackType
from typing import Final, Protocol, Self

LOOK_ANYWAY_SECONDS: Final = 5.0
"""After which time a waiting client looks although nobody told it to."""


class Feed(Protocol):
    """What tells a hub of changes that other processes make."""

    def start(self) -> None:
        """Begin to listen; called with every new watch, so it has to be cheap when it listens already."""

    def close(self) -> None:
        """Stop listening."""


class Watch:
    """One waiting client's ear; made by `ApprovalHub.watch`, used by one thread or task at a time."""

    def __init__(self, hub: ApprovalHub, tenant: str, task_id: str | None) -> None:
        self.tenant: Final = tenant
        self.task_id: Final = task_id
        self._hub = hub
        self._lock = threading.Lock()
        self._changed = False
        self._wake: Callable[[], None] | None = None

    def open(self) -> Self:
        """Begin to listen; a watch that is dropped without `close` is forgotten all the same."""
        self._hub._add(self)
        return self

    def close(self) -> None:
        """Stop listening."""
        self._hub._remove(self)

    def __enter__(self) -> Self:
        return self.open()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    async def changed(self, timeout: float) -> bool:
        """Wait until something changed since the last call; False after `timeout` seconds.

        Holds no thread. Works on asyncio and on trio.
        """
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            return await self._changed_on_trio(timeout)
        woken = asyncio.Event()

        def wake() -> None:
            loop.call_soon_threadsafe(woken.set)

        if self._arm(wake):
            return True
        try:
            async with asyncio.timeout(timeout):
                await woken.wait()
        except TimeoutError:
            return self._disarm()
        finally:
            happened = self._disarm()
        return happened

    async def _changed_on_trio(self, timeout: float) -> bool:
        import trio

        token = trio.lowlevel.current_trio_token()
        woken = trio.Event()
        if self._arm(lambda: token.run_sync_soon(woken.set)):
            return True
        try:
            with trio.move_on_after(timeout):
                await woken.wait()
        finally:
            happened = self._disarm()
        return happened

    def wait(self, timeout: float) -> bool:
        """Wait in this thread until something changed since the last call; False after `timeout` seconds."""
        woken = threading.Event()
        if self._arm(woken.set):
            return True
        woken.wait(timeout)
        return self._disarm()

    def notify(self) -> None:
        """Wake the client; may be called from any thread."""
        with self._lock:
            self._changed = True
            wake, self._wake = self._wake, None
        if wake is None:
            return
        try:
            wake()
        except RuntimeError:
            return  # its event loop has ended, and the client with it

    def _arm(self, wake: Callable[[], None]) -> bool:
        """Have `wake` called at the next change; True when there was one already."""
        with self._lock:
            if self._changed:
                self._changed = False
                return True
            self._wake = wake
            return False

    def _disarm(self) -> bool:
        with self._lock:
            happened, self._changed, self._wake = self._changed, False, None
            return happened


class ApprovalHub:
    """Wakes the watches of one process; `feed` tells it what other processes changed."""

    def __init__(self, feed: Callable[[ApprovalHub], Feed] | None = None) -> None:
        self._lock = threading.Lock()
        self._watches: dict[str, weakref.WeakSet[Watch]] = {}
        self._feed = feed(self) if feed is not None else None

    def watch(self, tenant: str, task_id: str | None = None) -> Watch:
        """Return a context manager that hears of changes of one task, or of any task of the tenant."""
        return Watch(self, tenant, task_id)

    def tell(self, tenant: str | None, task_id: str | None = None) -> None:
        """Wake who waits for this task or tenant; without a tenant everybody, because news may be missing."""
        with self._lock:
            concerned = (
                [watch for watches in self._watches.values() for watch in watches]
                if tenant is None
                else [
                    watch
                    for watch in self._watches.get(tenant, ())
                    if task_id is None or watch.task_id in (None, task_id)
                ]
            )
            if tenant is not None and not self._watches.get(tenant, True):
                del self._watches[tenant]  # they were dropped without being closed
        for watch in concerned:
            watch.notify()

    @property
    def waiting(self) -> int:
        """How many clients wait in this process."""
        with self._lock:
            return sum(map(len, self._watches.values()))

    @property
    def pages(self) -> int:
        """How many of those wait for anything that happens in a tenant, and not for one task."""
        with self._lock:
            return sum(watch.task_id is None for watches in self._watches.values() for watch in watches)

    def close(self) -> None:
        """Stop listening to other processes; who waits is woken."""
        if self._feed is not None:
            self._feed.close()
        self.tell(None)

    def _add(self, watch: Watch) -> None:
        with self._lock:
            self._watches.setdefault(watch.tenant, weakref.WeakSet()).add(watch)
        if self._feed is not None:
            self._feed.start()

    def _remove(self, watch: Watch) -> None:
        with self._lock:
            watches = self._watches.get(watch.tenant)
            if watches is not None:
                watches.discard(watch)
                if not watches:
                    del self._watches[watch.tenant]
