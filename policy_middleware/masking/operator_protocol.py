"""What the scanner needs to know about an operator: a text in, a text out, and how strict it is."""

from __future__ import annotations

from typing import Protocol


class MaskingOperator(Protocol):
    """What is written in place of a detected value.

    One with a true `is_constant` writes the same for every value of an entity, and need not be asked again.
    """

    @property
    def strictness(self) -> int:
        """Rank among operators; where matches overlap, the highest decides over all of them."""

    def text(self, value: str, entity: str) -> str:
        """Return what to write in place of `value`, which was recognised as `entity`."""
