"""Operators that leave nothing of a value, and the one that leaves all."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from policy_middleware.masking.operators.constants import REDACTED_TEXT


@dataclass(frozen=True, slots=True)
class Redact:
    """Writes the same for every value."""

    is_constant: ClassVar[bool] = True
    strictness: int

    def text(self, value: str, entity: str) -> str:
        """Return the placeholder."""
        return REDACTED_TEXT


@dataclass(frozen=True, slots=True)
class Replace:
    """Writes the author's text, or the name of what was there: `<EMAIL_ADDRESS>`."""

    is_constant: ClassVar[bool] = True
    strictness: int
    replacement: str | None

    def text(self, value: str, entity: str) -> str:
        """Return the replacement."""
        return f"<{entity}>" if self.replacement is None else self.replacement


@dataclass(frozen=True, slots=True)
class Keep:
    """Leaves a value as it is."""

    strictness: int

    def text(self, value: str, entity: str) -> str:
        """Return the value."""
        return value
