"""A client that prefers to wait for an approval (RFC 7240 `Prefer: wait=N`) instead of coming back."""

from __future__ import annotations

import re
import time
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Final, Protocol

from policy_middleware.approvals import LOOK_ANYWAY_SECONDS, ApprovalHub, Watch
from policy_middleware.responses import Headers
from policy_middleware.steps import Blocking, Step, Waiting

MAX_WAITING: Final = 1000
"""Clients that one process holds at a time; whoever comes then is answered at once and looks again later."""
PREFERENCE_APPLIED: Final = "Preference-Applied"
_WAIT: Final = re.compile(r'(?:^|[,;\s])wait\s*=\s*"?([0-9]{1,9})"?\s*(?:$|[,;])', re.IGNORECASE)


class Preferring(Protocol):
    """The part of a request that says whether its client waits."""

    def header(self, name: str) -> Sequence[str]: ...


class Patience:
    """How long one request waits, at most `max_wait` seconds; used by this request only.

    Between two looks it holds no thread. Where the server has no event loop it does not wait at all.
    """

    __slots__ = ("_asked", "_deadline", "_hub", "_seconds", "_watch")

    def __init__(self, hub: ApprovalHub, request: Preferring, max_wait: float) -> None:
        self._hub = hub
        wanted = _WAIT.search(",".join(request.header("prefer")))
        self._asked = int(wanted[1]) if wanted is not None else 0
        self._seconds = min(float(self._asked), max_wait)
        self._deadline: float | None = None
        self._watch: Watch | None = None

    @property
    def applied(self) -> Headers:
        """The header that says that the client's wish was honoured, as far as it was."""
        if self._deadline is None:
            return ()
        return ((PREFERENCE_APPLIED, f"wait={min(self._asked, int(self._seconds))}"),)

    def wait(self, tenant: str, task_id: str, look: Callable[[], Step], give_up: Callable[[], Step]) -> Step:
        """Return the step that waits until the task changes and then goes on with `look` (which may block).

        `give_up` answers when there is nothing (more) to wait for.
        """
        if self._seconds <= 0 or (self._deadline is not None and time.monotonic() >= self._deadline):
            self.end()
            return give_up()
        return Waiting(give_up, partial(self._until_changed, tenant, task_id, look))

    def end(self) -> None:
        """Stop listening; to be called when the request is answered."""
        if self._watch is not None:
            self._watch.close()
            self._watch = None

    async def _until_changed(self, tenant: str, task_id: str, look: Callable[[], Step]) -> Step:
        if self._watch is None or self._deadline is None:
            if self._hub.waiting >= MAX_WAITING:
                self._seconds = 0.0
                return Blocking(look)
            self._deadline = time.monotonic() + self._seconds
            self._watch = self._hub.watch(tenant, task_id).open()
            return Blocking(look)  # it may have changed before anybody listened
        try:
            left = self._deadline - time.monotonic()
            await self._watch.changed(max(0.0, min(LOOK_ANYWAY_SECONDS, left)))
        except BaseException:  # the client left
            self.end()
            raise
        return Blocking(look)


Wait = Callable[[], Awaitable[Step]]
