"""What is known of a Flask route: its template in the common form, its policy metadata, who owns it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from flask import Flask
from werkzeug.routing import Rule

from policy_middleware.model.errors import SettingsError
from policy_middleware.routing import RouteMetadata, RoutePolicy, route_policy

# `<converter(arguments):variable>`, as werkzeug.routing.rules reads it.
_VARIABLE: Final = re.compile(r"<(?:[a-zA-Z_][a-zA-Z0-9_]*(?:\(.*?\))?:)?([a-zA-Z][a-zA-Z0-9_]*)>")


def template_of(rule: str) -> str:
    """Return `/customers/{id}` for `/customers/<int:id>`."""
    return _VARIABLE.sub(r"{\1}", rule)


def serves_static_files(app: Flask, endpoint: str) -> bool:
    """True for the endpoint under which the app, or one of its blueprints, serves its static folder."""
    owner, _, name = endpoint.rpartition(".")
    if name != "static":
        return False
    if not owner:
        return app.has_static_folder
    return owner in app.blueprints and app.blueprints[owner].has_static_folder


def check_routes(app: Flask, prefix: str) -> None:
    """Raise SettingsError when a route of the app lies where the package's own pages are."""
    for rule in app.url_map.iter_rules():
        path = template_of(rule.rule)
        if path == prefix or path.startswith(prefix + "/"):
            raise SettingsError(
                f"prefix: the route {rule.rule!r} lies under {prefix!r}, where policy-middleware serves its "
                "own pages; move the route or set POLICY_PREFIX"
            )


class RoutePolicies:
    """The policies of an app's routes, each worked out once."""

    def __init__(self, table: Mapping[str, RouteMetadata]) -> None:
        self._table = table
        self._known: dict[tuple[str, str, str], tuple[object, RoutePolicy]] = {}

    def of(self, app: Flask, rule: Rule, method: str) -> RoutePolicy:
        """Return what the rule means for a method that it takes."""
        view = app.view_functions.get(rule.endpoint)
        key = (rule.rule, rule.endpoint, method)
        known = self._known.get(key)
        # A view function may be replaced while the app runs, and its decorators with it.
        if known is not None and known[0] is view:
            return known[1]
        policy = route_policy(method, template_of(rule.rule), view, self._table)
        if serves_static_files(app, rule.endpoint):
            policy = replace(policy, exempt=True)
        # A client may invent methods without end; what a rule takes is finite.
        if rule.methods is not None and method in rule.methods:
            self._known[key] = (view, policy)
        return policy
