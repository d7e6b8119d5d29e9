"""Stop what only its client wanted, as soon as that client is gone."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from policy_middleware.asgi.protocol import Receive
from policy_middleware.asgi.request_body import ClientLeft

Result = TypeVar("Result")


async def while_client_stays(receive: Receive, work: Callable[[], Awaitable[Result]]) -> Result:
    """Await `work()`, or cancel it and raise ClientLeft when the server says that the client left.

    The request body has to have been read: until the client leaves there is nothing more to receive.
    """
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return await _on_trio(receive, work)
    working = asyncio.ensure_future(_completed(work))
    leaving = asyncio.ensure_future(_left(receive))
    try:
        await asyncio.wait((working, leaving), return_when=asyncio.FIRST_COMPLETED)
        if working.done():
            return working.result()
        leaving.result()  # a server that fails to receive is not a client that left
        raise ClientLeft
    finally:
        for task in (working, leaving):
            task.cancel()
        await asyncio.gather(working, leaving, return_exceptions=True)


async def _on_trio(receive: Receive, work: Callable[[], Awaitable[Result]]) -> Result:
    import outcome
    import trio

    ended: list[outcome.Outcome[Result]] = []
    async with trio.open_nursery() as nursery:

        async def working() -> None:
            try:
                ended.append(outcome.Value(await work()))
            except Exception as error:  # noqa: BLE001 -- handed on unwrapped; cancellation is the nursery's
                ended.append(outcome.Error(error))
            nursery.cancel_scope.cancel()

        async def leaving() -> None:
            await _left(receive)
            nursery.cancel_scope.cancel()

        nursery.start_soon(working)
        nursery.start_soon(leaving)
    if not ended:
        raise ClientLeft
    return ended[0].unwrap()


async def _completed(work: Callable[[], Awaitable[Result]]) -> Result:
    return await work()


async def _left(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
