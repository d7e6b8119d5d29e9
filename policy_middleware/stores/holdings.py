"""Everything one process holds of its policies. Not thread-safe by itself: one lock guards all of it.

`known` and `unknown` may be looked up without the lock; that is the steady path of every request.
"""

from __future__ import annotations

import threading
from collections.abc import Collection, Iterable, Iterator
from typing import Final, NamedTuple

from policy_middleware.evaluation.policy_set import PolicySet
from policy_middleware.model.errors import NoUsablePolicy
from policy_middleware.stores.held import HeldDocument
from policy_middleware.stores.in_force import SHARED_DOCUMENTS, MissingPolicyRules, policies_of_tenant
from policy_middleware.stores.second_chance import SecondChanceCache


class TenantEntry:
    """What is held of one tenant. `policies` is None while requests are refused (`refusal` says why)."""

    __slots__ = ("document", "policies", "refusal", "used")

    def __init__(self, document: HeldDocument) -> None:
        self.document = document
        self.policies: PolicySet | None = None
        self.refusal: str | None = None
        self.used = False

    @property
    def precious(self) -> bool:
        """True when the store no longer has the copy that is in force here."""
        return self.document.compiled is not None and self.document.rejection is not None


class Flight:
    """One reading of one document that is under way; whoever else needs it waits for `done`."""

    __slots__ = ("done", "outdated")

    def __init__(self) -> None:
        self.done = threading.Event()
        self.outdated = False
        """Set when the document may have changed after the reading began: it is not the last word."""


class Answer(NamedTuple):
    """What decides a tenant's requests, or why they are refused."""

    policies: PolicySet | None
    refusal: str | None


class Holdings:
    """Documents held, those in doubt, and the readings under way."""

    def __init__(self, rules: MissingPolicyRules, max_tenants: int, max_unknown: int) -> None:
        self._rules = rules
        self.known: Final[SecondChanceCache[TenantEntry]] = SecondChanceCache(max_tenants)
        self.unknown: Final[SecondChanceCache[TenantEntry]] = SecondChanceCache(max_unknown)
        self._shared: dict[str, HeldDocument] = {}
        self._read_at: dict[str, float] = {}
        self._doubts: dict[str, float] = {}
        self.flights: Final[dict[str, Flight]] = {}
        self._marked: bool | None = None
        self._without_document: Answer | None = None

    def document(self, name: str) -> HeldDocument | None:
        """Return what is held of a document."""
        if name in SHARED_DOCUMENTS:
            return self._shared.get(name)
        entry = self.entry(name)
        return None if entry is None else entry.document

    def entry(self, tenant: str) -> TenantEntry | None:
        """Return what is held of a tenant, with or without a document of its own."""
        return self.known.get(tenant) or self.unknown.get(tenant)

    def documents(self) -> Iterator[HeldDocument]:
        """Return everything held, shared documents first."""
        yield from self._shared.values()
        for cache in (self.known, self.unknown):
            yield from (entry.document for entry in cache.values())

    def read_at(self, name: str) -> float:
        """Return when the copy that is held began to be read (it is held)."""
        return self._read_at[name]

    def known_at(self, name: str, heard_at: float) -> float:
        """Return when a held copy was last known to be current, if changes were heard until `heard_at`."""
        return max(self._read_at[name], min(heard_at, self._doubts.get(name, heard_at)))

    def in_doubt(self, name: str) -> bool:
        """True when the document may have changed since it was read."""
        return name in self._doubts

    @property
    def doubtful(self) -> list[str]:
        """The documents in doubt, shared ones first, then in the order they fell in doubt."""
        return sorted(self._doubts, key=lambda name: name not in SHARED_DOCUMENTS)

    @property
    def oldest_doubt(self) -> float | None:
        """Since when something held may be outdated."""
        return min(self._doubts.values(), default=None)

    def doubt(self, names: Collection[str], now: float) -> None:
        """Note that documents may have changed at `now`."""
        for name in names:
            if name in self._read_at:
                self._doubts.setdefault(name, now)
            if name in self.flights:
                self.flights[name].outdated = True

    def doubt_everything(self, known_at: float) -> None:
        """Note that anything may have changed since `known_at`, or since it was read if that was later."""
        for name, read_at in self._read_at.items():
            self._doubts.setdefault(name, max(read_at, known_at))
        for name in SHARED_DOCUMENTS:
            self._doubts.setdefault(name, known_at)
        for flight in self.flights.values():
            flight.outdated = True

    def claim(self, names: Iterable[str]) -> dict[str, Flight]:
        """Begin to read those of the documents that nobody is reading."""
        mine = {name: Flight() for name in names if name not in self.flights}
        self.flights.update(mine)
        return mine

    def release(self, mine: Iterable[str]) -> None:
        """End readings, successful or not, and let go of whoever waits for them."""
        for name in mine:
            self.flights.pop(name).done.set()

    def after_fork(self) -> None:
        """Forget the readings of the parent's threads; what is held stays, to be read again before use."""
        self.flights.clear()
        self._doubts.clear()

    def holds(self, name: str) -> bool:
        """True when a copy, or the knowledge that there is none, is held."""
        return name in self._read_at

    def adopt(self, held: HeldDocument, read_at: float, outdated: bool) -> None:
        """Take over what a reading that began at `read_at` brought."""
        name = held.name
        self._read_at[name] = read_at
        if outdated:
            self._doubts[name] = read_at
        else:
            self._doubts.pop(name, None)
        if name in SHARED_DOCUMENTS:
            if self._shared.get(name) != held:
                self._shared[name] = held
                self._compose_all()
            return
        entry = self.entry(name) or TenantEntry(held)
        entry.document = held
        self._compose(entry)
        self._place(name, entry)

    def mark(self, marked: bool) -> None:
        """Note whether the store carries its marker."""
        if marked is not self._marked:
            self._marked = marked
            self._compose_all()

    @property
    def complete(self) -> bool:
        """True once every shared document was read, so that tenants can be decided for."""
        return len(self._shared) == len(SHARED_DOCUMENTS)

    @property
    def marked(self) -> bool | None:
        """Whether the store carries its marker; None before the first reading."""
        return self._marked

    def _place(self, name: str, entry: TenantEntry) -> None:
        home, other = (self.known, self.unknown) if not entry.document.missing else (self.unknown, self.known)
        other.discard(name)
        for evicted in home.put(name, entry):
            self._read_at.pop(evicted, None)
            self._doubts.pop(evicted, None)

    def _compose_all(self) -> None:
        self._without_document = None
        for cache in (self.known, self.unknown):
            for entry in cache.values():
                self._compose(entry)

    def _compose(self, entry: TenantEntry) -> None:
        if not self.complete:
            return  # still being read; taking them over composes every entry again
        entry.policies, entry.refusal = self.answer(entry.document)

    def answer(self, document: HeldDocument) -> Answer:
        """Return what decides the requests of the tenant whose document this is; all shared ones are held."""
        if document.unusable or document.compiled is not None:
            return self._answer(document)
        if self._without_document is None:  # the same for all of them, so they share one
            self._without_document = self._answer(document)
        return self._without_document

    def _answer(self, document: HeldDocument) -> Answer:
        try:
            policies = policies_of_tenant(
                document, self._shared, marked=bool(self._marked), rules=self._rules
            )
        except NoUsablePolicy as error:
            return Answer(None, str(error))
        return Answer(policies, None)
