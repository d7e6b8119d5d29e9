"""The policies that stand beside the examples of authentication."""

from __future__ import annotations

from pathlib import Path
from typing import Final

AUTH: Final = Path(__file__).parents[2] / "examples" / "auth"


def policy_of(example: str) -> bytes:
    """Return the policy document that stands beside `examples/auth/{example}.py`."""
    return (AUTH / f"{example}.json").read_bytes()
