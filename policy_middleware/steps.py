"""What the gate asks of an adapter, step by step, and how adapters take the steps."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from policy_middleware.attributes import HeaderNames
from policy_middleware.masking import MaskReport, ResponseMask
from policy_middleware.model.decision import PolicyDecision
from policy_middleware.model.errors import MaskError
from policy_middleware.responses import Headers, Response
from policy_middleware.routing import RoutePolicy


class RequestView(Protocol):
    """What an adapter tells about one request; it reads lazily and is used by one request only."""

    @property
    def method(self) -> str:
        """Upper case, as dispatched on; `WEBSOCKET` for a WebSocket handshake."""

    @property
    def path(self) -> str:
        """The decoded path below the application's root, as its router sees it."""

    @property
    def root_path(self) -> str:
        """The part of the path before the application (`root_path`, `SCRIPT_NAME`)."""

    @property
    def query(self) -> str:
        """The raw query string without `?`."""

    @property
    def host(self) -> str | None:
        """The Host header: what the client says, not to be trusted."""

    @property
    def client(self) -> str | None:
        """The peer's address as the server reports it."""

    @property
    def route(self) -> RoutePolicy | None:
        """The route that will run; None when none matched or the protocol knows none."""

    @property
    def path_params(self) -> Mapping[str, object]:
        """The route's converted path parameters."""

    @property
    def native(self) -> object:
        """The framework's own request object: what custom callables receive."""

    @property
    def joins_duplicates(self) -> bool:
        """True where the server folds repeated headers into one with commas (WSGI)."""

    def header(self, name: str) -> Sequence[str]:
        """Return every value of the header with this lower-case name, in order."""

    def single_headers(self, names: HeaderNames) -> tuple[object, ...] | None:
        """Return the raw value of each header, None for one that is missing; None when one may be repeated.

        The same values always mean the same as those of `header`, so what came of them can be remembered.
        """

    def user(self) -> object | None:
        """Return the user the framework itself authenticated, or None."""


@dataclass(frozen=True, slots=True)
class Blocking:
    """`run()` may block (store, approvals, a synchronous source); it returns the next step."""

    run: Callable[[], Step]


@dataclass(frozen=True, slots=True)
class Awaiting:
    """`await run()` returns the next step (an asynchronous source)."""

    run: Callable[[], Awaitable[Step]]


@dataclass(frozen=True, slots=True)
class ReadBody:
    """Read the request body up to `limit` bytes, keep it for the handler, and call `resume`.

    `resume` takes the body, or None when it is longer than the limit; it returns the next step.
    """

    limit: int
    resume: Callable[[bytes | None], Step]


# Not frozen: one is made per request, and freezing makes that three times as expensive.
@dataclass(slots=True)
class Proceed:
    """Run the handler and leave its response untouched but for `headers`; no decision means exempt."""

    decision: PolicyDecision | None
    headers: Headers = ()


class Refuse(Protocol):
    """Records that a response cannot be masked, and returns the answer in its place."""

    def __call__(self, error: MaskError, left: MaskReport | None = None, /) -> Response:
        """Refuse a response; `left` is what was masked in the part of it that has left."""


@dataclass(frozen=True, slots=True)
class ProceedMasked:
    """Run the handler and pass its response through `mask`; on MaskError send `refuse(error)` instead.

    Where a part of the response has left already, call `refuse` all the same, for it is told and recorded,
    and raise BrokenOff to the server. However a response ends, call one of `refuse` and `masked`: the first
    call is recorded, later ones are not.
    """

    decision: PolicyDecision
    headers: Headers
    mask: ResponseMask
    refuse: Refuse
    masked: Callable[[MaskReport], None]
    """To be called with what was masked once the response is complete, or nobody is left to get it."""


@dataclass(frozen=True, slots=True)
class Respond:
    """Answer without running the handler.

    `html` says that this is a denial for a client that prefers text/html: the framework may render its own
    403 page instead of `response`, keeping `response.status` and the X-Policy-* headers.
    """

    decision: PolicyDecision | None
    response: Response
    html: bool = False


@dataclass(frozen=True, slots=True)
class Waiting:
    """The client asked to wait for what may happen soon (RFC 7240 `Prefer: wait`).

    Servers with an event loop take `await wait()`, which holds no thread, ends in bounded time and returns
    the next step; they cancel it when the client leaves. All others go on with `at_once()`.
    """

    at_once: Callable[[], Step]
    wait: Callable[[], Awaitable[Step]]


@dataclass(frozen=True, slots=True)
class RespondStream:
    """Answer with a page of the package's own that goes on, part by part, until its end.

    `parts()` is called once, on the event loop, and closed when the client leaves; it must not block. Servers
    without an event loop answer `instead`, so that no page of ours ever pins one of their threads.
    """

    status: int
    headers: Headers
    parts: Callable[[], AsyncIterator[bytes]]
    instead: Respond


FinalStep = Proceed | ProceedMasked | Respond
AsyncFinalStep = FinalStep | RespondStream
Step = Blocking | Awaiting | ReadBody | Waiting | AsyncFinalStep


def drive(step: Step, read_body: Callable[[int], bytes | None]) -> FinalStep:
    """Take every step in place, as synchronous servers do; `read_body(limit)` reads and keeps the body."""
    while True:
        if isinstance(step, Blocking):
            step = step.run()
        elif isinstance(step, ReadBody):
            step = step.resume(read_body(step.limit))
        elif isinstance(step, Awaiting):
            step = asyncio.run(_completed(step))
        elif isinstance(step, Waiting):
            step = step.at_once()
        elif isinstance(step, RespondStream):
            step = step.instead
        else:
            return step


async def _to_the_end(wait: Callable[[], Awaitable[Step]]) -> Step:
    return await wait()


async def drive_async(
    step: Step,
    read_body: Callable[[int], Awaitable[bytes | None]],
    run_blocking: Callable[[Callable[[], Step]], Awaitable[Step]],
    wait: Callable[[Callable[[], Awaitable[Step]]], Awaitable[Step]] = _to_the_end,
) -> AsyncFinalStep:
    """Take every step without holding the event loop; `run_blocking` runs a callable in a worker thread.

    `wait` takes what is to be awaited in a Waiting step; it raises when the client leaves meanwhile.
    """
    while True:
        if isinstance(step, Blocking):
            step = await run_blocking(step.run)
        elif isinstance(step, ReadBody):
            step = step.resume(await read_body(step.limit))
        elif isinstance(step, Awaiting):
            step = await step.run()
        elif isinstance(step, Waiting):
            step = await wait(step.wait)
        else:
            return step


async def _completed(step: Awaiting) -> Step:
    return await step.run()
