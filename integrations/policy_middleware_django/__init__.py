"""Decide every request of a Django project by policy before its view runs."""

from policy_middleware.model.errors import MissingExtra

try:
    import django as _django  # noqa: F401 -- asks whether it is there, to name the extra in one line
except ImportError:
    raise MissingExtra("django", "policy_middleware_django") from None

from policy_middleware_django.middleware import PolicyMiddleware
from policy_middleware_django.rest import drf

__all__ = ["PolicyMiddleware", "drf"]
