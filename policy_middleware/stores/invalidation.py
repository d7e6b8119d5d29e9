"""Hearing of every change in Redis or Valkey, a bare SET included, over one connection of its own.

The connection asks the server to track a key prefix in broadcast mode and to send the news to itself:

    CLIENT TRACKING ON REDIRECT <own id> BCAST PREFIX policy:doc: PREFIX policy:meta
    SUBSCRIBE __redis__:invalidate

Tracking and subscription live and die together, so there is no half that silently goes missing (redis#11767).
redis-py's own client-side cache refuses Redis < 7.4 and Valkey, and its `health_check_interval` does not
notice a half-open pub/sub connection; hence the heartbeat here, in which any frame from the server is a sign
of life.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Collection, Sequence
from typing import Any, Final

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from policy_middleware.stores.connection import REDIS_ERRORS, connection_options, explain, without_password
from policy_middleware.stores.keys import INVALIDATION_CHANNEL, KeyLayout
from policy_middleware.stores.protocol import ChangeListener

HEARTBEAT_SECONDS: Final = 1.0
DEAD_AFTER_SECONDS: Final = 2.5
FIRST_PAUSE_SECONDS: Final = 0.05
LONGEST_PAUSE_SECONDS: Final = 1.0
_POLL_SECONDS: Final = 0.1  # bounds how long `stop` waits for the thread

logger = logging.getLogger("policy_middleware.stores")


class InvalidationWatch:
    """A thread that keeps one tracking connection open and tells a listener what it hears."""

    def __init__(self, url: str, keys: KeyLayout, listener: ChangeListener) -> None:
        self._url = url
        self._keys = keys
        self._listener = listener
        self._stopping = threading.Event()
        self._strays: set[str] = set()
        self._subscription: _Subscription | None = None
        self._thread = threading.Thread(target=self._run, name="policy-invalidation", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stop listening and join the thread."""
        self._stopping.set()
        if self._thread is not threading.current_thread():
            self._thread.join()

    def abandon(self) -> None:
        """Close the child's copy of the parent's socket; the connection itself stays the parent's."""
        if self._subscription is not None:
            self._subscription.abandon()

    def _run(self) -> None:
        pause = FIRST_PAUSE_SECONDS
        while not self._stopping.is_set():
            subscription = _Subscription(self._url, [self._keys.documents, self._keys.meta()])
            self._subscription = subscription
            try:
                subscription.open()
                self._listener.synced()
                pause = FIRST_PAUSE_SECONDS
                self._listen(subscription)
            except REDIS_ERRORS as error:
                self._listener.lost(f"{without_password(self._url)}: {explain(error)}")
            except Exception as error:  # a thread that died silently would leave every policy to grow old
                logger.exception("listening for changed policies failed; trying again")
                self._listener.lost(f"{without_password(self._url)}: {error!r}")
            finally:
                subscription.close()
            self._stopping.wait(pause)
            pause = min(pause * 2, LONGEST_PAUSE_SECONDS)

    def _listen(self, subscription: _Subscription) -> None:
        last_heard = time.monotonic()
        next_ping = last_heard + HEARTBEAT_SECONDS
        while not self._stopping.is_set():
            message = subscription.next_message(_POLL_SECONDS)
            now = time.monotonic()
            if message is not None:
                last_heard = now
                self._tell(message)
                self._listener.alive()
            elif now - last_heard > DEAD_AFTER_SECONDS:
                raise redis.TimeoutError(f"no sign of life for {DEAD_AFTER_SECONDS} s")
            if now >= next_ping:
                subscription.ping()
                next_ping = now + HEARTBEAT_SECONDS

    def _tell(self, message: dict[str, Any]) -> None:
        if message["type"] != "message":
            return
        changed = message["data"]
        if changed is None:  # FLUSHALL, FLUSHDB
            self._listener.changed(None)
            return
        keys = [key.decode(errors="replace") if isinstance(key, bytes) else key for key in changed]
        if self._keys.meta() in keys:
            self._listener.changed(None)
            return
        names = self._names(keys)
        if names:
            self._listener.changed(names)

    def _names(self, keys: Collection[str]) -> list[str]:
        names = []
        for key in keys:
            name = self._keys.document_name(key)
            if name is not None:
                names.append(name)
            elif key not in self._strays and len(self._strays) < 100:
                self._strays.add(key)
                logger.warning(
                    "the key %r holds no policy document anybody reads; document keys look like %r",
                    key,
                    self._keys.doc("acme"),
                )
        return names


class _Subscription:
    """One tracking connection, from its first command to its end."""

    def __init__(self, url: str, prefixes: Sequence[str]) -> None:
        self._prefixes = prefixes
        self._client = redis.Redis.from_url(
            url,
            redis_connect_func=self._track,
            retry=Retry(NoBackoff(), 0),
            **{**connection_options(), "socket_timeout": 1.0, "client_name": "policy-invalidation"},
        )
        self._pubsub: Any = self._client.pubsub()  # type: ignore[no-untyped-call]  # redis-py leaves it untyped

    def open(self) -> None:
        """Connect, track and subscribe; on return every later change will be heard."""
        self._pubsub.subscribe(INVALIDATION_CHANNEL)
        deadline = time.monotonic() + DEAD_AFTER_SECONDS
        while (message := self._pubsub.get_message(timeout=_POLL_SECONDS)) is None or (
            message["type"] != "subscribe"
        ):
            if time.monotonic() > deadline:
                raise redis.TimeoutError("the subscription was not confirmed")

    def next_message(self, timeout: float) -> dict[str, Any] | None:
        """Return the next frame as redis-py presents it, or None after `timeout` seconds."""
        message: dict[str, Any] | None = self._pubsub.get_message(timeout=timeout)
        return message

    def ping(self) -> None:
        """Ask for a sign of life."""
        self._pubsub.ping()

    def close(self) -> None:
        """Close the connection."""
        self._pubsub.close()
        self._client.close()

    def abandon(self) -> None:
        """Close the socket without a word to the server (redis-py checks the process id)."""
        if self._pubsub.connection is not None:
            self._pubsub.connection.disconnect()

    def _track(self, connection: Any) -> None:
        connection.on_connect()
        connection.send_command("CLIENT", "ID")
        own_id = connection.read_response()
        prefixes = [word for prefix in self._prefixes for word in ("PREFIX", prefix)]
        connection.send_command("CLIENT", "TRACKING", "ON", "REDIRECT", own_id, "BCAST", *prefixes)
        connection.read_response()
