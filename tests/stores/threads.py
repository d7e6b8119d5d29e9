"""Which threads of the stores run in this process, whatever other parts of the package keep running."""

from __future__ import annotations

import threading

STORE_THREADS = frozenset({"policy-invalidation", "policy-loader", "policy-paperwork", "policy-files"})


def store_threads() -> list[str]:
    """Return the names of the stores' threads that are alive."""
    return [thread.name for thread in threading.enumerate() if thread.name in STORE_THREADS]
