"""Text that people are shown and that nothing obeys: no terminal, and no eye."""

from __future__ import annotations

import re
from typing import Final

# C0 and C1 controls, what breaks lines or reverses their direction (CVE-2021-42574), and lone surrogates.
UNSAFE: Final = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
_UNSAFE_BUT_NEWLINE: Final = re.compile(UNSAFE.pattern.replace("\x00-\x1f", "\x00-\x09\x0b-\x1f"))


def printable(text: str) -> str:
    """Return text that is shown and never obeyed; line breaks stay."""
    return _UNSAFE_BUT_NEWLINE.sub("\N{REPLACEMENT CHARACTER}", text)
