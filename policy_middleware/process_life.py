"""What objects with threads and queues owe the process that they live in: forks, and its end."""

from __future__ import annotations

import atexit
import os
from collections.abc import Callable
from typing import TypeVar
from weakref import WeakSet

Resident = TypeVar("Resident")


def follow_process(
    living: WeakSet[Resident],
    *,
    reset: Callable[[Resident], object],
    close: Callable[[Resident], object] | None = None,
) -> None:
    """Reset every living object in a forked child, where its threads are gone, and close it at exit."""

    def reset_all() -> None:
        for resident in list(living):
            reset(resident)

    def close_all() -> None:
        for resident in list(living):
            if close is not None:
                close(resident)

    if hasattr(os, "register_at_fork"):  # nothing forks on Windows
        os.register_at_fork(after_in_child=reset_all)
    if close is not None:
        atexit.register(close_all)
