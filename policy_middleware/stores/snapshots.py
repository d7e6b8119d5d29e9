"""What is in force now, in memory, and how it follows the store.

A request on the steady path does one dict lookup (`current`). Two threads keep that lookup true: the store's
watch hears of changes and only notes them; the loader reads and compiles ahead, so that no request waits for
a reload. (A third thread writes history and status back.) What is not held yet is loaded by the request that
needs it first (`load`), once however many ask for it.

After a reconnect everything is read again before it counts as current. Until then, and while the store is
away, the last good copies are served for at most `max_stale` seconds after they were last known to be
current.
"""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Iterable
from dataclasses import dataclass
from time import monotonic
from typing import Final

from policy_middleware.evaluation.policy_set import PolicySet
from policy_middleware.model.documents import DEFAULT_MAX_DOCUMENT_BYTES, RawDocument
from policy_middleware.model.errors import ContextError, StoreUnavailable
from policy_middleware.model.vocabulary import is_tenant_id
from policy_middleware.process_life import close_at_exit
from policy_middleware.stores import overriding
from policy_middleware.stores.admission import Admit, admit_all
from policy_middleware.stores.follower import Follower
from policy_middleware.stores.freshness import Freshness, Unready
from policy_middleware.stores.held import Rejection, compiler
from policy_middleware.stores.holdings import Holdings
from policy_middleware.stores.in_force import MissingPolicyRules, OnMissingPolicy
from policy_middleware.stores.paperwork import Paperwork
from policy_middleware.stores.protocol import UNSET, ExpectedRevision, Store, StoredRevision, Watch
from policy_middleware.stores.publishing import publish_document, roll_back
from policy_middleware.stores.worker import Worker


@dataclass(frozen=True, slots=True)
class DocumentStatus:
    """What this process holds of one document.

    `revision` is the one in force. `missing` says that the store holds no such document. `age` is in seconds
    since it was last known to be current; `listener` is `synced`, `starting` or `lost: <why>`.
    """

    name: str
    revision: str | None
    rejected: Rejection | None
    missing: bool
    age: float
    listener: str


