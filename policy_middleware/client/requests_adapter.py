"""Waiting for approvals with requests."""

from __future__ import annotations

import threading
import time
from typing import Any

from policy_middleware.client.outcomes import ApprovalCancelled, ApprovalTimedOut
from policy_middleware.client.waiting import (
    ANSWER_WITHIN,
    LONG_POLL,
    NOT_SENT_ON,
    SLICE,
    PendingApproval,
    is_pending,
)
from policy_middleware.model.errors import MissingExtra
from policy_middleware.responses import APPROVAL_ID_HEADER

try:
    from requests import PreparedRequest, Response
    from requests.adapters import HTTPAdapter
    from requests.exceptions import UnrewindableBodyError
    from requests.utils import rewind_body
except ImportError:
    raise MissingExtra("client", "policy_middleware.client.ApprovalAdapter") from None


class ApprovalAdapter(HTTPAdapter):
    """Mount on a session: a request that needs approval waits for it and is sent again.

    `timeout` is how many seconds one request waits for people, `stop` ends all waiting early, and
    `cancel_on_timeout` withdraws what nobody has decided by then; the rest is HTTPAdapter's. Raises
    ApprovalDenied, ApprovalExpired, ApprovalCancelled or ApprovalTimedOut instead of returning the policy's
    202. A body that cannot be read twice (a generator) cannot be sent again: ApprovalCancelled.
    """

    def __init__(
        self,
        *,
        timeout: float = 3600.0,
        cancel_on_timeout: bool = False,
        stop: threading.Event | None = None,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        self._wait_at_most = timeout
        self._cancel_on_timeout = cancel_on_timeout
        self._stop = stop

    def send(self, request: PreparedRequest, *args: Any, **options: Any) -> Response:
        """Send, wait and send again."""
        waiting = PendingApproval(self._wait_at_most, self._stop)
        while True:
            response = super().send(request, *args, **options)
            if not is_pending(response.status_code, response.headers):
                return response
            try:
                waiting.parked(str(request.url), response.content)
                while not waiting.approved:
                    self._look(request, waiting, options)
            except ApprovalTimedOut:
                if self._cancel_on_timeout and waiting.cancel_url is not None:
                    cancellation = _about_task(request, "POST", waiting.cancel_url)
                    super().send(
                        cancellation, **{**options, "stream": False, "timeout": ANSWER_WITHIN}
                    ).close()
                raise
            request.headers[APPROVAL_ID_HEADER] = waiting.task_id
            _rewind(request, waiting)

    def _look(self, request: PreparedRequest, waiting: PendingApproval, options: dict[str, Any]) -> None:
        look = _about_task(request, "GET", waiting.url)
        look.headers["Prefer"] = waiting.prefer
        held = {**options, "stream": False, "timeout": (ANSWER_WITHIN, LONG_POLL + ANSWER_WITHIN)}
        response = super().send(look, **held)
        pause = waiting.looked(response.status_code, response.content, response.headers)
        until = time.monotonic() + min(pause, waiting.left)
        while (left := until - time.monotonic()) > 0:
            time.sleep(min(left, SLICE))
            waiting.check()
        waiting.check()


def _about_task(request: PreparedRequest, method: str, url: str) -> PreparedRequest:
    copy = request.copy()
    copy.prepare_method(method)
    copy.prepare_url(url, None)
    copy.prepare_body(None, None)
    for name in list(copy.headers):
        if name.lower() in NOT_SENT_ON:
            del copy.headers[name]
    copy.headers["Content-Length"] = "0"
    return copy


def _rewind(request: PreparedRequest, waiting: PendingApproval) -> None:
    if request.body is None or isinstance(request.body, (bytes, str)):
        return
    try:
        rewind_body(request)
    except UnrewindableBodyError as error:
        raise ApprovalCancelled(
            f"approval {waiting.task_id} is given, but the body cannot be read a second time", waiting.task
        ) from error
