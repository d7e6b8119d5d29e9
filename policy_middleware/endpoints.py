"""What the package itself serves under its prefix, the same in every framework."""

from __future__ import annotations

import logging
from typing import Final, Protocol

from policy_middleware.approval_documents import REQUESTS_PATH, status_response
from policy_middleware.approvals import ApprovalTask, is_task_id
from policy_middleware.enforcer import PolicyEnforcer
from policy_middleware.model.context import RequestContext
from policy_middleware.model.errors import ApprovalError, StoreUnavailable
from policy_middleware.responses import ProblemType, Response, problem, unavailable
from policy_middleware.settings import GateSettings

log: Final = logging.getLogger("policy_middleware")

_UNKNOWN: Final = "There is nothing here for this subject."


class PageRequest(Protocol):
    """The part of a request that these pages look at."""

    @property
    def method(self) -> str: ...
    @property
    def path(self) -> str: ...
    @property
    def root_path(self) -> str: ...


class Endpoints:
    """The status of a requester's own approvals, and their cancellation."""

    def __init__(self, enforcer: PolicyEnforcer, settings: GateSettings) -> None:
        self._enforcer, self._settings = enforcer, settings
        self._prefix = settings.prefix
        self._below = settings.prefix + "/"
        self._tasks = f"{settings.prefix}{REQUESTS_PATH}/"

    def own(self, path: str) -> bool:
        """True for the prefix and everything below it, by whole segments."""
        return path.startswith(self._below) or path == self._prefix

    def answer(self, request: PageRequest, context: RequestContext) -> Response:
        """Answer a request whose subject and tenant are known; may block."""
        task_id, _, verb = request.path.removeprefix(self._tasks).partition("/")
        if not request.path.startswith(self._tasks) or not is_task_id(task_id) or verb not in ("", "cancel"):
            return problem(ProblemType.NOT_FOUND, _UNKNOWN)
        allowed = ("POST",) if verb else ("GET", "HEAD")
        if request.method not in allowed:
            return problem(
                ProblemType.METHOD_NOT_ALLOWED,
                f"Use {allowed[0]} here.",
                headers=(("Allow", ", ".join(allowed)),),
            )
        try:
            return (
                self._cancel(request, context, task_id) if verb else self._status(request, context, task_id)
            )
        except StoreUnavailable as error:
            log.error("approval %s could not be looked up: %s", task_id, error)
            return unavailable(
                ProblemType.STORE_UNAVAILABLE, "The approval queue cannot be reached at the moment.", None
            )
        except ApprovalError as error:
            return problem(ProblemType.APPROVAL_UNAVAILABLE, str(error))

    def _status(self, request: PageRequest, context: RequestContext, task_id: str) -> Response:
        task = self._own_task(context, task_id)
        if task is None:
            return problem(ProblemType.NOT_FOUND, _UNKNOWN)
        return status_response(task, self._settings, request.root_path)

    def _cancel(self, request: PageRequest, context: RequestContext, task_id: str) -> Response:
        task = self._own_task(context, task_id)
        if task is None:
            return problem(ProblemType.NOT_FOUND, _UNKNOWN)
        cancelled = self._enforcer.approvals.cancel(context.tenant, task_id, requester=task.requester)
        return status_response(cancelled, self._settings, request.root_path)

    def _own_task(self, context: RequestContext, task_id: str) -> ApprovalTask | None:
        """Return the task if it is the asking subject's; a foreign one is as unknown as a missing one."""
        subject = context.attributes.get("subject.id")
        task = self._enforcer.approvals.get(context.tenant, task_id)
        return task if task is not None and subject is not None and task.requester == subject else None
