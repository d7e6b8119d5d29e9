"""The same small service in every framework, with a store that nobody can reach."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final, Protocol

from django.http import HttpRequest, JsonResponse
from django.test import Client, override_settings
from django.urls import path
from fastapi import FastAPI
from flask import Flask
from starlette.testclient import TestClient

from policy_middleware import PolicyEnforcer, policy_action, policy_exempt
from policy_middleware.attributes import header
from policy_middleware_django import PolicyMiddleware as DjangoMiddleware
from policy_middleware_django import drf
from policy_middleware_fastapi import PolicyMiddleware as FastAPIMiddleware
from policy_middleware_flask import PolicyMiddleware as FlaskExtension
from tests.adapters.django_project import configure, urlconf

configure()

NOWHERE: Final = "redis://127.0.0.1:1/0"
"""Nobody listens on port 1, so whatever asks this store fails."""
SOURCES: Final = {
    "tenant": header("X-Tenant-ID"),
    "subject": header("X-User"),
    "roles": header("X-Roles"),
}
CUSTOMER: Final = {"id": "7", "email": "ada@example.com"}
READ: Final = policy_action("customer.read", resource="customer:{id}", tags=["pii"])
DELETE: Final = policy_action("customer.delete", resource="customer:{id}")


class Service(Protocol):
    """Sends a request as bea, in the framework's own test client."""

    def __call__(self, method: str, target: str, role: str, **headers: str) -> Any: ...


def headers_of(role: str, more: Mapping[str, str]) -> dict[str, str]:
    """Return the headers of a request; keywords with underscores name further ones."""
    named = {name.replace("_", "-"): value for name, value in more.items()}
    return {"X-Tenant-ID": "acme", "X-User": "bea", "X-Roles": role, **named}


@contextmanager
def fastapi_service(**options: Any) -> Iterator[Service]:
    app = FastAPI()

    @app.get("/customers/{id}")
    @READ
    async def read(id: str) -> dict[str, str]:  # noqa: A002 -- the template's name
        return CUSTOMER

    @app.delete("/customers/{id}")
    @DELETE
    def delete(id: str) -> dict[str, str]:  # noqa: A002 -- the template's name
        return {"deleted": id}

    @app.get("/version")
    @policy_exempt
    def version() -> dict[str, str]:
        return {"version": "1"}

    with PolicyEnforcer.from_url(NOWHERE) as enforcer:
        app.add_middleware(FastAPIMiddleware, enforcer=enforcer, **{**SOURCES, **options})
        client = TestClient(app)
        yield lambda method, target, role, **more: client.request(
            method, target, headers=headers_of(role, more)
        )


@contextmanager
def flask_service(**options: Any) -> Iterator[Service]:
    app = Flask(__name__)
    app.testing = True

    @app.get("/customers/<id>")
    @READ
    def read(id: str) -> dict[str, str]:  # noqa: A002 -- the template's name
        return CUSTOMER

    @app.delete("/customers/<id>")
    @DELETE
    def delete(id: str) -> dict[str, str]:  # noqa: A002 -- the template's name
        return {"deleted": id}

    @app.get("/version")
    @policy_exempt
    def version() -> dict[str, str]:
        return {"version": "1"}

    with PolicyEnforcer.from_url(NOWHERE) as enforcer:
        FlaskExtension(app, enforcer=enforcer, **{**SOURCES, **options})
        client = app.test_client()
        yield lambda method, target, role, **more: client.open(
            target, method=method, headers=headers_of(role, more)
        )


def customer(request: HttpRequest, id: str) -> JsonResponse:  # noqa: A002 -- the template's name
    return JsonResponse(CUSTOMER if request.method == "GET" else {"deleted": id})


def version(request: HttpRequest) -> JsonResponse:
    return JsonResponse({"version": "1"})


@contextmanager
def django_service(*, view: Callable[..., Any] = customer, **options: Any) -> Iterator[Service]:
    patterns = [path("customers/<str:id>", view), path("version", policy_exempt(version))]
    routes = {
        "GET /customers/{id}": {"action": "customer.read", "resource": "customer:{id}", "tags": ["pii"]},
        "DELETE /customers/{id}": {"action": "customer.delete", "resource": "customer:{id}"},
    }
    given = {"store_url": NOWHERE, **SOURCES, **({"routes": routes} if view is customer else {}), **options}
    with override_settings(
        ROOT_URLCONF=urlconf(patterns),
        MIDDLEWARE=[f"{DjangoMiddleware.__module__}.{DjangoMiddleware.__qualname__}"],
        POLICY_MIDDLEWARE={name.upper(): value for name, value in given.items()},
    ):
        client = Client()
        yield lambda method, target, role, **more: client.generic(
            method, target, headers=headers_of(role, more)
        )


@contextmanager
def drf_service(**options: Any) -> Iterator[Service]:
    # Imported here, because Django REST framework reads the settings at import.
    from rest_framework.response import Response  # type: ignore[import-untyped]  # it has no types
    from rest_framework.viewsets import ViewSet  # type: ignore[import-untyped]  # as above

    class Customer(ViewSet):  # type: ignore[misc]  # the base class has no types
        @READ
        def retrieve(self, request: object, id: str) -> Response:  # noqa: A002 -- the template's name
            return Response(CUSTOMER)

        @DELETE
        def destroy(self, request: object, id: str) -> Response:  # noqa: A002 -- the template's name
            return Response({"deleted": id})

    view = Customer.as_view({"get": "retrieve", "delete": "destroy"})
    with django_service(view=view, identity=drf(), **options) as service:
        yield service


SERVICES: Final = {
    "fastapi": fastapi_service,
    "django": django_service,
    "django-rest-framework": drf_service,
    "flask": flask_service,
}
