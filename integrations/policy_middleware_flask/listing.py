"""All routes of a Flask application, as the policy middleware sees them."""

from __future__ import annotations

from collections.abc import Iterator

from flask import Flask

from policy_middleware.routing import ListedRoute, exempted, routes_table
from policy_middleware.settings import DEFAULT_EXEMPT
from policy_middleware.start_up import Remark, remarks
from policy_middleware_flask.extension import EXTENSION
from policy_middleware_flask.routes import RoutePolicies


def list_routes(app: Flask) -> list[ListedRoute]:
    """Return every route and method, with the settings of the policy middleware that the app installs."""
    installed = app.extensions.get(EXTENSION)
    settings = installed.gate.settings if installed is not None else None
    policies = RoutePolicies(routes_table(settings.routes if settings is not None else None))
    exempt = settings.exempt if settings is not None else DEFAULT_EXEMPT
    return [
        ListedRoute(method, exempted(policies.of(app, rule, method), exempt))
        for rule in app.url_map.iter_rules()
        for method in sorted((rule.methods or set()) - {"HEAD", "OPTIONS"})
    ]


def inspect_application(app: Flask) -> Iterator[Remark]:
    """Remark on the app's settings, and on where its policy middleware stands."""
    installed = app.extensions.get(EXTENSION)
    if installed is None:
        yield Remark(
            "installation", "the app has no PolicyMiddleware: nothing is decided", "PolicyMiddleware(app)"
        )
        return
    yield from remarks(installed.gate.settings, installed.gate.enforcer.settings)
    yield from installed.remarks(app)
