"""What to do next while an approval is pending: no I/O, the same for every HTTP library."""

from __future__ import annotations

import json
import random
import threading
import time
from collections.abc import Mapping
from typing import Final
from urllib.parse import urljoin, urlsplit

from policy_middleware.client.outcomes import (
    ApprovalCancelled,
    ApprovalDenied,
    ApprovalExpired,
    ApprovalNotGiven,
    ApprovalTimedOut,
)
from policy_middleware.responses import APPROVAL_ID_HEADER

FIRST_PAUSE: Final = 2.0
LONGEST_PAUSE: Final = 60.0
"""Seconds between two looks where the server does not say (AuthZEN profile, Task Status Endpoint)."""
LONG_POLL: Final = 20
"""Seconds for which the server is asked to hold its answer."""
ANSWER_WITHIN: Final = 10.0
"""Seconds beyond those for which an answer is waited for."""
SLICE: Final = 0.5
"""Seconds after which a sleeping client looks whether it is to stop."""
MAX_FAILURES: Final = 5
"""Looks in a row that may fail (a 5xx or 429) before waiting is given up."""
NOT_SENT_ON: Final = frozenset(
    {"content-length", "content-type", "transfer-encoding", "content-encoding", "expect", "host", "prefer"}
    | {"idempotency-key", APPROVAL_ID_HEADER.lower()}
)
"""Headers of the request that do not belong to a look at its task; the others may carry credentials."""


def is_pending(status: int, headers: Mapping[str, str]) -> bool:
    """True for the policy's 202; a handler's own 202 has no approval id."""
    return status == 202 and APPROVAL_ID_HEADER in headers


class PendingApproval:
    """One request that waits; `parked` is called with each 202, `looked` with each answer about the task."""

    def __init__(self, timeout: float, stop: threading.Event | None = None) -> None:
        self._deadline = time.monotonic() + timeout
        self._stop = stop
        self._pause = FIRST_PAUSE
        self._failures = 0
        self.task: Mapping[str, object] = {}
        self.url = ""
        self.approved = False

    @property
    def task_id(self) -> str:
        """The id to replay the request with."""
        return str(self.task.get("id", ""))

    @property
    def cancel_url(self) -> str | None:
        """Where the request for approval is withdrawn, None where it cannot be."""
        links = self.task.get("links")
        link = links.get("cancel") if isinstance(links, dict) else None
        return urljoin(self.url, link) if isinstance(link, str) and self._same_origin(link) else None

    @property
    def prefer(self) -> str:
        """The Prefer header of the next look."""
        return f"wait={max(0, min(LONG_POLL, int(self.left)))}"

    @property
    def left(self) -> float:
        """Seconds until waiting ends."""
        return self._deadline - time.monotonic()

    def parked(self, request_url: str, body: bytes) -> None:
        """Take a 202; raises ApprovalNotGiven."""
        self.approved = False
        self.url = request_url
        self._read(body)
        location = self.task.get("status_endpoint")
        if not isinstance(location, str) or not self._same_origin(location):
            raise ApprovalCancelled(
                f"the status of approval {self.task_id} is on another origin ({location!r}), which is not "
                "shown this program's credentials",
                self.task,
            )
        self.url = urljoin(request_url, location)
        self._judge()
        self.check()

    def looked(self, status: int, body: bytes, headers: Mapping[str, str]) -> float:
        """Take the answer of a look and return after how many seconds to look again (0 once approved)."""
        if status == 429 or status >= 500:
            self._failures += 1
            if self._failures > MAX_FAILURES:
                raise ApprovalTimedOut(f"the service answered {status} {self._failures} times", self.task)
            return self._next_pause(headers)
        self._failures = 0
        if status != 200:
            raise ApprovalCancelled(
                f"approval {self.task_id} is not known any more (status {status})", self.task
            )
        self._read(body)
        self._judge()
        if self.approved:
            return 0.0
        return 0.0 if "Preference-Applied" in headers else self._next_pause(headers)

    def check(self) -> None:
        """Raise ApprovalTimedOut when it is time to stop."""
        if self._stop is not None and self._stop.is_set():
            raise ApprovalTimedOut(f"waiting for approval {self.task_id} was stopped", self.task)
        if self.left <= 0:
            raise ApprovalTimedOut(
                f"approval {self.task_id} was not decided in time; it may still be given", self.task
            )

    def _next_pause(self, headers: Mapping[str, str]) -> float:
        wanted = headers.get("Retry-After", "")
        own = self._pause * random.uniform(0.8, 1.2)  # noqa: S311 -- spreads load, hides nothing
        self._pause = min(LONGEST_PAUSE, self._pause * 2)
        return float(wanted) if wanted.isascii() and wanted.isdigit() and len(wanted) < 7 else own

    def _read(self, body: bytes) -> None:
        try:
            task = json.loads(body)["task"]
        except (ValueError, KeyError, TypeError):
            task = None
        if not isinstance(task, dict) or not isinstance(task.get("id"), str):
            raise ApprovalCancelled("the service did not say what the request waits for", self.task)
        self.task = task

    def _judge(self) -> None:
        """Note an approval, or raise what the task has come to; an unknown status is no approval."""
        status = self.task.get("status")
        self.approved = status == "approved" and "consumed_at" not in self.task
        if self.approved or status == "pending":
            return
        raise _ENDS.get(str(status), ApprovalCancelled)(self._sentence(str(status)), self.task)

    def _sentence(self, status: str) -> str:
        comment = self.task.get("comment")
        said = f": {comment}" if isinstance(comment, str) else ""
        return f"the request was not run: approval {self.task_id} is {status}{said}"

    def _same_origin(self, link: str) -> bool:
        there, here = urlsplit(urljoin(self.url, link)), urlsplit(self.url)
        return (there.scheme, there.netloc) == (here.scheme, here.netloc)


_ENDS: Final[Mapping[str, type[ApprovalNotGiven]]] = {
    "denied": ApprovalDenied,
    "expired": ApprovalExpired,
    "cancelled": ApprovalCancelled,
    "failed": ApprovalCancelled,
}
