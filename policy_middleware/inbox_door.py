"""Who may come into the inbox, and how a request for one of its pages is answered step by step."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from typing import Final
from urllib.parse import quote, urlsplit

from policy_middleware.attributes import Custom, Source, WouldBlock, as_source
from policy_middleware.console import Inbox, PageRequest, Visitor, visitor_of
from policy_middleware.console.inbox import EVENTS
from policy_middleware.console.page_request import READ_HEADERS
from policy_middleware.enforcer import PolicyEnforcer
from policy_middleware.extraction import Extraction, Failure, Refused, await_sources, run_sources
from policy_middleware.model.context import RequestContext
from policy_middleware.model.errors import SettingsError
from policy_middleware.responses import Headers, ProblemType, Response, problem_status
from policy_middleware.settings import GateSettings
from policy_middleware.steps import Awaiting, Blocking, ReadBody, RequestView, Respond, RespondStream, Step

log: Final = logging.getLogger("policy_middleware")

INBOX_PATH: Final = "/inbox"
"""Where the inbox is below the prefix."""

MAX_FORM: Final = 64 * 1024
"""Bytes of a form; each of a comment's 4096 characters may take twelve, percent-encoded."""

STREAM_SECONDS: Final = 300.0
"""For how long a page is told of changes before it has to ask again, and so to show anew who it is for."""
HEARTBEAT_SECONDS: Final = 15.0
MAX_STREAMS: Final = 200
"""Pages of one process that are told of changes at a time; all others look for themselves."""

_MAY_BE_MISSING: Final = frozenset({ProblemType.IDENTITY_MISSING, ProblemType.TENANT_MISSING})
"""What an approver who names their tenants can do without: browsers send no headers of an API's clients."""
_STREAM_HEADERS: Final[Headers] = (
    ("Content-Type", "text/event-stream"),
    ("Cache-Control", "no-store"),
    ("X-Accel-Buffering", "no"),
    ("X-Content-Type-Options", "nosniff"),
)


def open_door(enforcer: PolicyEnforcer, settings: GateSettings, extraction: Extraction) -> InboxDoor | None:
    """Return the door to the inbox, None when there is no inbox.

    Raises SettingsError for an inbox that nobody could be let into, MissingExtra without Jinja2.
    """
    if settings.approver is None:
        if settings.inbox:
            raise SettingsError(
                "inbox: say who may approve, by approver=callable: it receives the request and returns an "
                "Approver for somebody whom your application has signed in, else None"
            )
        return None
    if settings.inbox is False:
        return None
    source = as_source(settings.approver, "approver")
    if not isinstance(source, Custom):
        raise SettingsError(
            f"approver: {settings.approver!r} is no callable; give one that returns an Approver or None"
        )
    return InboxDoor(enforcer, settings, extraction, source)


