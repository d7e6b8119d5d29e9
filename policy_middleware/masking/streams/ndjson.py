"""JSON documents, one per line (NDJSON, JSON Lines), masked line by line."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from policy_middleware.masking.bodies.rules import BodyRules
from policy_middleware.masking.json_texts import check_json, has_other_readings
from policy_middleware.masking.streams.cpu_budget import CpuBudget
from policy_middleware.masking.streams.llm import DeltaMask, may_grow
from policy_middleware.model.errors import MaskError

_MANY: Final = 16
"""Lines of one chunk from which on it pays to look at all of them at once."""


class LinesMask:
    """Masks one stream of lines: `feed` returns what may leave by now, `close` the rest.

    Each raises MaskError for a line that is not JSON in UTF-8, or longer than `limit` bytes; then nothing
    more may leave.
    """

    def __init__(self, rules: BodyRules, *, limit: int) -> None:
        self._rules = rules
        self._deltas = DeltaMask(rules)
        self._limit = limit
        self._parts: list[bytes] = []
        self._size = 0

    def feed(self, chunk: bytes) -> bytes:
        """Return every line that `chunk` completes."""
        *ended, rest = chunk.split(b"\n")
        masked: list[bytes] = []
        budget = CpuBudget(len(chunk))
        is_clean = len(ended) > _MANY and self._are_clean(ended[1:])
        for line in ended[:1] if is_clean else ended:
            budget.spend()
            self._parts.append(line)
            masked.append(self._masked(b"".join(self._parts), b"\n"))
            self._parts.clear()
            self._size = 0
        if is_clean:
            masked.append(b"\n".join((*ended[1:], b"")))
        if rest:
            self._parts.append(rest)
            self._size += len(rest)
            if self._size > self._limit:
                raise MaskError(f"a line is longer than the {self._limit} bytes that may be held for masking")
        return b"".join(masked)

    def close(self) -> bytes:
        """Return the last line, and what earlier lines have held back."""
        last = self._masked(b"".join(self._parts), b"")
        tails = b"".join(_encoded(message.text) + b"\n" for message in self._deltas.close())
        return last + b"\n" + tails if last and tails else last + tails

    def _are_clean(self, lines: Sequence[bytes]) -> bool:
        """Return whether nothing is to be masked in any of many lines, in one search; each has to be JSON."""
        if self._rules.has_fields or not self._rules.has_texts:
            return False
        text = _decoded(b"\n".join(lines))
        if may_grow(text) or has_other_readings(text) or self._rules.detects(text):
            return False
        for line in lines:
            if line.strip(b" \t\r"):
                check_json(line, line.decode())
        return True

    def _masked(self, line: bytes, end: bytes) -> bytes:
        text = _decoded(line)
        content = text.strip(" \t\r")
        if not content:
            return line + end
        start = text.index(content)
        *before, last = self._deltas.event(content)
        tails = b"".join(_encoded(message.text) + b"\n" for message in before)
        return tails + _encoded(text[:start] + last.text + text[start + len(content) :]) + end


def _encoded(text: str) -> bytes:
    # Half a surrogate pair is only found in a JSON string, where an escape says the same.
    return text.encode("utf-8", "backslashreplace")


def _decoded(line: bytes) -> str:
    try:
        return line.decode()
    except UnicodeDecodeError:
        pass
    # Raised out here because a UnicodeDecodeError in the context would carry the line along.
    raise MaskError("a line is not valid UTF-8")