class Snapshots:
    """The policies of every tenant as this process knows them; shared by all threads.

    Starts its threads on first use, and again in a forked child. `close()` stops them and closes the store;
    so does the end of the interpreter, and dropping the last reference.
    """

    def __init__(
        self,
        store: Store,
        *,
        on_missing_policy: OnMissingPolicy = "deny",
        max_stale: float = 30.0,
        require_global: bool = False,
        max_tenants: int = 1000,
        max_unknown_tenants: int = 1000,
        max_document_bytes: int = DEFAULT_MAX_DOCUMENT_BYTES,
        admit: Admit = admit_all,
        admit_published: Admit | None = None,
    ) -> None:
        self.store: Final = store
        self._max_document_bytes = max_document_bytes
        self._admit = admit
        self._admit_published = admit if admit_published is None else admit_published
        self._on_missing_policy = on_missing_policy
        holdings = Holdings(
            MissingPolicyRules(on_missing_policy, require_global), max_tenants, max_unknown_tenants
        )
        self._follower = Follower(store, holdings, compiler(max_document_bytes, admit), max_stale)
        self._known, self._unknown = holdings.known, holdings.unknown
        self._starting = threading.Lock()
        self._watch: Watch | None = None
        self._finalizer: weakref.finalize[..., Snapshots] | None = None
        self._closed = False
        _living.add(self)

    def current(self, tenant: str) -> PolicySet | None:
        """Return what decides a tenant's requests if memory knows, else None: `load` must be asked."""
        if overriding.in_force is not None:
            return self._instead(tenant)
        if monotonic() < self._follower.usable_until:
            entry = self._known.get(tenant) or self._unknown.get(tenant)
            if entry is not None:
                entry.used = True
                return entry.policies
        return None

    def load(self, tenant: str) -> PolicySet:
        """Return what decides a tenant's requests, from the store where necessary; may block.

        Raises ContextError for what is no tenant id, NoUsablePolicy when a document that is needed exists
        only in versions that are not valid, StoreUnavailable when there is no store and nothing young enough
        in memory.
        """
        if not is_tenant_id(tenant):
            raise ContextError(
                "tenant", "must be 1-128 characters of A-Za-z0-9._:@- that do not start with '_'"
            )
        policies = self.current(tenant)
        if policies is None:
            self.start()
            policies = self._follower.fetch(tenant)
        return policies

    def _instead(self, tenant: str) -> PolicySet | None:
        """Return what a test has put in place of the store's policies."""
        instead = overriding.in_force  # read once: another thread may end it at any moment
        return None if instead is None else instead.policies(tenant, self._on_missing_policy)

    def publish(
        self,
        name: str,
        document: RawDocument,
        *,
        author: str | None = None,
        note: str | None = None,
        expected_revision: ExpectedRevision = UNSET,
    ) -> StoredRevision:
        """Validate a document and put it in force, here at once and elsewhere as soon as the change is heard.

        With `expected_revision` only if that is the stored one (None: if there is none). Raises
        DocumentError, RevisionConflict or StoreUnavailable; then nothing has changed.
        """
        stored = publish_document(
            self.store,
            name,
            document,
            author=author,
            note=note,
            expected_revision=expected_revision,
            max_bytes=self._max_document_bytes,
            admit=self._admit_published,
        )
        self._follower.refresh(name)
        return stored

    def rollback(
        self,
        name: str,
        revision: str,
        *,
        author: str | None = None,
        note: str | None = None,
        expected_revision: ExpectedRevision = UNSET,
    ) -> StoredRevision:
        """Put a recorded revision in force again, named by its first digits.

        Raises UnknownRevision and what `publish` raises.
        """
        stored = roll_back(
            self.store,
            name,
            revision,
            author=author,
            note=note,
            expected_revision=expected_revision,
            max_bytes=self._max_document_bytes,
            admit=self._admit,
        )
        self._follower.refresh(name)
        return stored

    def status(self) -> list[DocumentStatus]:
        """Return what this process holds, shared documents first; tenants without a document are left out."""
        follower = self._follower
        with follower.lock:
            return [
                DocumentStatus(
                    held.name,
                    held.revision,
                    held.rejection,
                    held.missing,
                    follower.age(held.name),
                    follower.listener,
                )
                for held in follower.holdings.documents()
                if held.compiled is not None or held.rejection is not None
            ]

    def unready(self, patience: float) -> Unready | None:
        """Say what keeps this process from deciding requests; None when nothing does.

        Ready is who has read the shared documents, found each valid or absent, and heard of changes less
        than `max_stale` seconds ago. One tenant's bad document keeps nobody else waiting.
        Starts the threads, and waits at most `patience` seconds for the first reading.
        """
        if overriding.in_force is not None:
            return None
        try:
            self.start()
        except StoreUnavailable as error:  # closed
            return Unready("closed", str(error))
        return self._follower.unready(patience)

    @property
    def unheard_for(self) -> float | None:
        """Seconds since everything held was known to be current; None before it ever was."""
        return self._follower.unheard_for

    @property
    def loaded(self) -> int:
        """How many revisions of documents took effect in this process."""
        return self._follower.loaded

    @property
    def rejected(self) -> int:
        """How many revisions of documents this process refused."""
        return self._follower.rejected

    @property
    def listener(self) -> str:
        """The state of the store's watch: `synced`, `starting` or `lost: <why>`."""
        return self._follower.listener

    @property
    def freshness(self) -> Freshness:
        """Whether changes are heard; for reading only."""
        return self._follower.freshness

    def wait_until_in_force(self, name: str, revision: str | None, timeout: float) -> bool:
        """Wait until this process holds a revision of a document (None: knows that there is none).

        Returns False after `timeout` seconds. Only documents that some request has needed are held.
        """
        self.start()
        return self._follower.wait_until_in_force(name, revision, timeout)

    def start(self) -> None:
        """Start the threads unless they run; `load` does so too."""
        if not self._running():
            with self._starting:
                self._start_once()

    def _running(self) -> bool:
        return self._watch is not None

    def _start_once(self) -> None:
        if self._closed:
            raise StoreUnavailable("this policy enforcer is closed; make a new one")
        if not self._running():
            follower, paperwork = self._follower, self._follower.paperwork
            workers = (
                Worker("policy-loader", follower.work, follower.catch_up),
                Worker("policy-paperwork", paperwork.work, paperwork.carry_out),
            )
            watch = self.store.watch(follower)
            self._finalizer = weakref.finalize(self, _shut_down, watch, workers, paperwork, self.store)
            self._finalizer.atexit = False  # closed in its turn then, see below
            self._watch = watch

    def withdraw(self) -> None:
        """Take back what this process has told of itself in the store: it is about to end. May block."""
        if self._running():
            self._follower.paperwork.withdraw()

    def close(self) -> None:
        """Stop the threads, withdraw this process's status and close the store; twice does nothing."""
        with self._starting:
            if self._closed:
                return
            self._closed = True
            self._watch = None
            if self._finalizer is not None and (held := self._finalizer.detach()):
                _, shut_down, arguments, _ = held  # called here: at exit a finalizer does nothing any more
                shut_down(*arguments)
            else:
                self.store.close()
            self._follower.stop_serving()

    def _after_fork(self) -> None:
        """Start over in a forked child, where no thread but this one exists."""
        self._starting = threading.Lock()
        self._follower.after_fork()
        self.store.after_fork()
        if self._finalizer is not None:
            self._finalizer.detach()
            self._finalizer = None
        if self._watch is not None:
            self._watch.abandon()
            self._watch = None


def _shut_down(watch: Watch, workers: Iterable[Worker], paperwork: Paperwork, store: Store) -> None:
    watch.stop()
    for worker in workers:
        worker.stop()
    paperwork.withdraw()
    store.close()


_living: Final[weakref.WeakSet[Snapshots]] = weakref.WeakSet()
_forking: list[Snapshots] = []
_fork_lock = threading.Lock()


def _before_fork() -> None:
    """Hold every lock, so that no child inherits what another thread had half changed."""
    _fork_lock.acquire()
    _forking[:] = _living
    for snapshots in _forking:
        snapshots._follower.lock.acquire()


def _after_fork_in_parent() -> None:
    while _forking:
        _forking.pop()._follower.lock.release()
    _fork_lock.release()


def _after_fork_in_child() -> None:
    while _forking:
        _forking.pop()._after_fork()
    _fork_lock.release()


os.register_at_fork(
    before=_before_fork, after_in_parent=_after_fork_in_parent, after_in_child=_after_fork_in_child
)
close_at_exit(_living, Snapshots.close)
