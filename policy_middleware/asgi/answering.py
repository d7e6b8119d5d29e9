"""Send a complete answer in place of a handler's."""

from __future__ import annotations

from typing import Final

from policy_middleware.asgi.protocol import (
    DENIAL_EXTENSION,
    RESPONSE_BODY,
    RESPONSE_START,
    Message,
    Scope,
    Send,
    raw_headers,
)
from policy_middleware.responses import Response
from policy_middleware.steps import RespondStream

POLICY_VIOLATION: Final = 1008
"""The WebSocket close code of RFC 6455 section 7.4.1."""


async def send_answer(response: Response, scope: Scope, send: Send) -> None:
    """Answer an HTTP request, or refuse a WebSocket before it is accepted."""
    if scope["type"] == "http":
        body = b"" if scope["method"] == "HEAD" else response.body
        await _send_response(response, body, send, "")
    elif DENIAL_EXTENSION in (scope.get("extensions") or ()):
        await _send_response(response, response.body, send, "websocket.")
    else:
        # Servers answer a close before the acceptance with 403.
        await send({"type": "websocket.close", "code": POLICY_VIOLATION, "reason": "Denied by policy"})


async def _send_response(response: Response, body: bytes, send: Send, prefix: str) -> None:
    start: Message = {
        "type": prefix + RESPONSE_START,
        "status": response.status,
        "headers": raw_headers(response.headers),
    }
    await send(start)
    await send({"type": prefix + RESPONSE_BODY, "body": body})


async def send_stream(step: RespondStream, send: Send) -> None:
    """Send a page of the package's own part by part, each as soon as it is there."""
    await send(
        {"type": RESPONSE_START, "status": step.status, "headers": raw_headers(step.headers)},
    )
    parts = step.parts()
    try:
        async for part in parts:
            await send({"type": RESPONSE_BODY, "body": part, "more_body": True})
        await send({"type": RESPONSE_BODY, "body": b""})
    finally:
        close = getattr(parts, "aclose", None)
        if close is not None:
            await close()


class CutOff(OSError):
    """A handler goes on with a response that was refused."""


def was_cut_off(error: BaseException) -> bool:
    """True for a CutOff and for what a framework makes of one (Starlette raises ClientDisconnect from it)."""
    return isinstance(error, CutOff) or isinstance(error.__cause__ or error.__context__, CutOff)


async def discard(message: Message) -> None:
    """Drop what a handler sends after its response was refused.

    One that goes on is told what ASGI 2.4 says of a client that is gone, so that endless streams end.
    """
    if message.get("more_body", False):
        raise CutOff("the response was refused by the policy middleware")
