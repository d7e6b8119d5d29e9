"""The policy middleware for Starlette."""

from policy_middleware_starlette.middleware import PolicyMiddleware

__all__ = ["PolicyMiddleware"]
