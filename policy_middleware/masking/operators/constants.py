"""Texts that several operators write."""

from __future__ import annotations

from typing import Final

REDACTED_TEXT: Final = "[REDACTED]"
STAR: Final = "*"
FIELD: Final = "MASKED"
"""The name under which the value of a field is masked; what was recognised has its entity's name."""
