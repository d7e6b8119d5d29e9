"""The way of a masked response: what may leave of it leaves, the rest is held, or refused."""

from __future__ import annotations

from functools import partial
from typing import Final

from policy_middleware.asgi.answering import CutOff, discard, send_answer
from policy_middleware.asgi.passing import Verify
from policy_middleware.asgi.protocol import (
    RESPONSE_BODY,
    RESPONSE_START,
    Message,
    RawHeaders,
    Receive,
    Scope,
    Send,
    raw_headers,
    text_headers,
)
from policy_middleware.asgi.workers import new_lock, run_in_worker
from policy_middleware.masking import BrokenOff, MaskedResponse, stripped_request_headers
from policy_middleware.model.errors import MaskError
from policy_middleware.steps import ProceedMasked

OFF_LOOP_BYTES: Final = 32 * 1024
"""Bodies from this size on are masked in a worker thread; smaller ones take less than the hop does."""

_UNMASKABLE_EXTENSIONS: Final = frozenset(
    {
        "http.response.debug",
        "http.response.early_hint",
        "http.response.pathsend",
        "http.response.push",
        "http.response.trailers",
        "http.response.zerocopysend",
    }
)
"""Ways for data to leave beside the body; taken away, applications fall back to body messages."""


def masked_scope(scope: Scope) -> Scope:
    """Return a copy of the scope that asks the application for a whole, plain, unconditional response."""
    extensions = {
        name: value
        for name, value in (scope.get("extensions") or {}).items()
        if name not in _UNMASKABLE_EXTENSIONS
    }
    method = scope.get("method", "GET")  # a WebSocket has none; its handshake is a GET
    stripped = {name.encode("latin-1") for name in stripped_request_headers(method)}
    headers = [(name, value) for name, value in scope["headers"] if name.lower() not in stripped]
    return {**scope, "headers": headers, "extensions": extensions}


class MaskingResponse:
    """The `send` of one masked request, which tasks of the application may share.

    Nothing is sent that has not been masked.
    """

    __slots__ = (
        "_broken",
        "_client_left",
        "_headers",
        "_leaving",
        "_lock",
        "_scope",
        "_send",
        "_settled",
        "_size",
        "_step",
        "_verify",
    )

    def __init__(
        self, step: ProceedMasked, scope: Scope, send: Send, headers: RawHeaders, verify: Verify | None
    ) -> None:
        self._step = step
        self._scope = scope
        self._send = send
        self._headers = headers
        self._verify = verify
        self._lock = new_lock()
        self._size = 0
        self._client_left = False
        self._leaving = False
        """True when status and headers of a stream have been sent."""
        self._settled = False
        self._broken = False

    async def __call__(self, message: Message) -> None:
        """Take a message of the handler."""
        async with self._lock:
            if not self._settled:
                try:
                    await self._take(message)
                except MaskError as error:
                    await self._refuse(error)
                else:
                    return
        if self._broken:
            raise CutOff("the response was broken off by the policy middleware")
        await discard(message)

    def watched(self, receive: Receive) -> Receive:
        """Return the handler's `receive`, by which it is learnt that the client has left."""

        async def watched() -> Message:
            message = await receive()
            if message["type"] == "http.disconnect":
                self._client_left = True
            return message

        return watched

    async def complete(self) -> None:
        """See to a response that never ended; to be called when the application returned.

        Raises BrokenOff for one of which a part has left.
        """
        await self._end(MaskError("the application did not finish its response"))
        self.check_unbroken()

    async def fail(self) -> None:
        """Refuse the response of an application that raised; to be called before the error goes on."""
        await self._end(MaskError("the application raised before its response was complete"))

    def abandon(self) -> None:
        """Record what was masked for a client that left before the end."""
        if not self._settled:
            self._settled = True
            self._step.masked(self._step.mask.abandon())

    def check_unbroken(self) -> None:
        """Raise BrokenOff when a part of the response has left, and the rest must not."""
        if self._broken:
            raise BrokenOff

    @property
    def has_begun_to_leave(self) -> bool:
        """True when nothing else can be answered any more."""
        return self._leaving

    async def _end(self, error: MaskError) -> None:
        async with self._lock:
            if self._client_left:
                self.abandon()
            if not self._settled:
                await self._refuse(error)

    async def _take(self, message: Message) -> None:
        kind = message["type"]
        if kind == RESPONSE_START:
            await self._open(message)
        elif kind == RESPONSE_BODY:
            await self._take_body(bytes(message.get("body", b"")), more=message.get("more_body", False))
        elif kind in _UNMASKABLE_EXTENSIONS and kind.endswith("send"):
            raise MaskError(f"the application sent its body by {kind}, which was not offered to it")
        # Hints, pushes, trailers and debug messages may carry data of the body, so they stay here.

    async def _open(self, message: Message) -> None:
        if self._leaving:
            raise MaskError("the application started a second response")
        status: int = message["status"]
        if self._verify is not None:
            refusal = self._verify(self._scope, status)
            if refusal is not None:
                self._settled = True
                await send_answer(refusal, self._scope, self._deliver)
                return
        self._step.mask.open(status, text_headers(message.get("headers", ())))

    async def _take_body(self, body: bytes, *, more: bool) -> None:
        mask = self._step.mask
        self._size += len(body)
        if not mask.streams:
            mask.feed(body)
            if not more:
                await self._finish()
            return
        is_large = len(body) >= OFF_LOOP_BYTES
        masked = await run_in_worker(partial(mask.feed, body)) if is_large else mask.feed(body)
        if not self._leaving:
            head = mask.head()
            self._leaving = True
            await self._send_head(head.status, head.headers)
        if more:
            if masked:
                await self._deliver({"type": RESPONSE_BODY, "body": masked, "more_body": True})
            return
        rest = mask.close()
        self._settled = True
        self._step.masked(rest.report)
        await self._deliver({"type": RESPONSE_BODY, "body": masked + rest.body})

    async def _finish(self) -> None:
        mask = self._step.mask
        masked: MaskedResponse = (
            await run_in_worker(mask.close) if self._size >= OFF_LOOP_BYTES else mask.close()
        )
        self._settled = True
        self._step.masked(masked.report)
        await self._send_head(masked.status, masked.headers)
        await self._deliver({"type": RESPONSE_BODY, "body": masked.body})

    async def _send_head(self, status: int, headers: list[tuple[str, str]]) -> None:
        lines = raw_headers(tuple(headers)) + self._headers
        await self._deliver({"type": RESPONSE_START, "status": status, "headers": lines})

    async def _deliver(self, message: Message) -> None:
        try:
            await self._send(message)
        except OSError:  # what servers raise for a client that is gone (ASGI 2.4)
            self._client_left = True
            raise

    async def _refuse(self, error: MaskError) -> None:
        self._settled = True
        if self._leaving:
            self._broken = True
            self._step.refuse(error, self._step.mask.report())
        else:
            await send_answer(self._step.refuse(error), self._scope, self._deliver)
