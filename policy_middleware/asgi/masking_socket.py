"""The way of a masked WebSocket: each message to the client leaves masked, or the socket is closed."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Final, TypeVar

from policy_middleware.asgi.answering import CutOff, send_answer
from policy_middleware.asgi.masking import OFF_LOOP_BYTES, MaskingResponse
from policy_middleware.asgi.passing import Verify
from policy_middleware.asgi.protocol import Message, RawHeaders, Scope, Send, raw_headers, text_headers
from policy_middleware.asgi.workers import new_lock, run_in_worker
from policy_middleware.model.errors import MaskError
from policy_middleware.responses import Response
from policy_middleware.steps import ProceedMasked

INTERNAL_ERROR: Final = 1011
"""The WebSocket close code for what the server cannot fulfil (RFC 6455 section 7.4.1)."""

_DENIAL: Final = "websocket."
"""What an answer in place of the handshake has before the names of its HTTP messages."""

Result = TypeVar("Result")


class MaskingSocket:
    """The `send` of one masked WebSocket; tasks of the application may share it."""

    def __init__(
        self, step: ProceedMasked, scope: Scope, send: Send, headers: RawHeaders, verify: Verify | None
    ) -> None:
        self._step = step
        self._scope = scope
        self._send = send
        self._headers = headers
        self._verify = verify
        self._messages = step.mask.messages()
        self._lock = new_lock()
        self._denial: MaskingResponse | None = None
        self._accepted = False
        self._closed = False
        self._refused = False

    async def __call__(self, message: Message) -> None:
        """Take a message of the application; raises CutOff (as for a client that is gone) once refused."""
        kind = message["type"]
        async with self._lock:
            if self._refused:
                raise CutOff("the WebSocket was closed by the policy middleware")
            if kind.startswith("websocket.http."):
                await self._answer(message)
                return
            try:
                await self._take(kind, message)
            except MaskError as error:
                await self._refuse(error)
            else:
                return
        raise CutOff("the WebSocket was closed by the policy middleware")

    async def complete(self) -> None:
        """See to what is left when the application has returned."""
        if self._denial is not None:
            await self._denial.complete()
            return
        if self._accepted and not self._closed:
            # An application may leave the closing to its server; most do when the client has gone.
            with suppress(CutOff, OSError):
                await self({"type": "websocket.close", "code": 1000})
        if self._accepted and not self._refused:
            self._step.masked(self._messages.report())

    def abandon(self) -> None:
        """Record what was masked on the socket of an application that raised."""
        if self._denial is not None:
            self._denial.abandon()
        elif self._accepted and not self._refused:
            self._step.masked(self._messages.abandon())

    async def _take(self, kind: str, message: Message) -> None:
        if kind == "websocket.accept":
            await self._accept(message)
        elif kind == "websocket.send":
            await self._pass(message)
        elif kind == "websocket.close":
            await self._close(message)
        # What no version of ASGI has yet may carry data, so it stays here.

    async def _accept(self, message: Message) -> None:
        if self._verify is not None:
            refusal = self._verify(self._scope, 101)
            if refusal is not None:
                self._refused = True
                await send_answer(refusal, self._scope, self._send)
                return
        headers = self._messages.accept(
            text_headers(message.get("headers", ())),
            message.get("subprotocol"),
            self._scope.get("subprotocols", ()),
        )
        self._accepted = True
        lines = raw_headers(tuple(headers)) + self._headers
        subprotocol = message.get("subprotocol")
        await self._send({"type": "websocket.accept", "subprotocol": subprotocol, "headers": lines})

    async def _pass(self, message: Message) -> None:
        text, data = message.get("text"), message.get("bytes")
        if text is not None and data is not None:
            raise MaskError("a message has both text and bytes, and servers differ in which they send")
        if data is not None:
            masked = await _run(partial(self._messages.binary, bytes(data)), len(data))
            await self._send({"type": "websocket.send", "bytes": masked})
        elif text is not None:
            for masked_text in await _run(partial(self._messages.text, text), len(text)):
                await self._send({"type": "websocket.send", "text": masked_text})

    async def _close(self, message: Message) -> None:
        tails, reason = self._messages.close(message.get("reason") or "")
        self._closed = True
        if self._accepted:
            for tail in tails:
                await self._send({"type": "websocket.send", "text": tail})
        await self._send({"type": "websocket.close", "code": message.get("code", 1000), "reason": reason})

    async def _answer(self, message: Message) -> None:
        """Take a part of the HTTP answer that the application gives in place of the handshake."""
        if self._denial is None:
            verify = None if self._verify is None else partial(_verified_on, self._verify, self._scope)
            scope = {**self._scope, "type": "http", "method": "GET"}
            self._denial = MaskingResponse(self._step, scope, self._send_denial, self._headers, verify)
        await self._denial({**message, "type": message["type"].removeprefix(_DENIAL)})

    async def _send_denial(self, message: Message) -> None:
        await self._send({**message, "type": _DENIAL + message["type"]})

    async def _refuse(self, error: MaskError) -> None:
        self._refused = True
        refusal = self._step.refuse(error, self._messages.report() if self._accepted else None)
        if self._closed:
            return
        if self._accepted:
            with suppress(OSError):  # the client may be gone
                await self._send({"type": "websocket.close", "code": INTERNAL_ERROR, "reason": "mask-failed"})
        else:
            await send_answer(refusal, self._scope, self._send)


def _verified_on(verify: Verify, scope: Scope, _: Scope, status: int) -> Response | None:
    return verify(scope, status)


async def _run(work: Callable[[], Result], size: int) -> Result:
    return await run_in_worker(work) if size >= OFF_LOOP_BYTES else work()
