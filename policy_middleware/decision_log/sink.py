"""What takes records."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

from policy_middleware.decision_log.chain import PlacedRecord


@runtime_checkable
class Sink(Protocol):
    """Takes records, in batches and in order, in the writer's thread; it may block and may raise."""

    def write(self, records: Sequence[PlacedRecord]) -> None:
        """Write the records, which must not be changed, or raise; `record.line` is their common encoding."""

    def close(self) -> None:
        """Let go of what the sink holds; called once, after the last record."""


@runtime_checkable
class CatchingUp(Sink, Protocol):
    """A sink that keeps records safe while it cannot write them where they belong."""

    @property
    def behind(self) -> bool:
        """True while records are kept; then `catch_up` is called every now and then."""

    def catch_up(self) -> None:
        """Try to write what is kept; no error when that is still impossible."""
