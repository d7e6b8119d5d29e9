"""Whether a policy store is fit for its purpose, and what to do where it is not."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from policy_middleware.stores.connection import REDIS_ERRORS, store_errors
from policy_middleware.stores.protocol import Store
from policy_middleware.stores.redis_store import RedisStore

OLDEST: Final = (6, 2)
CLOCK_SKEW: Final = 2.0
"""Seconds by which the clocks of server and client may differ."""


class Level(StrEnum):
    """How a check came out."""

    OK = "ok"
    WARNING = "warning"
    PROBLEM = "problem"


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """One thing that was looked at: what it is like, and what to do about it."""

    level: Level
    subject: str
    finding: str
    remedy: str = ""


def diagnose(store: Store) -> Iterator[Diagnosis]:
    """Look a store over; raises StoreUnavailable when it cannot be reached."""
    if not store.read([]).marked:
        yield Diagnosis(
            Level.WARNING,
            "marker",
            "the store has never held policies, or was emptied",
            "run `policyctl init`, or publish a document",
        )
    if isinstance(store, RedisStore):
        yield from _diagnose_redis(store)


def _diagnose_redis(store: RedisStore) -> Iterator[Diagnosis]:
    with store_errors(store.url):
        started = time.time()
        seconds, microseconds = store.client.time()
        elapsed = time.time() - started
        information: Any = store.client.info()
    yield _version(information)
    yield _clock(seconds + microseconds / 1e6 - started - elapsed / 2)
    yield _eviction(str(information.get("maxmemory_policy", "")))
    yield _persistence(information)
    yield _role(information)
    yield _tracking(store)


def _version(information: dict[str, Any]) -> Diagnosis:
    name = "Valkey" if "valkey_version" in information else "Redis"
    version = str(information.get("valkey_version") or information.get("redis_version", "0"))
    parts = tuple(int(part) for part in version.split(".")[:2] if part.isdigit())
    if parts < OLDEST:
        return Diagnosis(Level.PROBLEM, "version", f"{name} {version}", "use Redis 6.2 or later, or Valkey")
    return Diagnosis(Level.OK, "version", f"{name} {version}")


def _clock(skew: float) -> Diagnosis:
    finding = f"the server's clock is {abs(skew):.1f} s {'ahead' if skew > 0 else 'behind'}"
    if abs(skew) <= CLOCK_SKEW:
        return Diagnosis(Level.OK, "clock", "server and client agree")
    return Diagnosis(
        Level.WARNING,
        "clock",
        finding,
        "synchronise both: approvals go by the server's clock, rules by the app's",
    )


def _eviction(policy: str) -> Diagnosis:
    if policy.startswith("allkeys"):
        return Diagnosis(
            Level.PROBLEM,
            "eviction",
            f"maxmemory-policy is {policy}: policies may vanish when memory runs out",
            "set it to noeviction or to a volatile-* policy",
        )
    return Diagnosis(Level.OK, "eviction", f"maxmemory-policy is {policy}")


def _persistence(information: dict[str, Any]) -> Diagnosis:
    if information.get("aof_enabled"):
        return Diagnosis(Level.OK, "persistence", "append-only file")
    return Diagnosis(
        Level.WARNING,
        "persistence",
        "no append-only file: a restart of the server loses recent policies and approvals",
        "set appendonly yes",
    )


def _role(information: dict[str, Any]) -> Diagnosis:
    role = str(information.get("role", ""))
    if role not in ("master", ""):
        return Diagnosis(
            Level.PROBLEM, "role", f"this server is a {role}: nothing can be published", "name the primary"
        )
    return Diagnosis(Level.OK, "role", "primary")


def _tracking(store: RedisStore) -> Diagnosis:
    """Check that the commands of the hot reload are allowed to this user, on a connection of their own."""
    try:
        with store.client.client() as connection:  # type: ignore[no-untyped-call]  # redis-py leaves it untyped
            number = connection.execute_command("CLIENT", "ID")
            connection.execute_command(
                "CLIENT", "TRACKING", "ON", "REDIRECT", number, "BCAST", "PREFIX", store.keys.documents
            )
            connection.execute_command("CLIENT", "TRACKING", "OFF")
    except REDIS_ERRORS as error:
        return Diagnosis(
            Level.PROBLEM,
            "hot reload",
            f"changes are not heard: {error}",
            "allow +client|id and +client|tracking to this user (docs/redis.md has complete users)",
        )
    return Diagnosis(Level.OK, "hot reload", "changes are heard")
