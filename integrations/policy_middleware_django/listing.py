"""All routes of a Django project, as the policy middleware sees them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from typing import Any, Final

import django
from django.apps import apps
from django.conf import settings
from django.urls import get_resolver

from policy_middleware.model.errors import SettingsError
from policy_middleware.routing import ListedRoute, exempted, routes_table
from policy_middleware.settings import DEFAULT_EXEMPT
from policy_middleware.start_up import Remark, debug_pages, remarks
from policy_middleware_django.checks import CHECKS
from policy_middleware_django.conf import SETTING, installations, options_of
from policy_middleware_django.routes import RoutePolicies
from policy_middleware_django.templates import all_routes

_VERBS: Final = ("get", "post", "put", "patch", "delete", "options")


def list_routes(app: object = None) -> list[ListedRoute]:
    """Return every route of the project that DJANGO_SETTINGS_MODULE names, and the methods its views take."""
    if not apps.ready:
        django.setup()
    options: Any = options_of(SETTING)
    policies = RoutePolicies(routes_table(options.get("routes")))
    exempt = tuple(options.get("exempt", DEFAULT_EXEMPT))
    return [
        ListedRoute(method, exempted(policies.of(method, route, view).policy, exempt))
        for route, view in all_routes(get_resolver().url_patterns)
        for method in _methods(view)
    ]


def inspect_application(app: object = None) -> Iterator[Remark]:
    """Remark on the project as `manage.py check` does, by this package's checks alone, and on settings."""
    if not apps.ready:
        django.setup()
    for check in CHECKS:
        for message in check():
            yield Remark(str(message.id).rpartition(".")[2], message.msg, message.hint or "")
    with suppress(SettingsError):  # the check of the settings has said so
        gate = installations[SETTING].gate
        yield from remarks(gate.settings, gate.enforcer.settings)
    if settings.DEBUG:
        yield debug_pages()


def _methods(view: Any) -> list[str]:
    """Return what a class-based view has methods for; a function may take any, so it stands for GET."""
    actions = getattr(view, "actions", None)
    if actions:
        return [verb.upper() for verb in actions if verb != "head"]
    view_class = getattr(view, "view_class", None) or getattr(view, "cls", None)
    found = [verb.upper() for verb in _VERBS if hasattr(view_class, verb) and verb != "options"]
    return found or ["GET"]
