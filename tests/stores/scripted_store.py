"""A store whose readings can be held up, failed and counted, and whose listener the test plays itself."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

from policy_middleware.model.errors import StoreUnavailable
from policy_middleware.stores import ChangeListener, MemoryStore, StoreReading


class ScriptedWatch:
    """A watch that does nothing by itself."""

    def stop(self) -> None:
        """Nothing to stop."""

    def abandon(self) -> None:
        """Nothing to abandon."""


class ScriptedStore(MemoryStore):
    """A memory store that can be lost, like a real one; changes are told only when the test says so."""

    dead_after = 0.0

    def __init__(self) -> None:
        super().__init__()
        self.readings: list[tuple[str, ...]] = []
        self.readers: list[str] = []
        self.failing = False
        self.marked = True
        self.open_gate = threading.Event()
        self.open_gate.set()
        self.at_gate = threading.Semaphore(0)
        self.after_reading: Callable[[], None] = lambda: None
        self.listener: ChangeListener | None = None

    def read(self, names: Sequence[str]) -> StoreReading:
        self.readings.append(tuple(names))
        self.readers.append(threading.current_thread().name)
        if self.failing:
            raise StoreUnavailable("the scripted store is away")
        reading = super().read(names)
        self.at_gate.release()
        assert self.open_gate.wait(10)
        self.after_reading()
        return StoreReading(reading.bodies, self.marked)

    def readings_of(self, name: str) -> int:
        """How often a document was read."""
        return sum(name in names for names in self.readings)

    def watch(self, listener: ChangeListener) -> ScriptedWatch:  # type: ignore[override]  # no thread, no list
        self.listener = listener
        return ScriptedWatch()

    @property
    def ear(self) -> ChangeListener:
        """Whoever listens."""
        assert self.listener is not None
        return self.listener
