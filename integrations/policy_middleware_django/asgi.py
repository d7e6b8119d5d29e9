"""Django's ASGI application, with an end: what waits to be written is written before the server is gone."""

from __future__ import annotations

from typing import Any

from django.core.asgi import get_asgi_application as _get_asgi_application

from policy_middleware.asgi.lifespan import stand_in
from policy_middleware.asgi.protocol import ASGIApp, Receive, Scope, Send
from policy_middleware_django.conf import installations


def get_asgi_application() -> ASGIApp:
    """Return what Django's function of this name returns, which also hears of the server's start and end.

    Django itself knows no lifespan, and uvicorn ends without running what is to run at Python's exit.
    """
    application: Any = _get_asgi_application()

    async def with_lifespan(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await stand_in(receive, send, installations.rest)
        else:
            await application(scope, receive, send)

    return with_lifespan
