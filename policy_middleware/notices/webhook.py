"""Approval events to a URL, signed by the Standard Webhooks scheme (extra `webhooks`)."""

from __future__ import annotations

import base64
import heapq
import itertools
import logging
import random
import secrets
import threading
import time
import weakref
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Final
from urllib.parse import urlsplit

from policy_middleware.approvals import ApprovalEvent
from policy_middleware.model.errors import MissingExtra, SettingsError
from policy_middleware.notices.message import message_of, written
from policy_middleware.notices.sending import Attempt, post
from policy_middleware.process_life import close_at_exit, reset_in_children

log: Final = logging.getLogger("policy_middleware")

PAUSES: Final = (1.0, 5.0, 30.0, 120.0, 600.0, 3600.0)
"""Seconds before each further attempt, longer by up to a fifth so that many senders do not come at once."""
CAPACITY: Final = 1000
"""Notices that may wait; what comes beyond is dropped and reported."""
_SHORTEST_SECRET: Final = 24
"""Bytes; what the Standard Webhooks specification asks for."""

Post = Callable[[str, str, Mapping[str, str]], Attempt]
_Waiting = tuple[float, int, str, str, int]
"""When it is due, its number, its id, its body, and how often it was tried."""


class Webhook:
    """A listener of approvals that posts every event to `url`.

    `secret` is `whsec_` and base64 of 24 bytes or more. Sending happens in a thread of its own, which starts
    with the first event; a receiver that is slow or away costs no request anything. Each notice keeps its
    `webhook-id` however often it is tried. What a process has not sent when it ends is lost: the decision log
    is the record, this is only the news. Raises SettingsError and MissingExtra.
    """

    def __init__(self, url: str, secret: str, *, post: Post = post) -> None:
        try:
            import standardwebhooks
        except ImportError:
            raise MissingExtra("webhooks", "signing webhooks") from None
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise SettingsError(f"webhook: {url!r} is no http(s) URL")
        self._signer = standardwebhooks.Webhook(_checked_secret(secret))
        self._url, self._post = url, post
        # What may hold a password or a token is not for logs.
        self._shown_url = f"{parts.scheme}://{parts.hostname}{parts.path}"
        if parts.scheme == "http":
            log.warning("notices to %s are signed, but sent unencrypted", self._shown_url)
        self._gone = self._closed = False
        self._thread: threading.Thread | None = None
        self._reset()
        _living.add(self)

    def __call__(self, event: ApprovalEvent) -> None:
        """Queue the notice of an event; never waits for the receiver."""
        if self._gone:
            return
        body = written(message_of(event))
        with self._condition:
            if self._closed or len(self._waiting) >= CAPACITY:
                log.error(
                    "the notice that approval %s was %s is lost: too many wait, or the process ends",
                    event.task.id,
                    event.kind.value,
                )
                return
            message_id = f"msg_{secrets.token_urlsafe(16)}"
            heapq.heappush(self._waiting, (time.monotonic(), next(self._numbers), message_id, body, 0))
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="policy-webhook", daemon=True)
                self._thread.start()
            self._condition.notify_all()

    def flush(self, timeout: float = 5.0) -> bool:
        """Wait until everything was sent or given up; False when `timeout` seconds did not suffice."""
        with self._condition:
            return self._condition.wait_for(lambda: not self._waiting and not self._busy, timeout)

    def close(self, timeout: float = 5.0) -> None:
        """Try once more what waits, for at most `timeout` seconds, and stop the thread."""
        with self._condition:
            self._closed = True
            thread = self._thread
            self._condition.notify_all()
        if thread is not None:
            thread.join(timeout)
        with self._condition:
            if self._waiting:
                log.error(
                    "%d notices to %s were not sent before the end", len(self._waiting), self._shown_url
                )

    def _reset(self) -> None:
        """Start without a thread: at first, and in a forked child, which leaves to its parent what waits."""
        self._condition = threading.Condition()
        self._waiting: list[_Waiting] = []
        self._numbers = itertools.count()
        self._busy = False
        self._thread = None

    def _run(self) -> None:
        while (notice := self._next()) is not None:
            self._deliver(notice)
            with self._condition:
                self._busy = False
                self._condition.notify_all()

    def _next(self) -> _Waiting | None:
        """Wait for the next notice that is due; None at the end."""
        with self._condition:
            while True:
                if self._waiting and (self._closed or self._waiting[0][0] <= time.monotonic()):
                    self._busy = True
                    return heapq.heappop(self._waiting)
                if self._closed:
                    return None
                self._condition.wait(self._waiting[0][0] - time.monotonic() if self._waiting else None)

    def _deliver(self, notice: _Waiting) -> None:
        _, number, message_id, body, tried = notice
        if self._gone:
            return
        attempt = self._post(self._url, body, self._headers(message_id, body))
        if attempt.delivered:
            return
        if attempt.gone:
            self._gone = True
            log.error("%s answers 410: no more notices are sent to it", self._shown_url)
        elif tried == len(PAUSES) or self._closed:
            log.error("notice %s to %s is given up: %s", message_id, self._shown_url, attempt.problem)
        else:
            log.warning(
                "notice %s to %s will be tried again: %s", message_id, self._shown_url, attempt.problem
            )
            pause = max(attempt.retry_after or 0.0, PAUSES[tried] * random.uniform(1.0, 1.2))  # noqa: S311 -- spreads load
            with self._condition:
                heapq.heappush(self._waiting, (time.monotonic() + pause, number, message_id, body, tried + 1))

    def _headers(self, message_id: str, body: str) -> dict[str, str]:
        now = datetime.now(UTC)
        return {
            "Content-Type": "application/json",
            "User-Agent": "policy-middleware",
            "webhook-id": message_id,
            "webhook-timestamp": str(int(now.timestamp())),
            "webhook-signature": self._signer.sign(message_id, now, body),
        }


def open_webhook(url: str | None, secret: str | None) -> tuple[Webhook, ...]:
    """Return the webhook that the settings ask for, if any; raises SettingsError and MissingExtra."""
    if url is None and secret is None:
        return ()
    if url is None or secret is None:
        missing, given = ("url", "secret") if url is None else ("secret", "url")
        names = {"url": "approval_webhook", "secret": "approval_webhook_secret"}
        raise SettingsError(f"{names[missing]}: is needed as well, because {names[given]} is set")
    return (Webhook(url, secret),)


def _checked_secret(secret: str) -> bytes:
    """Return the key of a `whsec_` secret; the message never repeats it."""
    try:
        key = base64.b64decode(secret.removeprefix("whsec_"), validate=True)
    except ValueError:
        key = b""
    if not secret.startswith("whsec_") or len(key) < _SHORTEST_SECRET:
        raise SettingsError(
            "webhook: the secret is 'whsec_' followed by base64 of at least 24 random bytes; "
            "`openssl rand -base64 32` makes some"
        )
    return key


_living: Final[weakref.WeakSet[Webhook]] = weakref.WeakSet()
reset_in_children(_living, Webhook._reset)
close_at_exit(_living, Webhook.close)
