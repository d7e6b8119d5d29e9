"""Small ways to call an ASGI app in these tests."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from typing import Any

Message = MutableMapping[str, Any]
Send = Callable[[Message], Awaitable[None]]
Receive = Callable[[], Awaitable[Message]]

IDENTITY = ((b"x-tenant-id", b"acme"), (b"x-user", b"bea"), (b"x-roles", b"analyst"))


def http_scope(
    path: str = "/", method: str = "GET", headers: Sequence[tuple[bytes, bytes]] = IDENTITY, **more: Any
) -> dict[str, Any]:
    """Return the scope of a request with an identity."""
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "root_path": "",
        "headers": [(b"host", b"testserver"), *headers],
        "client": ("192.0.2.7", 5),
        "server": ("testserver", 80),
        "extensions": {},
        **more,
    }


class Exchange:
    """One request: what the app may receive, and what it sent."""

    def __init__(self, *received: Message) -> None:
        self.coming: list[Message] = list(received) or [
            {"type": "http.request", "body": b"", "more_body": False}
        ]
        self.sent: list[Message] = []

    async def receive(self) -> Message:
        return self.coming.pop(0) if self.coming else {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        self.sent.append(message)

    @property
    def status(self) -> int | None:
        return next((message["status"] for message in self.sent if "status" in message), None)

    @property
    def body(self) -> bytes:
        return b"".join(message.get("body", b"") for message in self.sent)

    def headers(self, name: bytes) -> list[bytes]:
        start = next(message for message in self.sent if "status" in message)
        return [value for key, value in start["headers"] if key == name]


async def ask(app: Any, path: str = "/", method: str = "GET", **more: Any) -> Exchange:
    """Send one request and return the exchange."""
    exchange = Exchange()
    await app(http_scope(path, method, **more), exchange.receive, exchange.send)
    return exchange
