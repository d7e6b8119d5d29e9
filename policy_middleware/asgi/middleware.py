"""The policy middleware for any ASGI application."""

from __future__ import annotations

from functools import partial
from typing import Final

from policy_middleware.asgi.answering import send_answer, send_stream, was_cut_off
from policy_middleware.asgi.leaving import while_client_stays
from policy_middleware.asgi.lifespan import live
from policy_middleware.asgi.masking import MaskingResponse, masked_scope
from policy_middleware.asgi.masking_socket import MaskingSocket
from policy_middleware.asgi.passing import PassingResponse, Verify
from policy_middleware.asgi.protocol import ASGIApp, Receive, Scope, Send, raw_headers
from policy_middleware.asgi.request import AsgiRequest, Resolution
from policy_middleware.asgi.request_body import ClientLeft, ReplayedBody
from policy_middleware.asgi.workers import run_in_worker
from policy_middleware.gate import Gate, build_gate
from policy_middleware.model.decision import PolicyDecision
from policy_middleware.model.errors import PolicyError, SettingsError
from policy_middleware.responses import Response
from policy_middleware.steps import Proceed, ProceedMasked, Respond, RespondStream, drive_async

MARKS_SCOPE_KEY: Final = "policy_middleware.marks"
"""What every policy middleware on the way here did with the request; the last one is that of the nearest.

The request itself is no part of a mark: it refers to the scope, and a cycle would leave every request to the
garbage collector.
"""


class PolicyRefusal(PolicyError):
    """A further check inside the application refuses the request; PolicyMiddleware answers with `response`.

    It is no HTTP exception of any framework, so that an application's handler for those does not rewrite the
    problem document.
    """

    def __init__(self, response: Response, decision: PolicyDecision | None) -> None:
        super().__init__(f"refused by policy with status {response.status}")
        self.response = response
        self.decision = decision


Mark = tuple[Gate, str | None, str | None, Resolution | None]
"""The gate, the method and the path that it decided on (no path: it was exempt), and the resolved route."""


