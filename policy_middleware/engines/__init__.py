"""Who decides: the seam at which another policy engine can take the place of ours."""

from policy_middleware.engines.local import LocalEngine
from policy_middleware.engines.protocol import Engine

__all__ = ["Engine", "LocalEngine"]
