"""The policy middleware for Starlette."""

from policy_middleware.model.errors import MissingExtra

try:
    import starlette as _starlette  # noqa: F401 -- asks whether it is there, to name the extra in one line
except ImportError:
    raise MissingExtra("starlette", "policy_middleware_starlette") from None

from policy_middleware_starlette.middleware import PolicyMiddleware

__all__ = ["PolicyMiddleware"]
