"""Keeping what is held in memory true to the store.

The store's watch calls the `ChangeListener` half of this class, which only takes notes. The loader calls
`catch_up`, a request that finds nothing in memory calls `fetch`; both read through `_read`, where one rule
holds: a reading is the last word only if no change of its document was heard between its beginning and its
end.
"""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Collection, Mapping
from typing import Final

from policy_middleware.evaluation.policy_set import PolicySet
from policy_middleware.model.errors import NoUsablePolicy, StoreUnavailable
from policy_middleware.stores.freshness import NEVER, STORE_AWAY, Freshness, Unready
from policy_middleware.stores.held import Compile, HeldDocument, after_reading
from policy_middleware.stores.holdings import Flight, Holdings
from policy_middleware.stores.in_force import SHARED_DOCUMENTS
from policy_middleware.stores.paperwork import Paperwork
from policy_middleware.stores.protocol import Store, StoreReading

LOAD_ROUNDS: Final = 5
FLIGHT_WAIT_SECONDS: Final = 2.0
READ_AT_ONCE: Final = 50
OUTAGE_BELIEVED_SECONDS: Final = 1.5
"""How long a failed reading speaks for the store; the loader tries again far more often than that."""

logger = logging.getLogger("policy_middleware.stores")


class Follower:
    """Follows a store: `holdings` is kept current, `usable_until` says how long it may be believed."""

    def __init__(self, store: Store, holdings: Holdings, compile_body: Compile, max_stale: float) -> None:
        self.holdings: Final = holdings
        self.paperwork: Final = Paperwork(store)
        self._store = store
        self._compile = compile_body
        self._max_stale = max_stale
        self.freshness: Final = Freshness(max_stale, store.dead_after)
        self.usable_until = self.freshness.usable_until
        self.loaded = self.rejected = 0
        """How many revisions took effect in this process, and how many were refused."""
        self._outage: str | None = None
        self._outage_at = -math.inf
        self._probing = False
        self._has_read = self._set_up_checked = False
        self._new_locks()

    def _new_locks(self) -> None:
        self.lock = threading.Lock()
        self._taken_over = threading.Condition(self.lock)
        self.work = threading.Event()
        """Set when there is something for the loader to do."""

    # What the store's watch tells. Nothing here blocks or compiles.

    def synced(self) -> None:
        """Doubt everything: it may have changed while nobody listened."""
        with self.lock:
            if self.freshness.lost_because is not None:
                logger.info("changes of policies are heard again")
            self.holdings.doubt_everything(self.freshness.heard_at)
            self.freshness.heard(time.monotonic())
            self._renew()
        self.work.set()

    def alive(self) -> None:
        """Renew the lease."""
        with self.lock:
            self.freshness.heard(time.monotonic())
            self._renew()

    def changed(self, names: Collection[str] | None) -> None:
        """Doubt these documents, or all of them."""
        now = time.monotonic()
        with self.lock:
            if names is None:
                self.holdings.doubt_everything(now)
            else:
                self.holdings.doubt(names, now)
            self._renew()
        self.work.set()

    def lost(self, reason: str) -> None:
        """Let everything age, and have the loader find out whether the store is gone altogether."""
        with self.lock:
            if self.freshness.lost_because is None:
                logger.warning(
                    "changes of policies are not heard (%s); the last good ones serve for at most %g s",
                    reason,
                    self._max_stale,
                )
            self.freshness.lost(reason)
            self._renew()
            self._probing = True
        self.work.set()

    def _renew(self) -> None:
        self.freshness.renew(self.holdings.oldest_doubt)
        self.usable_until = self.freshness.usable_until

    # What a request and the loader ask for.

    def fetch(self, tenant: str) -> PolicySet:
        """Return what decides a tenant's requests as of now, reading whatever is not known to be current.

        Raises NoUsablePolicy, or StoreUnavailable: at once while the store is known to be away.
        """
        began = time.monotonic()
        brought: HeldDocument | None = None  # kept here too: others may evict it before it is used
        for _ in range(LOAD_ROUNDS):
            with self.lock:
                wanted = [name for name in SHARED_DOCUMENTS if not self._current(name, began)]
                if brought is None and not self._current(tenant, began):
                    wanted.append(tenant)
                if not wanted:
                    return self._answer(self.holdings.document(tenant) or brought)
                self._refuse_during_outage()
                under_way = [self.holdings.flights[name] for name in wanted if name in self.holdings.flights]
                mine = self.holdings.claim(wanted)
            brought = self._read(mine).get(tenant, brought)
            for flight in under_way:
                flight.done.wait(FLIGHT_WAIT_SECONDS)
        raise StoreUnavailable(f"the policies of tenant {tenant!r} could not be read; try again")

    def refresh(self, name: str) -> None:
        """Read a document again if it is held: what this process published holds at once in this process."""
        began = time.monotonic()
        for _ in range(LOAD_ROUNDS):
            with self.lock:
                if not self.holdings.holds(name) or self.holdings.read_at(name) >= began:
                    return
                flight = self.holdings.flights.get(name)
                mine = self.holdings.claim([name])
            try:
                self._read(mine)
            except StoreUnavailable:
                return  # it is published; the loader goes on trying
            if flight is not None:
                flight.done.wait(FLIGHT_WAIT_SECONDS)

    def catch_up(self) -> float:
        """Read some of what is in doubt and return the seconds until there is more to do.

        Raises StoreUnavailable; then what was in doubt still is.
        """
        with self.lock:
            names = self.holdings.doubtful[:READ_AT_ONCE]
            if not names and (self._probing or self._outage is not None):
                names = list(SHARED_DOCUMENTS)
            self._probing = False
            mine = self.holdings.claim(names)
        self._read(mine)
        if self._has_read and not self._set_up_checked:
            self._check_set_up()
        with self.lock:
            if any(name not in self.holdings.flights for name in self.holdings.doubtful):
                return 0.0
            if self.paperwork.repetition_due():
                for held in self.holdings.documents():
                    self.paperwork.tell(held)
        return self.paperwork.repetition_in()

    def _check_set_up(self) -> None:
        try:
            for warning in self._store.warnings():
                logger.warning("%s", warning)
        except StoreUnavailable as error:
            logger.debug("the set-up of the store cannot be checked yet: %s", error)
        else:
            self._set_up_checked = True

    def _current(self, name: str, began: float) -> bool:
        """True when a document's copy was read since `began`, or no change of it can have gone unheard."""
        return self.holdings.holds(name) and (
            self.holdings.read_at(name) >= began
            or (self.freshness.listening and not self.holdings.in_doubt(name))
        )

    def _answer(self, document: HeldDocument | None) -> PolicySet:
        if document is None:
            raise AssertionError("what is current is held, or was just brought")
        policies, refusal = self.holdings.answer(document)
        if policies is None:
            raise NoUsablePolicy(refusal)
        return policies

    def _refuse_during_outage(self) -> None:
        if self._outage is not None and time.monotonic() < self._outage_at + OUTAGE_BELIEVED_SECONDS:
            raise StoreUnavailable(self._outage)

    def _read(self, mine: Mapping[str, Flight]) -> Mapping[str, HeldDocument]:
        """Read the documents this thread has claimed and take them over; raises StoreUnavailable."""
        if not mine:
            return {}
        read_at = time.monotonic()
        try:
            reading = self._store.read(list(mine))
            with self.lock:
                before = {name: self.holdings.document(name) for name in mine}
            after = {
                name: after_reading(before[name], name, body, reading.unreadable.get(name), self._compile)
                for name, body in reading.bodies.items()
            }
            with self.lock:
                self._has_read = True
                self._end_outage()
                self._take_over(reading, before, after, read_at)
            return after
        except StoreUnavailable as error:
            with self.lock:
                self._begin_outage(str(error))
            raise
        finally:
            with self.lock:
                self.holdings.release(mine)
            self.work.set()

    def _take_over(
        self,
        reading: StoreReading,
        before: Mapping[str, HeldDocument | None],
        after: Mapping[str, HeldDocument],
        read_at: float,
    ) -> None:
        self._mark(reading.marked)
        for name, held in after.items():
            earlier = before[name]
            self.holdings.adopt(held, read_at, self.holdings.flights[name].outdated)
            if held is earlier:
                continue
            self.paperwork.tell(held)
            body = reading.bodies[name]
            if held.rejection is not None:
                self.rejected += 1
            elif held.compiled is not None and (earlier is None or held.compiled is not earlier.compiled):
                self.loaded += 1
            if body is not None and held.revision is not None and held.rejection is None:
                self.paperwork.took_effect(name, held.revision, body)
        self._renew()
        self._taken_over.notify_all()

    def _mark(self, marked: bool) -> None:
        if self.holdings.marked is True and not marked:
            logger.error("the policy store has lost its marker: it was emptied, or never set up by a publish")
        self.holdings.mark(marked)

    def _begin_outage(self, reason: str) -> None:
        if self._outage is None:
            logger.error("%s; the last good policies serve for at most %g s", reason, self._max_stale)
        self._outage = reason
        self._outage_at = time.monotonic()
        self._taken_over.notify_all()

    def _end_outage(self) -> None:
        if self._outage is not None:
            logger.info("the policy store answers again")
        self._outage = None

    # What people ask for.

    def wait_until_in_force(self, name: str, revision: str | None, timeout: float) -> bool:
        """Wait until a revision (None: no document) is what this process holds; return whether it is."""

        def in_force() -> bool:
            held = self.holdings.document(name)
            return held is not None and held.revision == revision

        with self.lock:
            return self._taken_over.wait_for(in_force, timeout)

    def age(self, name: str) -> float:
        """Return the seconds since a held document was last known to be current; `lock` is held."""
        return max(0.0, time.monotonic() - self.holdings.known_at(name, self.freshness.heard_at))

    @property
    def listener(self) -> str:
        """The state of the listener in words."""
        return self.freshness.listener

    @property
    def unheard_for(self) -> float | None:
        """Seconds since everything held was known to be current; None before it ever was."""
        known_at = self.freshness.known_at
        return None if known_at == NEVER else max(0.0, time.monotonic() - known_at)

    def unready(self, patience: float) -> Unready | None:
        """Say what keeps requests from being decided, None when nothing does; see `Snapshots.unready`."""
        with self.lock:
            self._taken_over.wait_for(lambda: self.holdings.complete or self._outage is not None, patience)
            if self._outage is not None and time.monotonic() >= self.usable_until:
                return Unready(STORE_AWAY, self._outage)
            if not self.holdings.complete:
                return Unready("starting", self.listener)
            if time.monotonic() >= self.usable_until:
                return Unready(STORE_AWAY, self.listener)
            refusal = self.holdings.answer(HeldDocument("", missing=True)).refusal
        return None if refusal is None else Unready("no usable policy", refusal)

    # Fork and end.

    def stop_serving(self) -> None:
        """Let nothing held be used any more."""
        with self.lock:
            self.freshness.reset()
            self.usable_until = self.freshness.usable_until

    def after_fork(self) -> None:
        """Start over in a forked child: nobody listens yet, so nothing is used before it is read again."""
        self._new_locks()
        self._outage = None
        self.holdings.after_fork()
        self.paperwork.after_fork()
        self.stop_serving()
