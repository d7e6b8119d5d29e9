"""Django with its own sessions, and the admin: a whole project in one file.

    python -m examples.auth.django_sessions migrate
    python -m examples.auth.django_sessions createsuperuser
    gunicorn examples.auth.django_sessions:application

People sign in at `/accounts/login/`. Their groups are named after an organisation and a role in it, such as
`acme/analyst`. The policy is in django_sessions.json.
"""

from __future__ import annotations

import os
import sys
from typing import Any

import django
from django.conf import settings
from django.core.management import execute_from_command_line
from django.core.wsgi import get_wsgi_application
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import path
from django.views import View

from policy_middleware import policy_action
from policy_middleware.attributes import subdomain


def groups_of(request: HttpRequest) -> list[str]:
    """Return the names of the signed-in user's groups; nobody has none."""
    user: Any = request.user
    return sorted(user.groups.values_list("name", flat=True))


def tenant_of(request: HttpRequest) -> str | None:
    """Return the organisation of the signed-in user."""
    names = groups_of(request)
    return names[0].partition("/")[0] if names else None


def roles_of(request: HttpRequest) -> list[str]:
    """Return the roles that the signed-in user has there."""
    return [name.partition("/")[2] for name in groups_of(request)]


settings.configure(
    SECRET_KEY=os.environ.get("SECRET_KEY", "an example protects nothing"),
    ALLOWED_HOSTS=["127.0.0.1", "localhost", ".reports.example"],
    ROOT_URLCONF=__name__,
    DATABASES={
        "default": {
            "ENGINE": "django.db.backends.sqlite3",
            "NAME": os.environ.get("DATABASE", "sessions.sqlite3"),
        }
    },
    DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
    USE_TZ=True,
    STATIC_URL="/static/",
    LOGIN_REDIRECT_URL="/reports/1",
    INSTALLED_APPS=[
        "django.contrib.admin",
        "django.contrib.auth",
        "django.contrib.contenttypes",
        "django.contrib.messages",
        "django.contrib.sessions",
        "django.contrib.staticfiles",
        "policy_middleware_django",
    ],
    MIDDLEWARE=[
        "django.contrib.sessions.middleware.SessionMiddleware",
        "django.middleware.common.CommonMiddleware",
        "django.middleware.csrf.CsrfViewMiddleware",
        "django.contrib.auth.middleware.AuthenticationMiddleware",
        "django.contrib.messages.middleware.MessageMiddleware",
        "policy_middleware_django.PolicyMiddleware",
    ],
    TEMPLATES=[
        {
            "BACKEND": "django.template.backends.django.DjangoTemplates",
            "APP_DIRS": True,
            "OPTIONS": {
                "context_processors": [
                    "django.template.context_processors.request",
                    "django.contrib.auth.context_processors.auth",
                    "django.contrib.messages.context_processors.messages",
                ]
            },
        }
    ],
    POLICY_MIDDLEWARE={
        "STORE_URL": os.environ.get("POLICY_STORE_URL", "redis://localhost:6379/0"),
        # The identity is Django's own user. Whoever visits acme.reports.example has to belong to acme.
        "TENANT": [tenant_of, subdomain("reports.example")],
        "ROLES": roles_of,
        # Views that are not ours. Whoever signs in is nobody yet, so there is nothing to decide.
        "ROUTES": {
            "/accounts/login/": {"exempt": True},
            "/accounts/logout/": {"exempt": True},
            "/admin/login/": {"exempt": True},
            "/admin/auth/user/": {"action": "user.list"},
            "/admin/auth/user/{object_id}/delete/": {"action": "user.delete", "resource": "user:{object_id}"},
        },
    },
)
django.setup()

from django.contrib import admin  # noqa: E402 -- these need the settings
from django.contrib.auth.views import LoginView, LogoutView  # noqa: E402 -- as above


class Report(View):
    """One report; policies know its methods by different actions."""

    @policy_action("report.read", resource="report:{number}", tags=["pii"])
    def get(self, request: HttpRequest, number: int) -> HttpResponse:
        """Show it."""
        return JsonResponse({"number": number, "author": "ada@example.com"})

    @policy_action("report.publish", resource="report:{number}")
    def post(self, request: HttpRequest, number: int) -> HttpResponse:
        """Publish it."""
        return JsonResponse({"published": number})


def health(request: HttpRequest) -> HttpResponse:
    """Say that the process is up; exempt by default."""
    return HttpResponse("ok")


urlpatterns = [
    path("healthz", health),
    path("accounts/login/", LoginView.as_view(template_name="admin/login.html")),
    path("accounts/logout/", LogoutView.as_view()),
    path("admin/", admin.site.urls),
    path("reports/<int:number>", Report.as_view()),
]

application = get_wsgi_application()

if __name__ == "__main__":
    execute_from_command_line(sys.argv)
