"""How this package talks to Redis: short timeouts, one retry, a bounded pool, a circuit breaker.

With redis-py's own defaults one GET to a frozen server blocks a request for 59 seconds (measured, redis-py
8.1).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

import redis
from redis.backoff import EqualJitterBackoff
from redis.connection import BlockingConnectionPool, Connection, SSLConnection, UnixDomainSocketConnection
from redis.retry import Retry

from policy_middleware.model.errors import SettingsError, StoreUnavailable
from policy_middleware.stores.circuit import CircuitBreaker

TIMEOUT_SECONDS: Final = 0.25
POOL_SIZE: Final = 50
POOL_WAIT_SECONDS: Final = 0.1
IDLE_CHECK_SECONDS: Final = 15
CLIENT_NAME: Final = "policy-middleware"

REDIS_ERRORS: Final = (redis.RedisError, OSError)
"""Everything redis-py lets out when a server is away, overloaded or refuses."""

if TYPE_CHECKING:
    _Base = Connection  # the mix-in is only ever placed in front of a connection class
else:
    _Base = object


class _Guarded(_Base):
    """A connection that tells a circuit breaker how it fares, and asks it first."""

    def __init__(
        self, *, breaker: CircuitBreaker, before_connect: Callable[[], None] | None = None, **options: Any
    ) -> None:
        self._breaker = breaker
        self._before_connect = before_connect
        super().__init__(**options)  # type: ignore[no-untyped-call]  # redis-py leaves it untyped

    def connect(self) -> None:
        """Connect unless connected; the pool calls this before every use, so it is where the breaker asks."""
        if self._before_connect is not None and self._sock is None:
            self._before_connect()
        self._breaker.enter()
        try:
            super().connect()  # type: ignore[no-untyped-call]  # redis-py leaves it untyped
        except (redis.ConnectionError, redis.TimeoutError, OSError) as error:
            self._breaker.failed(error)  # redis-py tried twice before it let this out

    def read_response(self, *args: Any, **options: Any) -> Any:
        """Read an answer; the retry of a command that times out twice is the last one for a while."""
        try:
            answer = super().read_response(*args, **options)
        except redis.TimeoutError as error:
            self._breaker.timed_out(error)
            raise
        except redis.ResponseError:
            self._breaker.succeeded()
            raise
        self._breaker.succeeded()
        return answer


class _GuardedTcp(_Guarded, Connection):
    pass


class _GuardedTls(_Guarded, SSLConnection):
    pass


class _GuardedUnix(_Guarded, UnixDomainSocketConnection):
    pass


_CONNECTIONS: Final = {"redis": _GuardedTcp, "rediss": _GuardedTls, "unix": _GuardedUnix}


_SENTENCES: Final = (
    (
        ("wrongpass", "noauth", "username-password", "invalid password", "authentication required"),
        "the server refuses the credentials; check user and password in store_url",
    ),
    (
        ("noperm", "no permissions", "has no permission"),
        "the Redis user lacks a permission; docs/redis.md lists the ACL rules it needs",
    ),
)


def connect(url: str, before_connect: Callable[[], None] | None = None) -> redis.Redis:
    """Return a client for `redis://`, `rediss://` or `unix://`; nothing is sent before it is used.

    `before_connect` is called before every new connection, and may raise StoreUnavailable.

    Options of redis-py may be given in the query (`?ssl_ca_certs=...`). Raises SettingsError for a URL that
    cannot be understood.
    """
    return redis.Redis(connection_pool=new_pool(url, before_connect))


def new_pool(url: str, before_connect: Callable[[], None] | None = None) -> BlockingConnectionPool:
    """Return the pool behind `connect`; one per process, so a forked child makes its own."""
    try:
        pool = BlockingConnectionPool.from_url(
            url,
            connection_class=_CONNECTIONS[urlsplit(url).scheme],
            breaker=CircuitBreaker(),
            before_connect=before_connect,
            max_connections=POOL_SIZE,
            timeout=POOL_WAIT_SECONDS,
            health_check_interval=IDLE_CHECK_SECONDS,
            retry=Retry(EqualJitterBackoff(cap=0.05, base=0.01), 1),
            **connection_options(),
        )
        pool.connection_class(**pool.connection_kwargs)  # connects nowhere, but knows every option
    except (ValueError, KeyError, TypeError) as error:
        # What is quoted as a port, or as a host, is part of a password when that holds a slash.
        reason = (
            "write / ? # and @ in a password as %2F %3F %23 and %40"
            if isinstance(error, ValueError) and "@" in url
            else str(error)
        )
        raise SettingsError(f"store_url {without_password(url)!r} cannot be understood: {reason}") from None
    return pool


def connection_options() -> dict[str, Any]:
    """Return what every connection has in common. RESP2, because answers then look alike on all servers."""
    return {
        "protocol": 2,
        "socket_timeout": TIMEOUT_SECONDS,
        "socket_connect_timeout": TIMEOUT_SECONDS,
        "client_name": CLIENT_NAME,
    }


def without_password(url: str) -> str:
    """Return a URL as it may appear in logs and errors."""
    scheme, separator, rest = url.partition("://")
    if not separator:
        return "(unreadable URL)"
    # Not urlsplit: to it a password ends at its first slash, question mark or hash, and the rest is a path.
    credentials, at, address = rest.rpartition("@")
    if "?" in credentials or "#" in credentials:
        return f"{scheme}://***"  # who can say whether the @ is in a password in the query
    shown = re.split("[?#]", address, maxsplit=1)[0]
    return f"{scheme}://{'***@' if at else ''}{shown}"


@contextmanager
def store_errors(url: str) -> Iterator[None]:
    """Turn what redis-py raises into StoreUnavailable with the address and what to do."""
    try:
        yield
    except REDIS_ERRORS as error:
        raise StoreUnavailable(f"policy store {without_password(url)}: {explain(error)}") from error


def explain(error: BaseException) -> str:
    """Return what went wrong in a sentence an operator can act on."""
    text = str(error) or type(error).__name__
    lowered = text.lower()
    for signs, sentence in _SENTENCES:
        if any(sign in lowered for sign in signs):
            return f"{sentence} (the server says: {text})"
    return text
