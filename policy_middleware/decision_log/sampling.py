"""Which allowed requests are recorded when not all of them are to be."""

from __future__ import annotations

import zlib
from typing import Final

from policy_middleware.decision_log.trace import TraceContext
from policy_middleware.model.decision import PolicyDecision
from policy_middleware.model.effect import Effect

_ALLOW: Final = Effect.ALLOW
_RANGE: Final = 1 << 32


class Sampling:
    """Keeps a share (0 to 1) of plain allows, and everything else: whatever an auditor would miss.

    The choice follows from the trace id, so that all services on the way of a request agree on it; without
    one from the decision id.
    """

    def __init__(self, share: float) -> None:
        self.share: Final = share
        self._below = round(share * _RANGE)

    def keeps(self, decision: PolicyDecision, trace: TraceContext | None) -> bool:
        """Tell whether a decision without approval or refusal is to be recorded."""
        outcome = decision.outcome
        if outcome.effect is not _ALLOW or outcome.observed or outcome.indeterminate:
            return True
        name = decision.decision_id if trace is None else trace[0]
        return zlib.crc32(name.encode()) < self._below
