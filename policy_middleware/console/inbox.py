"""The inbox of people who approve: which page an address stands for, and what a form does."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Final
from urllib.parse import unquote

from policy_middleware.approvals import ApprovalStatus, ApprovalTask, is_task_id
from policy_middleware.approvals.refusals import refusal
from policy_middleware.console.page_request import PageRequest
from policy_middleware.console.queue_page import Filters, path_of, queue_page
from policy_middleware.console.redaction import redaction_of
from policy_middleware.console.rendering import STATIC, pages, redirect, require_templates, static_file
from policy_middleware.console.request_page import request_page, visible_task
from policy_middleware.console.same_origin import is_from_our_page
from policy_middleware.console.visitor import Visitor
from policy_middleware.enforcer import PolicyEnforcer
from policy_middleware.model.errors import ApprovalError, StoreUnavailable
from policy_middleware.responses import Headers, Response

log: Final = logging.getLogger("policy_middleware")

EVENTS: Final = "/events"
_REQUESTS: Final = "/requests/"
_VERBS: Final = frozenset({"approve", "deny"})

_REFUSED: Final[Mapping[str, int]] = {
    "not_eligible": 403,
    "self_approval": 403,
    "unknown_task": 404,
    "comment_required": 422,
    "comment_too_long": 422,
}
"""The status of the page that says why a vote did not count; anything else is 409."""


class Inbox:
    """The pages; raises MissingExtra at construction without Jinja2. Its methods may block."""

    def __init__(self, enforcer: PolicyEnforcer, public_url: str | None = None) -> None:
        self._enforcer, self._public_url = enforcer, public_url
        # Frameworks make their middlewares on the event loop, where nothing may be read from a disk yet.
        require_templates()

    def is_public(self, request: PageRequest) -> bool:
        """True for what anybody may have: the static files."""
        return request.path.startswith(STATIC)

    def public(self, request: PageRequest) -> Response:
        """Answer a request for a static file."""
        return static_file(request.path) or self.turned_away(request, 404, "There is no such file.")

    def turned_away(self, request: PageRequest, status: int, sentence: str) -> Response:
        """Answer somebody who is no approver, or of whom that cannot be known."""
        headers: Headers = (("Retry-After", "5"),) if status == 503 else ()
        titles = {401: "Sign in first", 503: "Not at the moment"}
        title = titles.get(status, "This inbox is for approvers")
        return self._message(request, None, status, title, sentence, headers)

    def answer(self, request: PageRequest, visitor: Visitor) -> Response:
        """Answer a visitor; may block."""
        try:
            return self._routed(request, visitor)
        except StoreUnavailable as error:
            log.error("the inbox cannot be shown: %s", error)
            return self._message(
                request,
                visitor,
                503,
                "Not at the moment",
                "The approval queue cannot be reached. Nothing was changed; try again in a few seconds.",
                (("Retry-After", "5"),),
            )

    def _routed(self, request: PageRequest, visitor: Visitor) -> Response:
        path = request.path.rstrip("/")
        if path == "":
            return self._only(request, visitor, "GET") or self._queue(request, visitor)
        if path.startswith(_REQUESTS):
            tenant, _, rest = path.removeprefix(_REQUESTS).partition("/")
            task_id, _, verb = rest.partition("/")
            if is_task_id(task_id) and (verb in _VERBS or not verb):
                wrong = self._only(request, visitor, "POST" if verb else "GET")
                if wrong is not None:
                    return wrong
                tenant = unquote(tenant)
                return (
                    self._vote(request, visitor, tenant, task_id, verb)
                    if verb
                    else self._request(request, visitor, tenant, task_id)
                )
        return self._unknown(request, visitor)

    def _only(self, request: PageRequest, visitor: Visitor, method: str) -> Response | None:
        if request.method == method or (request.method, method) == ("HEAD", "GET"):
            return None
        return self._message(
            request,
            visitor,
            405,
            "That is not how this page is used",
            f"Use {method} here.",
            (("Allow", method),),
        )

    def _queue(self, request: PageRequest, visitor: Visitor) -> Response:
        filters = Filters.read(request.parameters, visitor.tenants)
        if filters is None:
            return self._unknown(request, visitor)
        # Whoever looks is to see what time has brought: lapsed requests, second groups of approvers.
        self._enforcer.approvals.advance(filters.tenant)
        redaction = redaction_of(self._enforcer, filters.tenant)
        page = queue_page(self._enforcer.approvals, redaction, visitor, filters)
        now = self._enforcer.approvals.now()
        return self._page("queue.html", request, visitor, 200, page=page, tenant=filters.tenant, now=now)

    def _request(self, request: PageRequest, visitor: Visitor, tenant: str, task_id: str) -> Response:
        queue = self._enforcer.approvals
        task = visible_task(queue, visitor, tenant, task_id)
        if task is not None and task.next_escalation is not None:
            queue.advance(tenant)
            task = visible_task(queue, visitor, tenant, task_id)
        if task is None:
            return self._unknown(request, visitor)
        return self._shown(request, visitor, task, 200, notice=request.parameters.get("notice", ""))

    def _vote(self, request: PageRequest, visitor: Visitor, tenant: str, task_id: str, verb: str) -> Response:
        if not is_from_our_page(request, self._public_url):
            log.warning("a vote on approval %s was refused: the form came from another site", task_id)
            return self._message(
                request,
                visitor,
                403,
                "Nothing was decided",
                "The form did not come from this inbox. Open the request here and decide again. (Behind a "
                "proxy that changes the host, the setting public_url has to say what browsers see.)",
            )
        queue = self._enforcer.approvals
        task = visible_task(queue, visitor, tenant, task_id)
        if task is None:
            return self._unknown(request, visitor)
        comment = request.form.get("comment", "").replace("\r\n", "\n")
        try:
            if visitor.asked_for(task):
                raise refusal("self_approval")
            if verb == "approve":
                task = queue.approve(tenant, task_id, visitor.approver, comment)
            else:
                task = queue.deny(tenant, task_id, visitor.approver, comment)
        except ApprovalError as error:
            task = visible_task(queue, visitor, tenant, task_id)
            if task is None:
                return self._unknown(request, visitor)
            status = _REFUSED.get(error.code, 409)
            return self._shown(request, visitor, task, status, error=error, comment=comment)
        notice = "counted" if task.status is ApprovalStatus.PENDING else task.status.value
        return redirect(f"{request.base}{path_of(task)}?notice={notice}")

    def _shown(
        self,
        request: PageRequest,
        visitor: Visitor,
        task: ApprovalTask,
        status: int,
        *,
        notice: str = "",
        error: ApprovalError | None = None,
        comment: str = "",
    ) -> Response:
        now = self._enforcer.approvals.now()
        page = request_page(self._enforcer, task, visitor, now)
        return self._page(
            "request.html",
            request,
            visitor,
            status,
            page=page,
            notice=notice,
            error=error,
            comment=comment,
            tenant=task.tenant,
            now=now,
        )

    def _unknown(self, request: PageRequest, visitor: Visitor) -> Response:
        sentence = "There is no such request among those you may see. It may have been removed after a while."
        return self._message(request, visitor, 404, "Nothing here", sentence)

    def _message(
        self,
        request: PageRequest,
        visitor: Visitor | None,
        status: int,
        title: str,
        sentence: str,
        headers: Headers = (),
    ) -> Response:
        return self._page(
            "message.html", request, visitor, status, headers, title=title, sentence=sentence, tenant=None
        )

    def _page(
        self,
        template: str,
        request: PageRequest,
        visitor: Visitor | None,
        status: int,
        headers: Headers = (),
        **variables: object,
    ) -> Response:
        return pages().page(
            template,
            status,
            headers,
            base=request.base,
            visitor=visitor,
            events=EVENTS,
            **variables,
        )
