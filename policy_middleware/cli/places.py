"""Where a command works: a store, its approvals, an enforcer over it, each open as long as the command."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from policy_middleware.approvals import ApprovalQueue
from policy_middleware.enforcer import PolicyEnforcer
from policy_middleware.model.errors import LogUnavailable, SettingsError
from policy_middleware.stores.memory import MemoryStore
from policy_middleware.stores.opening import open_store
from policy_middleware.stores.protocol import Store
from policy_middleware.stores.redis_store import RedisStore

IN_MEMORY: Final = "memory://"


@dataclass(frozen=True, slots=True)
class StorePlace:
    """A store by its URL and key prefix."""

    url: str
    key_prefix: str

    @contextmanager
    def store(self) -> Iterator[Store]:
        """Open the store; raises SettingsError for one that a command could only find empty."""
        store = open_store(self.url, key_prefix=self.key_prefix)
        try:
            if isinstance(store, MemoryStore):
                raise SettingsError(
                    "a memory:// store lives inside one process, where no command can see it; "
                    "name a shared one with --store URL or POLICY_STORE_URL"
                )
            yield store
        finally:
            store.close()

    @contextmanager
    def approvals(self) -> Iterator[ApprovalQueue]:
        """Open the queue of approvals; raises SettingsError for one in the application's memory."""
        with self.approving() as enforcer:
            yield enforcer.approvals

    @contextmanager
    def approving(self) -> Iterator[PolicyEnforcer]:
        """Open an enforcer for its approvals: what is done to them goes into the store's decision log.

        Raises SettingsError for a queue in the application's memory, and LogUnavailable at the end when what
        was done could not be recorded: it stands, and the message is its record.
        """
        with self.store() as store:
            if not isinstance(store, RedisStore):
                raise SettingsError(
                    "approvals of this store wait in the memory of the application, where no command can see "
                    "them; name a Redis store with --store URL or POLICY_STORE_URL"
                )
        # What listens in the application need not be importable here.
        made: list[Mapping[str, object]] = []
        with PolicyEnforcer.from_url(
            self.url, key_prefix=self.key_prefix, decision_log=("redis", made.append), on_approval=()
        ) as enforcer:
            yield enforcer
            log = enforcer.decision_log
            if not log.flush() or log.status.failing or log.status.behind:
                raise LogUnavailable(
                    "what was done stands, but could not be written to the decision log of the store "
                    "(may this user write policy:decisions?); keep its record: "
                    + "; ".join(map(json.dumps, made))
                )

    @contextmanager
    def counting(self) -> Iterator[PolicyEnforcer]:
        """Open an enforcer for its counters: what is done to them goes into the store's decision log.

        Raises SettingsError for counters in the application's memory.
        """
        with self.store() as store:
            if not isinstance(store, RedisStore):
                raise SettingsError(
                    "with this store every process counts in its own memory, where no command can see it; "
                    "name a Redis store with --store URL or POLICY_STORE_URL"
                )
        with PolicyEnforcer.from_url(
            self.url, key_prefix=self.key_prefix, decision_log="redis", on_approval=()
        ) as enforcer:
            yield enforcer

    @contextmanager
    def enforcer(self) -> Iterator[PolicyEnforcer]:
        """Open an enforcer over the store, with the other settings of the environment."""
        with self.store():
            pass
        with open_enforcer(self.url, self.key_prefix) as enforcer:
            yield enforcer


def open_enforcer(url: str, key_prefix: str) -> PolicyEnforcer:
    """Return an enforcer that only evaluates, so nothing reaches its decision log."""
    return PolicyEnforcer.from_url(url, key_prefix=key_prefix, decision_log="logging")
