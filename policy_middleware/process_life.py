"""What objects with threads and queues owe the process that they live in: forks, and its end."""

from __future__ import annotations

import atexit
import os
from collections.abc import Callable
from typing import TypeVar
from weakref import WeakSet

Resident = TypeVar("Resident")


def reset_in_children(living: WeakSet[Resident], reset: Callable[[Resident], object]) -> None:
    """Reset every living object in a forked child, where its threads are gone."""

    def reset_all() -> None:
        for resident in list(living):
            reset(resident)

    if hasattr(os, "register_at_fork"):  # nothing forks on Windows
        os.register_at_fork(after_in_child=reset_all)


def close_at_exit(living: WeakSet[Resident], close: Callable[[Resident], object]) -> None:
    """Close every living object when the interpreter ends.

    Called where its class is defined, so what a module builds upon, and has imported, is closed after it.
    """

    def close_all() -> None:
        for resident in list(living):
            close(resident)

    atexit.register(close_all)
