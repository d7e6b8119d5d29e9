"""The documents that were in force when something was decided, out of the store's history."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from policy_middleware.decision_log.reading import ReadRecord
from policy_middleware.evaluation.index import CompiledDocument
from policy_middleware.evaluation.policy_set import PolicySet
from policy_middleware.model.decision import Matched
from policy_middleware.model.documents import parse_document, revision_of
from policy_middleware.model.effect import Effect
from policy_middleware.model.errors import DocumentError
from policy_middleware.model.vocabulary import GUARDRAILS, is_document_name
from policy_middleware.stores.protocol import Store, StoredRevision

_MOST_COMPILED: Final = 200
"""Compiled documents that are kept; a log of many tenants goes through thousands."""
_MOST_BODIES: Final = 2000


@dataclass(frozen=True, slots=True)
class LostRevision:
    """A revision that decided, and that cannot be had any more: `why` is the end of a sentence."""

    name: str
    revision: str
    why: str

    def __str__(self) -> str:
        return f"revision {self.revision[:12]} of {self.name!r} {self.why}"


@dataclass(frozen=True, slots=True)
class PastPolicies:
    """What decided a request, in the order in which it was asked; `lost` is what is missing of it."""

    documents: tuple[CompiledDocument, ...]
    lost: tuple[LostRevision, ...] = ()

    def policies(self, without_default: Effect = Effect.DENY) -> PolicySet:
        """Return the documents as one."""
        return PolicySet(self.documents, without_default=without_default)

    def with_candidate(self, candidate: CompiledDocument) -> PastPolicies:
        """Return the policies with a document in the place of the one that it would replace."""
        guardrail = candidate.name in GUARDRAILS
        kept = [
            each
            for each in self.documents
            if each.name != candidate.name and (guardrail or each.name in GUARDRAILS)
        ]
        if not guardrail:
            return PastPolicies(
                (*kept, candidate), tuple(lost for lost in self.lost if lost.name in GUARDRAILS)
            )
        before = [each for each in kept if each.name in GUARDRAILS[: GUARDRAILS.index(candidate.name)]]
        after = [each for each in kept if each not in before]
        return PastPolicies(
            (*before, candidate, *after), tuple(lost for lost in self.lost if lost.name != candidate.name)
        )


class History:
    """Finds revisions by name, in the history of a store and in what is stored; raises StoreUnavailable."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._bodies: dict[str, dict[str, StoredRevision]] = {}
        self._compiled: dict[tuple[str, str], CompiledDocument | LostRevision] = {}

    def policies_of(self, record: ReadRecord) -> PastPolicies:
        """Return what a decision's record says that decided it."""
        bundles = record.get("bundles")
        found = [
            self._document(name, bundle["revision"])
            for name, bundle in (bundles.items() if isinstance(bundles, dict) else ())
            if isinstance(bundle, dict) and isinstance(bundle.get("revision"), str)
        ]
        return PastPolicies(
            tuple(each for each in found if isinstance(each, CompiledDocument)),
            tuple(each for each in found if isinstance(each, LostRevision)),
        )

    def entry(self, name: str, revision: str) -> StoredRevision | None:
        """Return the newest entry of the history for a revision."""
        return self._entries(name).get(revision) if is_document_name(name) else None

    def _document(self, name: str, revision: str) -> CompiledDocument | LostRevision:
        known = self._compiled.get((name, revision))
        if known is None:
            if len(self._compiled) >= _MOST_COMPILED:
                self._compiled.clear()
            known = self._compiled[name, revision] = self._compile(name, revision)
        return known

    def _compile(self, name: str, revision: str) -> CompiledDocument | LostRevision:
        if not is_document_name(name):
            return LostRevision(name, revision, "is none of this store")
        entry = self._entries(name).get(revision)
        body = entry.body if entry is not None else self._store.read([name]).bodies[name]
        if body is None or revision_of(body) != revision:
            return LostRevision(name, revision, "is not in the history any more")
        try:
            return CompiledDocument(parse_document(body, name=name), revision)
        except DocumentError as error:
            return LostRevision(name, revision, f"is not valid for this version: {error.problems[0]}")

    def _entries(self, name: str) -> Mapping[str, StoredRevision]:
        known = self._bodies.get(name)
        if known is None:
            if sum(map(len, self._bodies.values())) >= _MOST_BODIES:
                self._bodies.clear()
            known = self._bodies[name] = {
                entry.revision: entry for entry in reversed(self._store.history(name))
            }
        return known


def default_without_policy(record: ReadRecord) -> Effect:
    """Return what was answered where the tenant had no document: deny, unless the record allows it so."""
    missing = record.get("matched") == Matched.MISSING_POLICY
    return Effect.ALLOW if missing and record.get("effect") == Effect.ALLOW else Effect.DENY
