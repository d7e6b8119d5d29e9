"""Where records go."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from policy_middleware.decision_log.file_sink import open_file_sink
from policy_middleware.decision_log.logging_sink import LoggingSink
from policy_middleware.decision_log.otel_sink import OpenTelemetrySink
from policy_middleware.decision_log.record import Record
from policy_middleware.decision_log.sink import Sink
from policy_middleware.decision_log.stream_sink import StreamSink
from policy_middleware.model.errors import SettingsError
from policy_middleware.stores.protocol import Store
from policy_middleware.stores.redis_store import RedisStore

_FILE: Final = "file://"
_STREAM: Final = "redis"
_OTEL: Final = "otel"


class CallableSink:
    """Calls a function with each record."""

    def __init__(self, function: Callable[[Record], object]) -> None:
        self._function = function

    def __repr__(self) -> str:
        return f"CallableSink({self._function!r})"

    def write(self, records: Sequence[Record]) -> None:
        """Call the function with each record, in order."""
        for record in records:
            self._function(record)

    def close(self) -> None:
        """Do nothing: the function is the application's."""


def open_sinks(spec: object, store: Store | None = None, *, spill: Path | None = None) -> tuple[Sink, ...]:
    """Return the sinks that `spec` names, one or several; as text, several are separated by commas.

    `logging`, `file:///path` (JSON Lines), `redis` (a capped stream in the policy store), `otel`
    (OpenTelemetry), `auto` (logging, and the stream where the store is Redis), a callable, or a Sink. The
    stream's records wait in the directory `spill` while the server is away. Raises SettingsError for anything
    else, and MissingExtra.
    """
    if isinstance(spec, str):
        names = [name.strip() for name in spec.split(",")]
        return tuple(sink for name in dict.fromkeys(names) for sink in _named_sinks(name, store, spill))
    if isinstance(spec, Sink) or callable(spec):
        return (_sink(spec),)
    if not isinstance(spec, Sequence) or not spec:
        raise SettingsError(
            f"decision_log: {spec!r} names no sink; give 'logging', a callable, or a list of these"
        )
    return tuple(
        sink
        for item in spec
        for sink in (_named_sinks(item, store, spill) if isinstance(item, str) else (_sink(item),))
    )


def _sink(item: object) -> Sink:
    if isinstance(item, Sink):
        return item
    if callable(item):
        return CallableSink(item)
    raise SettingsError(f"decision_log: {item!r} is neither the name of a sink nor a callable")


def _named_sinks(name: str, store: Store | None, spill: Path | None) -> tuple[Sink, ...]:
    if name == "logging":
        return (LoggingSink(),)
    if name == "auto":
        return (
            (LoggingSink(), StreamSink(store, spill)) if isinstance(store, RedisStore) else (LoggingSink(),)
        )
    if name == _STREAM:
        if isinstance(store, RedisStore):
            return (StreamSink(store, spill),)
        raise SettingsError("decision_log: 'redis' keeps records in the policy store, and that is not Redis")
    if name.startswith(_FILE):
        return (open_file_sink(name),)
    if name == _OTEL:
        return (OpenTelemetrySink(),)
    raise SettingsError(
        f"decision_log: unknown sink {name!r}; known are 'auto', 'logging', 'redis', 'otel', 'file:///path' "
        "and any callable"
    )
