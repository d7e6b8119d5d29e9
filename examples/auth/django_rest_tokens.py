"""Django REST framework with its TokenAuthentication: a whole project in one file.

    python -m examples.auth.django_rest_tokens migrate
    python -m examples.auth.django_rest_tokens createsuperuser
    gunicorn examples.auth.django_rest_tokens:application

`POST /token` hands out a token for name and password. Groups are named after an organisation and a role in
it, such as `acme/agent`. The policy is in django_rest_tokens.json.
"""

from __future__ import annotations

import os
import sys
from typing import Any

import django
from django.conf import settings
from django.core.management import execute_from_command_line
from django.core.wsgi import get_wsgi_application
from django.http import HttpRequest, HttpResponse
from django.urls import include, path

from policy_middleware import policy_action
from policy_middleware.attributes import Identity, claim, header
from policy_middleware_django import drf

token_user = drf()


def member(request: HttpRequest) -> Identity | None:
    """Return whom the view's own authenticators find, with the organisation and roles of their groups."""
    user: Any = token_user(request)
    if user is None:
        return None
    groups = [name.partition("/") for name in user.groups.values_list("name", flat=True).order_by("name")]
    organisation = groups[0][0] if groups else None
    return Identity(
        user.get_username(), tuple(role for _, _, role in groups), {"organisation": organisation}, user
    )


settings.configure(
    SECRET_KEY=os.environ.get("SECRET_KEY", "an example protects nothing"),
    ALLOWED_HOSTS=["127.0.0.1", "localhost"],
    ROOT_URLCONF=__name__,
    DATABASES={
        "default": {
            "ENGINE": "django.db.backends.sqlite3",
            "NAME": os.environ.get("DATABASE", "tokens.sqlite3"),
        }
    },
    DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
    USE_TZ=True,
    INSTALLED_APPS=[
        "django.contrib.auth",
        "django.contrib.contenttypes",
        "rest_framework",
        "rest_framework.authtoken",
        "policy_middleware_django",
    ],
    MIDDLEWARE=["policy_middleware_django.PolicyMiddleware"],
    REST_FRAMEWORK={
        "DEFAULT_AUTHENTICATION_CLASSES": ["rest_framework.authentication.TokenAuthentication"],
        "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
        "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    },
    POLICY_MIDDLEWARE={
        "STORE_URL": os.environ.get("POLICY_STORE_URL", "redis://localhost:6379/0"),
        "IDENTITY": member,
        "TENANT": [claim("organisation"), header("X-Organisation")],
        # Views that are not ours. Whoever asks for a token is nobody yet, so there is nothing to decide.
        "ROUTES": {"/token": {"exempt": True}, "/": {"action": "api.index"}},
    },
)
django.setup()

from rest_framework.authtoken.views import obtain_auth_token  # noqa: E402 -- these need the settings
from rest_framework.decorators import action  # noqa: E402 -- as above
from rest_framework.request import Request  # noqa: E402 -- as above
from rest_framework.response import Response  # noqa: E402 -- as above
from rest_framework.routers import DefaultRouter  # noqa: E402 -- as above
from rest_framework.viewsets import ViewSet  # noqa: E402 -- as above


class Tickets(ViewSet):
    """Tickets of customers; policies know each method by its action."""

    @policy_action("ticket.list", resource="ticket")
    def list(self, request: Request) -> Response:
        """List them."""
        return Response([{"id": "1", "email": "ada@example.com"}])

    @policy_action("ticket.read", resource="ticket:{pk}", tags=["pii"])
    def retrieve(self, request: Request, pk: str) -> Response:
        """Show one."""
        return Response({"id": pk, "email": "ada@example.com", "seen_by": request.user.get_username()})

    @policy_action("ticket.close", resource="ticket:{pk}")
    @action(detail=True, methods=["post"])
    def close(self, request: Request, pk: str) -> Response:
        """Close one."""
        return Response({"closed": pk})


def health(request: HttpRequest) -> HttpResponse:
    """Say that the process is up; exempt by default."""
    return HttpResponse("ok")


router = DefaultRouter()
router.register("tickets", Tickets, basename="ticket")
urlpatterns = [
    path("healthz", health),
    path("token", obtain_auth_token),
    path("", include(router.urls)),
]

application = get_wsgi_application()

if __name__ == "__main__":
    execute_from_command_line(sys.argv)