class PolicyMiddleware:
    """Decide every HTTP request and WebSocket handshake before the application runs.

    The options are those of every adapter: `enforcer` or the settings to make one (`store_url`, ...), and
    where attributes come from (`tenant`, `subject`, `roles`, `identity`, `attributes`, ...). A plain ASGI
    application has no routes that we could know, so actions are `METHOD /path`. A WebSocket is decided when
    it connects and not again while it is open; under a mask its messages are masked.

    Raises SettingsError for options that cannot work.
    """

    def __init__(self, app: ASGIApp, /, **options: object) -> None:
        self.app = app
        self.gate: Final[Gate] = build_gate(options)
        self._observing: Final = self.gate.settings.mode == "observe"

    def check_start_up(self, scope: Scope) -> None:
        """Check, when the server starts, what is known only then; raises SettingsError."""

    def request_of(self, scope: Scope) -> AsgiRequest:
        """Return the request as the gate sees it."""
        return AsgiRequest(scope)

    async def respond(
        self, step: Respond, request: AsgiRequest, scope: Scope, receive: Receive, send: Send
    ) -> None:
        """Answer without running the application."""
        await send_answer(step.response, scope, send)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Decide, then run the application, mask it, or answer in its place."""
        kind = scope["type"]
        if kind not in ("http", "websocket"):
            if kind == "lifespan":
                await self._start_up(scope, receive, send)
                await live(self.app, scope, receive, send, self.gate.enforcer.rest)
            else:
                await self.app(scope, receive, send)
            return
        earlier: tuple[Mark, ...] = scope.get(MARKS_SCOPE_KEY, ())
        if earlier and self._is_decided(scope, earlier):
            await self.app(scope, receive, send)
            return
        request = self.request_of(scope)
        step = self.gate.open(request)
        if step.__class__ is not Proceed:
            body = ReplayedBody(receive, request.header("content-length"))
            # What was read ahead is for the handler; whether the client left, only the server says.
            staying, receive = partial(while_client_stays, receive), body.receive
            try:
                step = await drive_async(step, body.read, run_in_worker, staying)
                if isinstance(step, RespondStream):
                    await staying(partial(send_stream, step, send))
                    return
            except ClientLeft:
                return
        try:
            if isinstance(step, Respond):
                await self.respond(step, request, scope, receive, send)
                return
            resolution, decision = request.resolution, step.decision
            # What is exempt here is left to be decided by the middlewares further inside.
            path = None if decision is None else scope["path"]
            scope[MARKS_SCOPE_KEY] = (*earlier, (self.gate, scope.get("method"), path, resolution))
            verify = None if resolution is None else partial(self._verified, request, resolution, decision)
            if isinstance(step, ProceedMasked):
                run = self._run_masked if kind == "http" else self._run_masked_socket
                await run(step, verify, scope, receive, send)
            elif decision is None and verify is None:
                await self.app(scope, receive, send)
            else:
                passing = PassingResponse(scope, send, raw_headers(step.headers), resolution, verify)
                await self.app(scope, receive, passing)
        except PolicyRefusal as refusal:
            await send_answer(refusal.response, scope, send)
        except Exception as error:
            if not was_cut_off(error):
                raise

    async def _start_up(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Stop the start of a server for settings that cannot work.

        To most servers a lifespan that only raises is an application without one, and they go on to serve it.
        """
        try:
            self.check_start_up(scope)
        except SettingsError as error:
            await receive()
            await send({"type": "lifespan.startup.failed", "message": str(error)})
            raise

    def _is_decided(self, scope: Scope, earlier: tuple[Mark, ...]) -> bool:
        """True when this enforcer has decided this very request already.

        A request whose method or path was rewritten in between is another one, and what was only observed is
        not decided for a middleware that enforces.
        """
        own, target = self.gate, (scope.get("method"), scope["path"])
        return any(
            (method, path) == target
            and gate.enforcer is own.enforcer
            and gate.settings.mode == own.settings.mode
            for gate, method, path, _ in earlier
        )

    async def _run_masked(
        self, step: ProceedMasked, verify: Verify | None, scope: Scope, receive: Receive, send: Send
    ) -> None:
        scope = masked_scope(scope)
        masking = MaskingResponse(step, scope, send, raw_headers(step.headers), verify)
        try:
            await self.app(scope, masking.watched(receive), masking)
        except PolicyRefusal:
            if not masking.has_begun_to_leave:
                raise
            await masking.fail()
        except Exception as error:
            # Starlette answers it outside of all middlewares, by a handler whose response nobody would mask,
            # unless it sees that an answer has been sent.
            if not was_cut_off(error):
                await masking.fail()
                raise
        except BaseException:  # servers cancel a request whose client has left
            masking.abandon()
            raise
        await masking.complete()

    async def _run_masked_socket(
        self, step: ProceedMasked, verify: Verify | None, scope: Scope, receive: Receive, send: Send
    ) -> None:
        scope = masked_scope(scope)
        masking = MaskingSocket(step, scope, send, raw_headers(step.headers), verify)
        try:
            await self.app(scope, receive, masking)
            await masking.complete()
        except BaseException:
            masking.abandon()
            raise

    def _verified(
        self,
        request: AsgiRequest,
        resolution: Resolution,
        decision: PolicyDecision | None,
        scope: Scope,
        status: int,
    ) -> Response | None:
        """Return the answer to send when another route ran than the one decided on."""
        ran = self.what_ran_instead(resolution, scope, status)
        if ran is None:
            return None
        if decision is None:
            held_back = self.gate.undecided(request)
            return held_back.response if isinstance(held_back, Respond) else None
        answer = self.gate.unverified(request, decision, ran)
        return None if self._observing else answer

    @staticmethod
    def what_ran_instead(resolution: Resolution, scope: Scope, status: int) -> str | None:
        """Name what ran in place of the resolved route, None when it was that route."""
        return None
