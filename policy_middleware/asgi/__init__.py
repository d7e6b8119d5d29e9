"""The policy middleware for any ASGI application."""

from policy_middleware.asgi.middleware import PolicyMiddleware
from policy_middleware.asgi.request import AsgiRequest, Resolution

__all__ = ["AsgiRequest", "PolicyMiddleware", "Resolution"]
