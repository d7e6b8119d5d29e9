"""A Flask request as the gate sees it."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Final

from flask import Request, current_app

from policy_middleware.routing import RoutePolicy
from policy_middleware.wsgi import EnvironView, unmaskable_variables

# Werkzeug keeps what it has parsed of these headers; a hook may have asked before they were stripped.
_PARSED: Final = (
    "accept_encodings",
    "if_match",
    "if_modified_since",
    "if_none_match",
    "if_range",
    "if_unmodified_since",
    "range",
)


class FlaskView(EnvironView):
    """One request, routed by Flask; custom sources receive the `flask.Request`."""

    __slots__ = ()

    def __init__(self, request: Request, route: RoutePolicy | None) -> None:
        # As its router does, Flask's request drops slashes: `//docs/7` runs the view of `/docs/7`.
        path, parameters = request.path, request.view_args or {}
        super().__init__(request.environ, path=path, native=request, route=route, path_params=parameters)

    def user(self) -> object | None:
        """Return Flask-Login's current user when it is in use here and has authenticated somebody."""
        flask_login = sys.modules.get("flask_login")
        if flask_login is None or not hasattr(current_app, "login_manager"):
            return None
        user: object = flask_login.current_user._get_current_object()
        return user if getattr(user, "is_authenticated", False) else None


def take_unmaskable(request: Request) -> Mapping[str, object]:
    """Take from a request what leads to answers that cannot be masked; return what was taken."""
    environ = request.environ
    for name in _PARSED:
        request.__dict__.pop(name, None)
    return {name: environ.pop(name) for name in unmaskable_variables(request.method) if name in environ}
