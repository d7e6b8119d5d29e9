"""Values of requests made safe to record: bounded, finite, and free of what is no text."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence, Set
from typing import Any, Final

MAX_TEXT: Final = 1024
"""Characters of one text."""
MAX_ITEMS: Final = 100
"""Values of one list, or members of one object."""
MAX_CHARACTERS: Final = 32 * 1024
"""Characters of all texts and names of one record's request data together."""
MAX_DEPTH: Final = 8
_MAX_INTEGER_BITS: Final = 1024

_SURROGATE: Final = re.compile("[\ud800-\udfff]")
_REPLACEMENT: Final = "\ufffd"
_TEXT: Final = {str}
_SCALARS: Final = (bool, int, float, type(None))


def plain_text(text: str, limit: int = MAX_TEXT) -> str:
    """Return at most `limit` characters of `text`; lone surrogates, which UTF-8 cannot hold, are replaced."""
    text = text[:limit]
    return text if text.isascii() else _SURROGATE.sub(_REPLACEMENT, text)


class Shortener:
    """Copies request data into plain JSON data, within a budget for one record.

    `shortened` collects the names of what was cut, so that a record never passes for complete when it is not.
    """

    def __init__(self, budget: int = MAX_CHARACTERS) -> None:
        self._left = budget
        self.shortened: list[str] = []

    def mapping(self, values: Mapping[str, object]) -> dict[str, object]:
        """Return a copy of `values`; members past the bounds are left out and named."""
        whole = _copied_whole(values)
        if whole is not None:
            return whole
        copy: dict[str, object] = {}
        for number, (name, value) in enumerate(values.items()):
            name = plain_text(str(name))
            if number >= MAX_ITEMS or self._left <= 0:
                if len(self.shortened) < MAX_ITEMS:
                    self.shortened.append(name)
                continue
            self._left -= len(name)
            complete, copy[name] = self._copy(value, MAX_DEPTH)
            if not complete:
                self.shortened.append(name)
        return copy

    def _copy(self, value: object, depth: int) -> tuple[bool, object]:
        """Return whether all of `value` could be kept, and what was."""
        if isinstance(value, str):
            limit = max(0, min(MAX_TEXT, self._left))
            self._left -= min(limit, len(value)) + 1
            return len(value) <= limit, plain_text(value, limit)
        self._left -= 1
        if isinstance(value, _SCALARS):
            return _copy_scalar(value)
        if depth == 0:
            return False, f"<{type(value).__name__}>"
        if isinstance(value, Mapping):
            return self._copy_members(value, depth - 1)
        if isinstance(value, (Sequence, Set)) and not isinstance(value, (bytes, bytearray, memoryview)):
            return self._copy_items(list(value), depth - 1)
        # Never str() or repr() of what is unknown: nobody can say what it shows, or what it costs.
        return False, f"<{type(value).__name__}>"

    def _copy_members(self, value: Mapping[object, object], depth: int) -> tuple[bool, object]:
        complete = len(value) <= MAX_ITEMS
        members: dict[str, object] = {}
        for name, member in list(value.items())[:MAX_ITEMS]:
            if self._left <= 0:
                return False, members
            kept, members[plain_text(str(name), 200)] = self._copy(member, depth)
            complete = complete and kept
        return complete, members

    def _copy_items(self, value: list[object], depth: int) -> tuple[bool, object]:
        complete = len(value) <= MAX_ITEMS
        items: list[object] = []
        for item in value[:MAX_ITEMS]:
            if self._left <= 0:
                return False, items
            kept, copy = self._copy(item, depth)
            items.append(copy)
            complete = complete and kept
        return complete, items


def _copied_whole(values: Mapping[str, object]) -> dict[str, object] | None:
    """Return a copy of values that need no cutting, None where that takes a closer look.

    Texts that are short and ASCII together are so one by one; most requests bring nothing else, and looking
    at all at once costs a tenth.
    """
    copy = dict(values)
    texts: list[Any] = [*values]
    for name, value in values.items():
        kind = value.__class__
        if kind is str:
            texts.append(value)
        elif isinstance(value, tuple) and set(map(type, value)) <= _TEXT:
            copy[name] = [*value]
            texts += value
        elif kind is not bool and value is not None:
            return None
    try:
        together = "".join(texts)
    except TypeError:  # a name that is no text
        return None
    return copy if len(texts) <= MAX_ITEMS and len(together) <= MAX_TEXT and together.isascii() else None


def _copy_scalar(value: bool | int | float | None) -> tuple[bool, object]:
    if isinstance(value, float):
        return True, value if math.isfinite(value) else str(value)  # JSON has no NaN and no infinities
    if isinstance(value, int) and value.bit_length() > _MAX_INTEGER_BITS:
        return False, f"<integer of {value.bit_length()} bits>"
    return True, value
