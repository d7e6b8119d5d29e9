"""What an engine has to offer."""

from __future__ import annotations

from typing import Protocol

from policy_middleware.evaluation.policy_set import PolicySet
from policy_middleware.model.context import RequestContext
from policy_middleware.model.decision import Outcome


class Engine(Protocol):
    """Decides a context over the documents in force, without side effects."""

    def evaluate(self, policies: PolicySet, context: RequestContext) -> Outcome:
        """Return what `policies` say of `context`."""
