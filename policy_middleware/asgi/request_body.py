"""Read a request body ahead of the handler, and let the handler receive exactly what came."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from policy_middleware.asgi.protocol import Message, Receive


class ClientLeft(Exception):
    """The client went away before its request was complete: there is nobody to answer."""


class ReplayedBody:
    """The `receive` of one request; what `read` took is received again, message by message."""

    __slots__ = ("_declared", "_receive", "_taken")

    def __init__(self, receive: Receive, content_length: Sequence[str]) -> None:
        self._receive = receive
        self._declared = content_length
        self._taken: deque[Message] = deque()

    async def read(self, limit: int) -> bytes | None:
        """Return the whole body, or None as soon as it is known to exceed `limit` bytes.

        Raises ClientLeft when the connection ends first.
        """
        if any(_exceeds(length, limit) for length in self._declared):
            return None
        parts: list[bytes] = []
        size = seen = 0
        while True:
            if seen == len(self._taken):
                self._taken.append(await self._receive())
            message = self._taken[seen]
            seen += 1
            if message["type"] == "http.disconnect":
                raise ClientLeft
            part: bytes = message.get("body", b"")
            size += len(part)
            if size > limit:
                return None
            parts.append(part)
            if not message.get("more_body", False):
                return b"".join(parts)

    async def receive(self) -> Message:
        """Return what was read ahead, then what the server sends."""
        return self._taken.popleft() if self._taken else await self._receive()


def _exceeds(length: str, limit: int) -> bool:
    # Counting digits first: a declared length of thousands of digits is nothing int() should read.
    return length.isascii() and length.isdigit() and (len(length) > 18 or int(length) > limit)
