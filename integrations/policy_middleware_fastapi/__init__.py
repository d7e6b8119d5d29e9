"""The policy middleware for FastAPI, a dependency for further checks, and their documentation in OpenAPI."""

from policy_middleware_fastapi.dependency import PolicyRefusal, require
from policy_middleware_fastapi.middleware import PolicyMiddleware
from policy_middleware_fastapi.openapi import document

__all__ = ["PolicyMiddleware", "PolicyRefusal", "document", "require"]
