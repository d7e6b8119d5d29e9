"""The engine of this package: the compiled index, in process."""

from __future__ import annotations

from policy_middleware.evaluation.policy_set import PolicySet
from policy_middleware.model.context import RequestContext
from policy_middleware.model.decision import Outcome


class LocalEngine:
    """Decides with the documents' bit-vector indexes."""

    __slots__ = ()

    def evaluate(self, policies: PolicySet, context: RequestContext) -> Outcome:
        """Return what `policies` say of `context`."""
        return policies.evaluate(context)
