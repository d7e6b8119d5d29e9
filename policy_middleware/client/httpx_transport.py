"""Waiting for approvals with httpx or httpx2, synchronous and asynchronous.

A transport and not an `auth=`: both libraries count what an Auth sends as redirects, and stop after twenty
looks. Neither is imported here; requests and responses are made by what they came with.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Generator
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from policy_middleware.client.outcomes import ApprovalTimedOut
from policy_middleware.client.waiting import (
    ANSWER_WITHIN,
    LONG_POLL,
    NOT_SENT_ON,
    SLICE,
    PendingApproval,
    is_pending,
)
from policy_middleware.responses import APPROVAL_ID_HEADER

if TYPE_CHECKING:
    from httpx import AsyncBaseTransport, BaseTransport

    class _Transport(BaseTransport, AsyncBaseTransport):
        """What httpx wants to be given; nothing of it is needed when it runs."""
else:
    _Transport = object

_Steps = Generator[Any, Any, Any]
"""Yields requests, and is sent their responses; yields seconds to sleep. Returns the answer."""


class ApprovalTransport(_Transport):
    """Wrap a transport: a request that needs approval waits for it and is sent again.

    `httpx.Client(transport=ApprovalTransport(httpx.HTTPTransport()))`, and with `httpx.AsyncHTTPTransport()`
    for an AsyncClient. `timeout` is how many seconds one request waits for people, `stop` ends all waiting
    early, and `cancel_on_timeout` withdraws what nobody has decided by then. The headers of the request, its
    credentials among them, go with every look at its task, which is always on the request's own origin.
    Raises ApprovalDenied, ApprovalExpired, ApprovalCancelled or ApprovalTimedOut instead of returning the
    policy's 202. An asynchronous request that is cancelled stops waiting at once.
    """

    def __init__(
        self,
        transport: Any,
        *,
        timeout: float = 3600.0,
        cancel_on_timeout: bool = False,
        stop: threading.Event | None = None,
    ) -> None:
        self._transport = transport
        self._timeout = timeout
        self._cancel_on_timeout = cancel_on_timeout
        self._stop = stop

    def handle_request(self, request: Any) -> Any:
        """Send, wait and send again; httpx calls this."""
        request.read()
        steps = self._steps(request)
        try:
            step = next(steps)
            while True:
                if isinstance(step, float):
                    time.sleep(step)
                    step = steps.send(None)
                    continue
                response = self._transport.handle_request(step)
                if step is not request or is_pending(response.status_code, response.headers):
                    response.read()
                    response.close()
                step = steps.send(response)
        except StopIteration as end:
            return end.value

    async def handle_async_request(self, request: Any) -> Any:
        """Send, wait and send again without holding the event loop; httpx calls this."""
        await request.aread()
        steps = self._steps(request)
        try:
            step = next(steps)
            while True:
                if isinstance(step, float):
                    await _sleep(step)
                    step = steps.send(None)
                    continue
                response = await self._transport.handle_async_request(step)
                if step is not request or is_pending(response.status_code, response.headers):
                    await response.aread()
                    await response.aclose()
                step = steps.send(response)
        except StopIteration as end:
            return end.value

    def _steps(self, request: Any) -> _Steps:
        waiting = PendingApproval(self._timeout, self._stop)
        while True:
            response = yield request
            if not is_pending(response.status_code, response.headers):
                return response
            try:
                waiting.parked(str(request.url), response.content)
                while not waiting.approved:
                    response = yield _about_task(request, "GET", waiting.url, LONG_POLL, waiting.prefer)
                    pause = waiting.looked(response.status_code, response.content, response.headers)
                    until = time.monotonic() + min(pause, waiting.left)
                    while (left := until - time.monotonic()) > 0:
                        yield min(left, SLICE)
                        waiting.check()
                    waiting.check()
            except ApprovalTimedOut:
                if self._cancel_on_timeout and waiting.cancel_url is not None:
                    yield _about_task(request, "POST", waiting.cancel_url)
                raise
            request.headers[APPROVAL_ID_HEADER] = waiting.task_id

    def close(self) -> None:
        """Close the wrapped transport."""
        self._transport.close()

    async def aclose(self) -> None:
        """Close the wrapped transport."""
        await self._transport.aclose()

    def __enter__(self) -> Self:
        self._transport.__enter__()
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None = None,
        exc_value: BaseException | None = None,
        traceback: TracebackType | None = None,
    ) -> None:
        self._transport.__exit__(exc_type, exc_value, traceback)

    async def __aenter__(self) -> Self:
        await self._transport.__aenter__()
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None = None,
        exc_value: BaseException | None = None,
        traceback: TracebackType | None = None,
    ) -> None:
        await self._transport.__aexit__(exc_type, exc_value, traceback)


def _about_task(request: Any, method: str, url: str, held: float = 0.0, prefer: str | None = None) -> Any:
    """Return a request about the task with the credentials of the original; the server may hold a look."""
    headers = {name: value for name, value in request.headers.items() if name.lower() not in NOT_SENT_ON}
    if prefer is not None:
        headers["Prefer"] = prefer
    limits = dict.fromkeys(("connect", "write", "pool"), ANSWER_WITHIN) | {"read": held + ANSWER_WITHIN}
    return type(request)(method, url, headers=headers, extensions={"timeout": limits})


async def _sleep(seconds: float) -> None:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        import trio

        await trio.sleep(seconds)
    else:
        await asyncio.sleep(seconds)
