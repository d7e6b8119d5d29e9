"""A JSON text that arrives in fragments inside another text, such as the arguments of a tool call.

Masked as plain text it would break: in `"Dear\\nann@example.com"` the `n` of the escape would count as part
of the address. So the contents of strings are decoded before they are looked at, and encoded again
afterwards.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Final

from policy_middleware.masking.bodies.rules import TextStream

_ESCAPES: Final = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "/": "/"}
_LONGEST_ESCAPE: Final = 12
"""Characters of a surrogate pair, which is not decoded before all of it is there."""


class JsonFragments:
    """The text stream of a JSON text: `stream` sees the contents of strings without their escapes."""

    __slots__ = ("_pending", "_stream", "_written")

    def __init__(self, stream: TextStream) -> None:
        self._stream = stream
        self._pending = ""
        """The beginning of an escape."""
        self._written = _Strings()

    @property
    def findings(self) -> Mapping[str, int]:
        """How many values of each entity were replaced so far."""
        return self._stream.findings

    @property
    def held(self) -> int:
        """The number of characters that are held back."""
        return len(self._pending) + self._stream.held

    def feed(self, text: str) -> str:
        """Return what can leave of everything fed so far."""
        return self._written.encoded(self._stream.feed(self._decoded(self._pending + text)))

    def close(self) -> str:
        """Return the rest; half an escape stays as it is."""
        rest, self._pending = self._pending, ""
        last = self._stream.feed(rest) if rest else ""
        return self._written.encoded(last + self._stream.close())

    def _decoded(self, text: str) -> str:
        """Undo the escapes of `text` but for those of quotes and backslashes, which keep strings apart."""
        self._pending = ""
        if "\\" not in text:
            return text
        out: list[str] = []
        at = 0
        while (start := text.find("\\", at)) >= 0:
            out.append(text[at:start])
            read = _escape_at(text, start)
            if read is None:
                self._pending = text[start:]
                return "".join(out)
            character, at = read
            out.append(character)
        out.append(text[at:])
        return "".join(out)


def _escape_at(text: str, start: int) -> tuple[str, int] | None:
    """Return what the escape at `start` stands for and where it ends; None when more of it has to come."""
    letter = text[start + 1 : start + 2]
    if not letter:
        return None
    if letter != "u":
        return _ESCAPES.get(letter, text[start : start + 2]), start + 2
    digits = text[start + 2 : start + 6]
    if len(digits) < 4:
        return (text[start : start + 2], start + 2) if not _is_hexadecimal(digits or "0") else None
    if not _is_hexadecimal(digits):
        return text[start : start + 2], start + 2
    code = int(digits, 16)
    if 0xD800 <= code < 0xDC00:
        pair = text[start : start + _LONGEST_ESCAPE]
        if len(pair) < _LONGEST_ESCAPE and "\\u".startswith(pair[6:8]) and _is_hexadecimal(pair[8:] or "0"):
            return None
        if pair[6:8] == "\\u" and _is_hexadecimal(pair[8:]) and 0xDC00 <= int(pair[8:], 16) < 0xE000:
            decoded: str = json.loads(f'"{pair}"')
            return decoded, start + _LONGEST_ESCAPE
    character = chr(code)
    if character in '"\\' or 0xD800 <= code < 0xE000:
        return text[start : start + 6], start + 6
    return character, start + 6


def _is_hexadecimal(digits: str) -> bool:
    return all(digit in "0123456789abcdefABCDEF" for digit in digits)


class _Strings:
    """Follows a JSON text to know what lies inside its strings, where control characters are escaped."""

    __slots__ = ("_escaped", "_inside")

    def __init__(self) -> None:
        self._inside = False
        self._escaped = False

    def encoded(self, text: str) -> str:
        out: list[str] = []
        for character in text:
            if self._escaped:
                self._escaped = False
            elif character == "\\":
                self._escaped = True
            elif character == '"':
                self._inside = not self._inside
            elif self._inside and character < " ":
                character = json.dumps(character)[1:-1]
            out.append(character)
        return "".join(out)
