"""The way of an allowed response: untouched, but for the decision's headers."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from policy_middleware.asgi.answering import discard, send_answer
from policy_middleware.asgi.protocol import STARTS, Message, RawHeaders, Scope, Send
from policy_middleware.asgi.request import Resolution
from policy_middleware.responses import Response

Verify = Callable[[Scope, int], Response | None]
"""Given the scope after routing and the status, return the answer to send when another route ran."""


class PassingResponse:
    """The `send` of one allowed request; `verify` is asked unless the route of `resolution` ran."""

    __slots__ = ("_headers", "_refused", "_resolution", "_scope", "_send", "_verify")

    def __init__(
        self,
        scope: Scope,
        send: Send,
        headers: RawHeaders,
        resolution: Resolution | None,
        verify: Verify | None,
    ) -> None:
        self._scope = scope
        self._send = send
        self._headers = headers
        self._resolution = resolution
        self._verify = verify
        self._refused = False

    # No coroutine of its own: it returns the server's, so a message costs a call and nothing more to await.
    def __call__(self, message: Message) -> Awaitable[None]:
        """Pass a message on."""
        if self._refused:
            return discard(message)
        if message["type"] not in STARTS:
            return self._send(message)
        expected = self._resolution
        if (
            self._verify is not None
            and expected is not None
            and (expected.partial or self._scope.get("endpoint") is not expected.endpoint)
        ):
            refusal = self._verify(self._scope, message.get("status", 101))
            if refusal is not None:
                self._refused = True
                return send_answer(refusal, self._scope, self._send)
        # Neither the message nor its list is ours: applications send one response object many times.
        return self._send({**message, "headers": [*message.get("headers", ()), *self._headers]})
