"""What the package itself serves under its prefix, the same in every framework."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial
from typing import Final

from policy_middleware.api_description import api_description
from policy_middleware.approval_documents import REQUESTS_PATH, status_response
from policy_middleware.approvals import ApprovalStatus, ApprovalTask, is_task_id
from policy_middleware.enforcer import PolicyEnforcer
from policy_middleware.model.context import RequestContext
from policy_middleware.model.errors import ApprovalError, NoUsablePolicy, StoreUnavailable
from policy_middleware.parking import queue_refusal
from policy_middleware.responses import ProblemType, Response, json_response, problem, unavailable
from policy_middleware.settings import GateSettings
from policy_middleware.steps import Blocking, ReadBody, RequestView, Respond, Step
from policy_middleware.submissions import SubmissionRefused, Submissions
from policy_middleware.waiting import Patience

log: Final = logging.getLogger("policy_middleware")

OPENAPI_PATH: Final = "/openapi.json"
MAX_SUBMISSION: Final = 64 * 1024
"""Bytes of an access request."""

_UNKNOWN: Final = "There is nothing here for this subject."
_STATES: Final = {
    "task_expired": ProblemType.TASK_EXPIRED,
    "invalid_task_state": ProblemType.INVALID_TASK_STATE,
    "unknown_task": ProblemType.UNKNOWN_TASK,
    "duplicate_request": ProblemType.DUPLICATE_REQUEST,
}


class Endpoints:
    """Access requests of a subject: submitted, looked up and cancelled, and the description of all that."""

    def __init__(self, enforcer: PolicyEnforcer, settings: GateSettings) -> None:
        self._enforcer, self._settings = enforcer, settings
        self._submissions = Submissions(enforcer, settings)
        self._prefix = settings.prefix
        self._below = settings.prefix + "/"
        self._requests = settings.prefix + REQUESTS_PATH
        self._tasks = self._requests + "/"

    def own(self, path: str) -> bool:
        """True for the prefix and everything below it, by whole segments."""
        return path.startswith(self._below) or path == self._prefix

    def open(self, view: RequestView, context: RequestContext, body: bytes | None = None) -> Step:
        """Return the first step for a request whose subject and tenant are known; `body` if it was read."""
        if view.path == self._prefix + OPENAPI_PATH:
            return self._only(view, ("GET", "HEAD")) or Respond(
                None, json_response(200, api_description(self._settings))
            )
        if view.path == self._requests:
            return self._only(view, ("POST",)) or self._submit(view, context, body)
        task_id, _, verb = view.path.removeprefix(self._tasks).partition("/")
        if not view.path.startswith(self._tasks) or not is_task_id(task_id) or verb not in ("", "cancel"):
            return Respond(None, problem(ProblemType.NOT_FOUND, _UNKNOWN))
        if verb:
            cancel = partial(self._cancel, view, context, task_id)
            return self._only(view, ("POST",)) or Blocking(partial(self._answered, cancel))
        patience = Patience(self._enforcer.approval_hub, view, self._settings.max_wait)
        look = partial(self._look, view, context, task_id, patience)
        return self._only(view, ("GET", "HEAD")) or Blocking(look)

    def _only(self, view: RequestView, methods: tuple[str, ...]) -> Respond | None:
        if view.method in methods:
            return None
        allow = (("Allow", ", ".join(methods)),)
        return Respond(
            None, problem(ProblemType.METHOD_NOT_ALLOWED, f"Use {methods[0]} here.", headers=allow)
        )

    def _submit(self, view: RequestView, context: RequestContext, body: bytes | None) -> Step:
        def take(body: bytes | None) -> Step:
            keys = tuple(view.header("idempotency-key"))
            submit = partial(self._submissions.take, body, keys, context, view.root_path)
            return Blocking(partial(self._answered, submit))

        return ReadBody(MAX_SUBMISSION, take) if body is None else take(body)

    def _look(self, view: RequestView, context: RequestContext, task_id: str, patience: Patience) -> Step:
        """Answer with the status of a task, or wait until it is another one."""
        found: list[ApprovalTask] = []

        def status() -> Response:
            task = self._own_task(context, task_id)
            if task is None:
                return problem(ProblemType.UNKNOWN_TASK, _UNKNOWN)
            found.append(task)
            return status_response(task, self._settings, view.root_path)

        answer = self._answered(status)

        def give_up() -> Step:
            return Respond(None, answer.response.adding(patience.applied))

        if found and found[0].status is ApprovalStatus.PENDING:
            again = partial(self._look, view, context, task_id, patience)
            return patience.wait(context.tenant, task_id, again, give_up)
        patience.end()
        return give_up()

    def _cancel(self, view: RequestView, context: RequestContext, task_id: str) -> Response:
        task = self._own_task(context, task_id)
        if task is None:
            return problem(ProblemType.UNKNOWN_TASK, _UNKNOWN)
        cancelled = self._enforcer.approvals.cancel(context.tenant, task_id, requester=task.requester)
        return status_response(cancelled, self._settings, view.root_path)

    def _own_task(self, context: RequestContext, task_id: str) -> ApprovalTask | None:
        """Return the task if it is the asking subject's; a foreign one is as unknown as a missing one."""
        subject = context.attributes.get("subject.id")
        task = self._enforcer.approvals.get(context.tenant, task_id)
        return task if task is not None and subject is not None and task.requester == subject else None

    def _answered(self, answer: Callable[[], Response]) -> Respond:
        """Return what `answer` answers, or how it failed."""
        try:
            return Respond(None, answer())
        except SubmissionRefused as refusal:
            return Respond(None, problem(refusal.kind, refusal.detail))
        except NoUsablePolicy as error:
            log.error("an access request could not be decided: %s", error)
            kind, detail = (
                ProblemType.STORE_UNAVAILABLE,
                "The policy of this tenant cannot be read at the moment.",
            )
            return Respond(None, unavailable(kind, detail, None))
        except StoreUnavailable as error:
            log.error("an access request could not be answered: %s", error)
            kind, detail = (
                ProblemType.STORE_UNAVAILABLE,
                "The approval queue cannot be reached at the moment.",
            )
            return Respond(None, unavailable(kind, detail, None))
        except ApprovalError as error:
            return Respond(None, problem(_STATES.get(error.code) or queue_refusal(error), str(error)))
