"""Keeping foreign code that only measures from harming what is measured."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

log: Final = logging.getLogger("policy_middleware")


class Quiet:
    """Logs the first failure of a kind of telemetry with its traceback, and the rest as debug lines.

    A disk without space below PROMETHEUS_MULTIPROC_DIR, say, must not look like a failing decision log.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._told = False

    @contextmanager
    def __call__(self) -> Iterator[None]:
        """Swallow what the block raises, once it was told."""
        try:
            yield
        except Exception:  # whatever the library or an exporter raises
            if self._told:
                log.debug("%s failed again", self._name, exc_info=True)
                return
            self._told = True
            log.exception("%s failed; requests are decided all the same", self._name)
