"""The counters that stand in for those of every enforcer of this process, while policies are overridden."""

from __future__ import annotations

from policy_middleware.counters.protocol import Counters

in_use: Counters | None = None
