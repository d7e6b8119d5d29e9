"""What is in force for one tenant: the guardrails and the tenant's own document, decided together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Final, Self

from policy_middleware.evaluation.combining import DocumentResult, Satisfied, join, missing_outcome
from policy_middleware.evaluation.counting import Counting
from policy_middleware.evaluation.facts import Fact
from policy_middleware.evaluation.index import CompiledDocument
from policy_middleware.evaluation.trace import Explanation, trace_document
from policy_middleware.model.context import RequestContext
from policy_middleware.model.decision import Outcome
from policy_middleware.model.effect import Effect

_OUTCOMES: Final = 1024
"""Distinct meetings of several documents' results whose joined outcome is kept."""


class PolicySet:
    """The compiled documents that decide one tenant's requests, in the order `_incident`, `_global`, tenant.

    Immutable to its users and safe to share between threads. Without a document that has a default, what
    no rule decides is denied: a set can restrict, but never allow by accident.
    """

    __slots__ = ("_fallback", "_joined", "_only", "_speaking", "counting", "documents", "revisions")

    def __init__(
        self, documents: tuple[CompiledDocument, ...], *, without_default: Effect = Effect.DENY
    ) -> None:
        """Bring documents together; `without_default` is the answer where none of them has a default."""
        self.documents = documents
        self.revisions: Mapping[str, str] = MappingProxyType(
            {document.name: document.revision for document in documents}
        )
        self._speaking = tuple(document for document in documents if not document.is_silent)
        self._fallback: DocumentResult | None = None
        if all(document.document.default is None for document in documents):
            self._fallback = DocumentResult(missing_outcome(without_default))
        alone = len(self._speaking) == 1 and self._fallback is None
        self._only = self._speaking[0] if alone else None
        self._joined: dict[tuple[DocumentResult, ...], Outcome] = {}
        counts = [count for document in documents for count in document.counts]
        self.counting: Final = Counting(counts) if counts else None
        """What the documents ask about the past; None, and no more work, when they ask nothing."""

    @classmethod
    def missing(cls, default: Effect, guardrails: tuple[CompiledDocument, ...] = ()) -> Self:
        """Return what is in force for a tenant without a document: `default`, and the guardrails."""
        return cls(guardrails, without_default=default)

    def evaluate(self, context: RequestContext) -> Outcome:
        """Return what the documents say together of one context."""
        if self._only is not None:
            result = self._only.evaluate(context)
            if result.outcome is not None and not result.observed:
                return result.outcome
            results: tuple[DocumentResult, ...] = (result,)
        else:
            results = tuple([document.evaluate(context) for document in self._speaking])
        outcome = self._joined.get(results)
        if outcome is None:
            outcome = self._join(results)
            if len(self._joined) >= _OUTCOMES:
                self._joined.clear()
            self._joined[results] = outcome
        return outcome

    def wanted(self, context: RequestContext, *, approved: bool = False) -> set[Fact]:
        """Return the facts on which the answer may depend; with `approved`, that of `evaluate_approved`."""
        return {fact for document in self._speaking for fact in document.wanted(context, approved=approved)}

    def evaluate_approved(self, context: RequestContext, satisfied: Satisfied) -> Outcome:
        """Return the outcome once approvals, as (document, rule id, rule digest), have been given.

        Each stands for allow, every mask rule that holds or may hold applies, denials still win, and an
        approval that is still missing keeps the effect at `require_approval`.
        """
        return self._join(
            tuple(document.evaluate_approved(context, satisfied) for document in self._speaking)
        )

    def explain(self, context: RequestContext) -> Explanation:
        """Return the rule-by-rule trace of one context."""
        traces = tuple(
            trace_document(document.document, document.revision, context) for document in self.documents
        )
        return Explanation(self.evaluate(context), context.now, traces)

    def _join(self, results: tuple[DocumentResult, ...]) -> Outcome:
        if self._fallback is not None:
            results = (*results, self._fallback)
        outcome = join([result.outcome for result in results if result.outcome is not None])
        if outcome is None:
            raise AssertionError("a policy set always has a default or a fallback")
        observed = tuple(rule for result in results for rule in result.observed)
        return replace(outcome, observed=observed) if observed else outcome
