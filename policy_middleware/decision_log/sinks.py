"""Where records go."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, Protocol, runtime_checkable

from policy_middleware.decision_log.logging_sink import LoggingSink
from policy_middleware.decision_log.record import Record
from policy_middleware.model.errors import SettingsError

_NOT_BUILT_YET: Final = ("file://", "redis")


@runtime_checkable
class Sink(Protocol):
    """Takes records, in batches and in order, in the writer's thread; it may block and may raise."""

    def write(self, records: Sequence[Record]) -> None:
        """Write the records; they are plain JSON data and must not be changed."""

    def close(self) -> None:
        """Let go of what the sink holds; called once, after the last record."""


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


def open_sinks(spec: object) -> tuple[Sink, ...]:
    """Return the sinks that `spec` names: `auto`, `logging`, a callable, a Sink, or several of these.

    As text, several are separated by commas. Raises SettingsError for a sink that is unknown or not built.
    """
    if isinstance(spec, str):
        names = [name.strip() for name in spec.split(",")]
        return tuple(_named_sink(name) for name in dict.fromkeys(names))
    if isinstance(spec, Sink) or callable(spec):
        return (_sink(spec),)
    if not isinstance(spec, Sequence) or not spec:
        raise SettingsError(
            f"decision_log: {spec!r} names no sink; give 'logging', a callable, or a list of these"
        )
    return tuple(_named_sink(item) if isinstance(item, str) else _sink(item) for item in spec)


def _sink(item: object) -> Sink:
    if isinstance(item, Sink):
        return item
    if callable(item):
        return CallableSink(item)
    raise SettingsError(f"decision_log: {item!r} is neither the name of a sink nor a callable")


def _named_sink(name: str) -> Sink:
    if name in ("auto", "logging"):
        return LoggingSink()
    if name.startswith(_NOT_BUILT_YET):
        raise SettingsError(f"decision_log: the sink {name!r} is not built yet; give 'logging' or a callable")
    raise SettingsError(f"decision_log: unknown sink {name!r}; known are 'auto', 'logging' and any callable")
