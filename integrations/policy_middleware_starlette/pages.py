"""Let the application render its own 403 page for a person whom the policy denies."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable
from typing import Final, cast

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from policy_middleware.asgi.protocol import Scope
from policy_middleware.steps import Respond

_KEPT: Final = "x-policy-"


async def render_forbidden_page(step: Respond, scope: Scope) -> Response | None:
    """Return the page of `exception_handlers[403]`, None when the application has no such handler."""
    app = scope.get("app")
    handler = app.exception_handlers.get(403) if isinstance(app, Starlette) else None
    if handler is None:
        return None
    reason = step.decision.reason if step.decision is not None else "Denied by policy"
    error = HTTPException(step.response.status, detail=reason)
    if inspect.iscoroutinefunction(handler) or inspect.iscoroutinefunction(type(handler).__call__):
        page = await cast("Callable[[Request, Exception], Awaitable[Response]]", handler)(
            Request(scope), error
        )
    else:
        page = await run_in_threadpool(
            cast("Callable[[Request, Exception], Response]", handler), Request(scope), error
        )
    page.status_code = step.response.status
    for name, value in step.response.headers:
        if name.lower().startswith(_KEPT) or name.lower() == "cache-control":
            page.headers[name] = value
    return page
