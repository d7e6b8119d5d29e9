"""Whether a policy store is fit for its purpose, and what to do where it is not."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

import redis

from policy_middleware.model.errors import StoreUnavailable
from policy_middleware.stores.connection import REDIS_ERRORS, store_errors
from policy_middleware.stores.protocol import Store
from policy_middleware.stores.redis_store import RedisStore

OLDEST: Final = (6, 2)
CLOCK_SKEW: Final = 2.0
"""Seconds by which the clocks of server and client may differ."""


_NOBODY: Final = "policyctl-doctor"
"""A tenant that nobody is."""


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
    yield _eviction(str(information.get("maxmemory_policy", "")), int(information.get("maxmemory", 0)))
    yield _persistence(information)
    yield _role(information)
    yield _tracking(store)
    yield _permissions(store)


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


def _eviction(policy: str, most_bytes: int) -> Diagnosis:
    if policy.startswith("allkeys"):
        return Diagnosis(
            Level.PROBLEM,
            "eviction",
            f"maxmemory-policy is {policy}: policies may vanish when memory runs out",
            "set it to noeviction or to a volatile-* policy",
        )
    if policy.startswith("volatile") and most_bytes:
        return Diagnosis(
            Level.WARNING,
            "eviction",
            f"maxmemory-policy is {policy}: approvals and counters, which expire, may vanish early",
            "set it to noeviction where rules count or ask for approval",
        )
    return Diagnosis(Level.OK, "eviction", f"maxmemory-policy is {policy}")


def _persistence(information: dict[str, Any]) -> Diagnosis:
    failed = [
        name
        for name in ("aof_last_write_status", "aof_last_bgrewrite_status", "rdb_last_bgsave_status")
        if information.get(name, "ok") != "ok"
    ]
    if failed:
        return Diagnosis(
            Level.PROBLEM,
            "persistence",
            f"the server cannot write to its disk ({', '.join(failed)}), and may refuse writes for it",
            "look at the server's log, and make room on its disk",
        )
    if information.get("aof_enabled"):
        return Diagnosis(Level.OK, "persistence", "append-only file")
    unsaved = information.get("rdb_changes_since_last_save", 0)
    return Diagnosis(
        Level.WARNING,
        "persistence",
        "no append-only file: a restart of the server may lose policies, approvals and decision records, "
        f"now {unsaved} changes",
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


def _permissions(store: RedisStore) -> Diagnosis:
    """Check what else the app's user does, by commands that change nothing, even where they are allowed."""
    keys = store.keys
    tried: tuple[tuple[str, tuple[str, ...]], ...] = (
        ("write history", ("XADD", keys.history(_NOBODY), "0-0", "probe", "probe")),
        ("tell its status", ("HDEL", keys.status(_NOBODY), "probe")),
        ("write decision records", ("XADD", keys.decisions(), "0-0", "probe", "probe")),
        ("run scripts", ("EVAL", "return 1", "0")),
        ("keep approvals", ("HDEL", keys.approval(_NOBODY, "probe"), "probe")),
        ("keep counters", ("ZREM", keys.count(_NOBODY, "probe"), "probe")),
        ("wake clients that wait", ("PUBLISH", keys.approval(_NOBODY, "probe"), "probe")),
    )
    denied = [what for what, command in tried if not _permitted(store, command)]
    if not _hears(store, f"{keys.prefix}approval:*"):
        denied.append("hear of approvals")
    if denied:
        return Diagnosis(
            Level.WARNING,
            "permissions",
            f"this user may not {', '.join(denied)}",
            "an application needs that, as it uses each: docs/redis.md has complete users",
        )
    return Diagnosis(Level.OK, "permissions", "this user may do what an application does")


def _permitted(store: RedisStore, command: tuple[str, ...]) -> bool:
    """Tell whether a command is allowed; any other reason why it fails means that it is."""
    try:
        store.client.execute_command(*command)  # type: ignore[no-untyped-call]  # redis-py leaves it untyped
    except redis.exceptions.NoPermissionError:
        return False
    except redis.ResponseError:
        return True
    except REDIS_ERRORS as error:
        raise StoreUnavailable(f"{store.url}: {error}") from error
    return True


def _hears(store: RedisStore, pattern: str) -> bool:
    pubsub: Any = store.client.pubsub()  # type: ignore[no-untyped-call]  # redis-py leaves it untyped
    try:
        pubsub.psubscribe(pattern)
        pubsub.get_message(timeout=1.0)
    except redis.exceptions.NoPermissionError:
        return False
    except REDIS_ERRORS as error:
        raise StoreUnavailable(f"{store.url}: {error}") from error
    finally:
        pubsub.close()
    return True
