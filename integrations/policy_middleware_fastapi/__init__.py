"""The policy middleware for FastAPI, a dependency for further checks, and their documentation in OpenAPI."""

from policy_middleware.model.errors import MissingExtra

try:
    from fastapi.routing import iter_route_contexts as _iter_route_contexts  # noqa: F401 -- since 0.137.2
except ImportError:
    raise MissingExtra("fastapi", "policy_middleware_fastapi") from None

from policy_middleware.asgi import PolicyRefusal
from policy_middleware_fastapi.dependency import require
from policy_middleware_fastapi.middleware import PolicyMiddleware
from policy_middleware_fastapi.openapi import document

__all__ = ["PolicyMiddleware", "PolicyRefusal", "document", "require"]
