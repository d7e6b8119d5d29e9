"""The way of a masked response: held until it is complete, masked as a whole, or refused."""

from __future__ import annotations

from typing import Final

from policy_middleware.asgi.answering import discard, send_answer
from policy_middleware.asgi.passing import Verify
from policy_middleware.asgi.protocol import (
    RESPONSE_BODY,
    RESPONSE_START,
    Message,
    RawHeaders,
    Scope,
    Send,
    raw_headers,
    text_headers,
)
from policy_middleware.asgi.workers import run_in_worker
from policy_middleware.masking import MaskedResponse, stripped_request_headers
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
    stripped = {name.encode("latin-1") for name in stripped_request_headers(scope["method"])}
    headers = [(name, value) for name, value in scope["headers"] if name.lower() not in stripped]
    return {**scope, "headers": headers, "extensions": extensions}


class MaskingResponse:
    """The `send` of one masked request; nothing is sent before all of it is masked."""

    __slots__ = ("_headers", "_scope", "_send", "_settled", "_size", "_started", "_step", "_verify")

    def __init__(
        self, step: ProceedMasked, scope: Scope, send: Send, headers: RawHeaders, verify: Verify | None
    ) -> None:
        self._step = step
        self._scope = scope
        self._send = send
        self._headers = headers
        self._verify = verify
        self._size = 0
        self._started = False
        self._settled = False

    async def __call__(self, message: Message) -> None:
        """Take a message of the handler."""
        if self._settled:
            await discard(message)
            return
        try:
            await self._take(message)
        except MaskError as error:
            await self._refuse(error)
            await discard(message)

    async def complete(self) -> None:
        """Refuse a response that was begun and never ended; to be called when the application returned."""
        if self._started and not self._settled:
            await self._refuse(MaskError("the application did not finish its response"))

    async def fail(self) -> None:
        """Refuse the response of an application that raised; to be called before the error goes on."""
        if not self._settled:
            await self._refuse(MaskError("the application raised before its response was complete"))

    async def _take(self, message: Message) -> None:
        kind = message["type"]
        if kind == RESPONSE_START:
            await self._open(message)
        elif kind == RESPONSE_BODY:
            body = bytes(message.get("body", b""))
            self._size += len(body)
            self._step.mask.feed(body)
            if not message.get("more_body", False):
                await self._finish()
        elif kind in _UNMASKABLE_EXTENSIONS and kind.endswith("send"):
            raise MaskError(f"the application sent its body by {kind}, which was not offered to it")
        # Hints, pushes, trailers and debug messages may carry data of the body, so they stay here.

    async def _open(self, message: Message) -> None:
        self._started = True
        status: int = message["status"]
        if self._verify is not None:
            refusal = self._verify(self._scope, status)
            if refusal is not None:
                self._settled = True
                await send_answer(refusal, self._scope, self._send)
                return
        self._step.mask.open(status, text_headers(message.get("headers", ())))

    async def _finish(self) -> None:
        mask = self._step.mask
        masked: MaskedResponse = (
            await run_in_worker(mask.close) if self._size >= OFF_LOOP_BYTES else mask.close()
        )
        self._settled = True
        self._step.masked(masked.count)
        await self._send(
            {
                "type": RESPONSE_START,
                "status": masked.status,
                "headers": raw_headers(tuple(masked.headers)) + self._headers,
            }
        )
        await self._send({"type": RESPONSE_BODY, "body": masked.body})

    async def _refuse(self, error: MaskError) -> None:
        self._settled = True
        await send_answer(self._step.refuse(error), self._scope, self._send)
