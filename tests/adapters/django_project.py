"""The Django project of the tests: what a process can be given only once."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import django
from django.conf import settings


def configure() -> None:
    """Configure Django, once per process; tests override what they need."""
    if settings.configured:
        return
    settings.configure(
        SECRET_KEY="of the tests",
        ALLOWED_HOSTS=["*"],
        DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
        INSTALLED_APPS=[
            "django.contrib.auth",
            "django.contrib.contenttypes",
            "django.contrib.sessions",
            "django.contrib.staticfiles",
            "rest_framework",
            "policy_middleware_django",
        ],
        MIDDLEWARE=["policy_middleware_django.PolicyMiddleware"],
        POLICY_MIDDLEWARE={},
        ROOT_URLCONF=urlconf([]),
        STATIC_URL="/static/",
        USE_TZ=True,
    )
    django.setup()


def urlconf(urlpatterns: list[Any], **handlers: Any) -> ModuleType:
    """Return a URLconf of its own, as a module would be."""
    module = ModuleType("urlconf")
    vars(module).update(urlpatterns=urlpatterns, **handlers)
    return module
