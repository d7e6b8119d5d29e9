"""The policy middleware for any ASGI application."""

from policy_middleware.asgi.middleware import PolicyMiddleware, PolicyRefusal
from policy_middleware.asgi.request import AsgiRequest, Resolution

__all__ = ["AsgiRequest", "PolicyMiddleware", "PolicyRefusal", "Resolution"]
