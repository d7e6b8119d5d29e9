"""What a place for counters can do, whatever it is made of."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from policy_middleware.evaluation.counting import Entry, Premise, Question


class Counters(Protocol):
    """Sliding windows over what happened, one tenant apart from the other, by one clock for all processes.

    Everything here is one round trip, may block, and raises StoreUnavailable when the place is gone.
    """

    def read(self, tenant: str, questions: Sequence[Question]) -> list[int]:
        """Return how many entries each question finds, all at one moment.

        Numbers are exact up to the cap that the counter was written with.
        """
        ...

    def write(
        self, tenant: str, entry_id: str, entries: Sequence[Entry], premises: Sequence[Premise] = ()
    ) -> list[int] | None:
        """Add one entry to every counter, provided that all premises still hold; all or nothing.

        Returns None when it is done, else the numbers that the premises' questions find now. What is in all
        counters under this id already is not written again, whatever the premises.
        """
        ...

    def withdraw(self, tenant: str, entry_id: str, entries: Sequence[Entry]) -> None:
        """Take an entry back: what it stood for did not happen."""
        ...

    def clear(self, tenant: str, counters: Sequence[str]) -> None:
        """Forget every entry of the counters of these names."""
        ...
