"""A further check inside a FastAPI handler, for actions that only some of its requests perform."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from fastapi import Depends, Request
from starlette.requests import HTTPConnection

from policy_middleware.asgi.middleware import MARKS_SCOPE_KEY, PolicyRefusal
from policy_middleware.asgi.workers import run_in_worker
from policy_middleware.model.decision import PolicyDecision
from policy_middleware.model.errors import MaskError, SettingsError
from policy_middleware.responses import ProblemType, problem
from policy_middleware.routing import policy_action, route_policy
from policy_middleware.steps import ProceedMasked, Respond, RespondStream, drive_async
from policy_middleware_starlette.middleware import StarletteRequest

DEPENDENCY_ACTION_ATTRIBUTE = "__policy_required__"
"""Where `require` leaves the name of its action on the dependency, for the OpenAPI document."""


def require(action: str, *, resource: str | None = None, tags: Sequence[str] = ()) -> Any:
    """Return a dependency that decides a further action; write it in `dependencies=[...]` or `Annotated`.

    The request's tenant, subject, roles and attributes are read again as PolicyMiddleware is set up to, and
    the decision is recorded like any other; the handler may take it as a value (None where the request is
    exempt). Allowed: the handler runs. Denied: 403. Approval required: 202, and the replay with
    X-Approval-Id runs (bodies other than forms). Masked: a dependency cannot reach the response, so the
    request is refused with 502; put the action on the route with `@policy_action` to have it masked.

    Dependencies run after the body was parsed; validation errors of the request come after the refusal.
    Raises SettingsError for a malformed action or resource, and at the first request when no
    PolicyMiddleware is installed.
    """
    check = _check(policy_action(action, resource=resource, tags=tags))
    setattr(check, DEPENDENCY_ACTION_ATTRIBUTE, action)
    return Depends(check)


def _check(annotate: Callable[[Callable[[], None]], Callable[[], None]]) -> Callable[..., Any]:
    def further_action() -> None:
        """Carry the metadata; never called."""

    annotate(further_action)

    async def check(connection: HTTPConnection) -> PolicyDecision | None:
        marks = connection.scope.get(MARKS_SCOPE_KEY)
        if not marks:
            raise SettingsError(
                "require(...) needs PolicyMiddleware: app.add_middleware(PolicyMiddleware, tenant=...)"
            )
        gate, _, _, resolution = marks[-1]
        view = StarletteRequest(connection.scope)
        if resolution is not None:
            view.follow(resolution)
        template = view.route.template if view.route is not None else view.path
        view.route = route_policy(view.method, template, further_action)
        view.path_params = connection.path_params

        async def read_body(limit: int) -> bytes | None:
            return await _body_of(connection, limit)

        step = await drive_async(gate.open(view), read_body, run_in_worker)
        if isinstance(step, RespondStream):
            step = step.instead
        if isinstance(step, Respond):
            raise PolicyRefusal(step.response, step.decision)
        if isinstance(step, ProceedMasked):
            error = MaskError("a dependency cannot mask the response; put the action on the route itself")
            raise PolicyRefusal(step.refuse(error), step.decision)
        return step.decision

    return check


async def _body_of(connection: HTTPConnection, limit: int) -> bytes | None:
    """Return the body that FastAPI has read already; raises PolicyRefusal for a form, which is not kept."""
    if not isinstance(connection, Request):
        return b""
    try:
        body = await connection.body()
    except RuntimeError:
        response = problem(
            ProblemType.APPROVAL_UNAVAILABLE, "A form cannot be bound to an approval by this check."
        )
        raise PolicyRefusal(response, None) from None
    return body if len(body) <= limit else None
