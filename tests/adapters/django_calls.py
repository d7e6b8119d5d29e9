"""Calling a Django project under settings of its own, over WSGI and over ASGI."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Any

from django.test import AsyncClient, Client, override_settings

from policy_middleware.enforcer import PolicyEnforcer
from tests.adapters import django_project

from .asgi_policies import SOURCES

OURS = "policy_middleware_django.PolicyMiddleware"
HEADERS = {"X-Tenant-ID": "acme", "X-User": "bea", "X-Roles": "analyst"}

django_project.configure()


def project(
    enforcer: PolicyEnforcer,
    urlpatterns: Sequence[Any] = (),
    *,
    outside: Sequence[str] = (),
    inside: Sequence[str] = (),
    settings: dict[str, Any] | None = None,
    handlers: dict[str, Any] | None = None,
    **options: Any,
) -> AbstractContextManager[Any]:
    """Return the settings of a project whose policy middleware stands between `outside` and `inside`."""
    configured = {"enforcer": enforcer, **SOURCES, **options}
    return override_settings(
        MIDDLEWARE=[*outside, OURS, *inside],
        ROOT_URLCONF=django_project.urlconf(list(urlpatterns), **(handlers or {})),
        POLICY_MIDDLEWARE={name.upper(): value for name, value in configured.items() if value is not None},
        **(settings or {}),
    )


def get(
    target: str = "/docs/7", method: str = "GET", *, headers: dict[str, str] = HEADERS, **more: Any
) -> Any:
    """Send a request over WSGI."""
    return Client(raise_request_exception=False).generic(method, target, headers=headers, **more)


async def aget(
    target: str = "/docs/7", method: str = "GET", *, headers: dict[str, str] = HEADERS, **more: Any
) -> Any:
    """Send a request over ASGI."""
    client = AsyncClient(raise_request_exception=False)
    return await client.generic(method, target, headers=headers, **more)
