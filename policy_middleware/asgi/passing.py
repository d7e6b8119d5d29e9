"""The way of an allowed response: untouched, but for the decision's headers."""

from __future__ import annotations

from collections.abc import Callable

from policy_middleware.asgi.answering import discard, send_answer
from policy_middleware.asgi.protocol import STARTS, Message, RawHeaders, Scope, Send
from policy_middleware.responses import Response

Verify = Callable[[Scope, int], Response | None]
"""Given the scope after routing and the status, return the answer to send when another route ran."""


class PassingResponse:
    """The `send` of one allowed request."""

    __slots__ = ("_headers", "_refused", "_scope", "_send", "_verify")

    def __init__(self, scope: Scope, send: Send, headers: RawHeaders, verify: Verify | None) -> None:
        self._scope = scope
        self._send = send
        self._headers = headers
        self._verify = verify
        self._refused = False

    async def __call__(self, message: Message) -> None:
        """Pass a message on."""
        if self._refused:
            await discard(message)
            return
        if message["type"] in STARTS:
            if self._verify is not None:
                refusal = self._verify(self._scope, message.get("status", 101))
                if refusal is not None:
                    self._refused = True
                    await send_answer(refusal, self._scope, self._send)
                    return
            # Neither the message nor its list is ours: applications send one response object many times.
            message = {**message, "headers": [*message.get("headers", ()), *self._headers]}
        await self._send(message)