class InboxDoor:
    """Lets approvers in, and nobody else; immutable and shared by every request."""

    def __init__(
        self, enforcer: PolicyEnforcer, settings: GateSettings, extraction: Extraction, approver: Custom
    ) -> None:
        self._enforcer, self._settings, self._extraction = enforcer, settings, extraction
        self._approver = approver
        self._awaited = extraction.awaited + ((approver,) if approver.asynchronous else ())
        self._blocking = extraction.blocking + (() if approver.asynchronous else (approver,))
        self._inbox: Final = Inbox(enforcer, settings.public_url)
        self.path: Final = settings.prefix + INBOX_PATH
        self._below = self.path + "/"

    def leads_to(self, path: str) -> bool:
        """True for the inbox and everything below it, by whole segments."""
        return path.startswith(self._below) or path == self.path

    def open(self, view: RequestView) -> Step:
        """Return the first step for a request of the inbox."""
        request = self._page_request(view)
        if self._inbox.is_public(request):
            return Blocking(lambda: Respond(None, self._inbox.public(request)))
        if self._awaited:
            return Awaiting(lambda: self._await_sources(view, request))
        return Blocking(lambda: self._run_sources(view, request, {}))

    async def _await_sources(self, view: RequestView, request: PageRequest) -> Step:
        found = await await_sources(self._awaited, view)
        return Blocking(lambda: self._run_sources(view, request, found))

    def _run_sources(self, view: RequestView, request: PageRequest, found: dict[Source, object]) -> Step:
        found |= run_sources(self._blocking, view)
        # Bodies of the inbox are forms of our own.
        found |= dict.fromkeys(self._extraction.in_body)
        visitor = self._visitor(view, request, found)
        if isinstance(visitor, Response):
            return Respond(None, visitor)
        if request.path == EVENTS and request.method == "GET":
            return self._events(request, visitor)
        if request.method != "POST":
            return Respond(None, self._inbox.answer(request, visitor))

        def decide(body: bytes | None) -> Step:
            def answer() -> Step:
                if body is None:
                    return Respond(None, self._inbox.turned_away(request, 413, "The form is too long."))
                return Respond(None, self._inbox.answer(self._page_request(view, body), visitor))

            return Blocking(answer)

        return ReadBody(MAX_FORM, decide)

    def _visitor(
        self, view: RequestView, request: PageRequest, found: dict[Source, object]
    ) -> Visitor | Response:
        """Return who asks, or the page that turns them away."""
        approver = found[self._approver]
        if isinstance(approver, Failure):
            return self._unavailable(request)
        tenant = subject = None
        refused: Refused | None = None
        try:
            context = self._context(view, found)
        except Refused as refusal:
            refused = refusal
            known = refusal.attributes.get("subject.id")
        else:
            tenant, known = context.tenant, context.attributes.get("subject.id")
        if isinstance(known, str):
            subject = known
        try:
            visitor = visitor_of(approver, tenant=tenant, subject=subject)
        except SettingsError as error:
            log.error("nobody is let into the inbox: %s", error)
            return self._unavailable(request)
        if visitor is None:
            return self._inbox.turned_away(
                request,
                403,
                "Sign in to the application as somebody who may approve requests, then open this page again.",
            )
        if refused is not None and (refused.kind not in _MAY_BE_MISSING or not visitor.tenants):
            return self._inbox.turned_away(request, problem_status(refused.kind), refused.detail)
        return visitor

    def _context(self, view: RequestView, found: dict[Source, object]) -> RequestContext:
        while True:
            try:
                return self._extraction.context(view, found)
            except WouldBlock as waiting:
                waiting.look_up()

    def _unavailable(self, request: PageRequest) -> Response:
        return self._inbox.turned_away(
            request, 503, "It cannot be found out who you are. Try again in a few seconds."
        )

    def _events(self, request: PageRequest, visitor: Visitor) -> Step:
        """Tell a page whenever something changes in the queue of its tenant."""
        tenant = request.parameters.get("tenant", "")
        hub = self._enforcer.approval_hub
        # By this status an EventSource learns not to come back; the page then looks for itself.
        nothing = Respond(None, Response(204, (("Cache-Control", "no-store"),), b""))
        if tenant not in visitor.tenants or hub.pages >= MAX_STREAMS:
            return nothing

        async def parts() -> AsyncIterator[bytes]:
            yield b"retry: 2000\n\n"
            with hub.watch(tenant) as watch:
                if hub.pages > MAX_STREAMS:
                    return  # many came at the same moment; whoever comes back is answered 204
                for _ in range(int(STREAM_SECONDS / HEARTBEAT_SECONDS)):
                    changed = await watch.changed(HEARTBEAT_SECONDS)
                    yield b"event: change\ndata: 1\n\n" if changed else b": nothing new\n\n"

        return RespondStream(200, _STREAM_HEADERS, parts, nothing)

    def _page_request(self, view: RequestView, body: bytes = b"") -> PageRequest:
        return PageRequest(
            method=view.method,
            path=view.path[len(self.path) :],
            base=self._base(view.root_path) + self.path,
            query=view.query,
            headers={name: tuple(view.header(name)) for name in READ_HEADERS},
            body=body,
        )

    def _base(self, root_path: str) -> str:
        """Return the application's own path as browsers see it; never built from the Host header."""
        if self._settings.public_url is not None:
            return urlsplit(self._settings.public_url).path.rstrip("/")
        # Without the outer slashes: two of them at the start would name another host.
        inner = root_path.strip("/")
        return quote(f"/{inner}") if inner else ""
