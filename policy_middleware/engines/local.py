"""The engine of this package: the compiled index, in process."""

from __future__ import annotations

from typing import Final

from policy_middleware.evaluation.policy_set import PolicySet


class LocalEngine:
    """Decides with the documents' bit-vector indexes."""

    __slots__ = ()

    # Handed on as it is: every decision would pay for a call in between.
    evaluate: Final = staticmethod(PolicySet.evaluate)
