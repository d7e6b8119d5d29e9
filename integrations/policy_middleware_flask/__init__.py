"""Decide every request of a Flask application by policy before its view runs."""

from policy_middleware.model.errors import MissingExtra

try:
    import flask as _flask  # noqa: F401 -- asks whether it is there, to name the extra in one line
except ImportError:
    raise MissingExtra("flask", "policy_middleware_flask") from None

from policy_middleware_flask.command import cli
from policy_middleware_flask.extension import PolicyMiddleware
from policy_middleware_flask.jwt import flask_jwt
from policy_middleware_flask.signals import approval_changed, policy_decided

__all__ = ["PolicyMiddleware", "approval_changed", "cli", "flask_jwt", "policy_decided"]
