"""The start and end of a server, for applications that do not want to know of them."""

from __future__ import annotations

from collections.abc import Callable

from policy_middleware.asgi.protocol import ASGIApp, Message, Receive, Scope, Send
from policy_middleware.asgi.workers import run_in_worker


async def stand_in(receive: Receive, send: Send, rest: Callable[[], None]) -> None:
    """Answer a server that tells of its start and its end; at the end `rest` is called in a thread.

    For an application without lifespan: uvicorn ends itself by the signal that it was sent, so that nothing
    runs which is to run at Python's exit.
    """
    while (await receive())["type"] == "lifespan.startup":
        await send({"type": "lifespan.startup.complete"})
    await run_in_worker(rest)
    await send({"type": "lifespan.shutdown.complete"})


async def live(app: ASGIApp, scope: Scope, receive: Receive, send: Send, rest: Callable[[], None]) -> None:
    """Run an application's lifespan, and call `rest` in a thread before its end is told.

    One that fails before it has asked for its start speaks no lifespan, and then we do.
    """
    asked = False

    async def asking() -> Message:
        nonlocal asked
        asked = True
        return await receive()

    async def telling(message: Message) -> None:
        if message["type"] in ("lifespan.shutdown.complete", "lifespan.shutdown.failed"):
            await run_in_worker(rest)
        await send(message)

    try:
        await app(scope, asking, telling)
    except Exception:  # whatever an application says to a scope that it does not know
        if asked:
            raise
        await stand_in(receive, send, rest)
