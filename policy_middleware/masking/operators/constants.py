"""Texts that several operators write."""

from __future__ import annotations

from typing import Final

REDACTED_TEXT: Final = "[REDACTED]"
STAR: Final = "*"
FIELD: Final = "MASKED"
"""The name under which the value of a field is masked; what was recognised has its entity's name."""


def placeholder(literal: str) -> str:
    """Return what stands for a JSON number or boolean that is masked: the same for all of its type."""
    return "false" if literal in ("true", "false") else "0"
