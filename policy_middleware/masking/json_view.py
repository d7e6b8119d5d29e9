"""A JSON text as patterns see it: its strings, keys and numbers, each a text of its own.

Only offsets are kept, no tokens: what stands between two texts (quotes, brackets, commas, constants) becomes
a JOINT, which no pattern matches, and an escape becomes the character it stands for. So one search sees all
of a body, and what it finds is replaced where it stands in the source.

Works on valid JSON only: then every quote that no backslash precedes begins or ends a string.
"""

from __future__ import annotations

import json
import re
from bisect import bisect_left
from collections.abc import Sequence
from typing import Final

from policy_middleware.masking.normalized import JOINT, UNSEEN, Alphabet

_APART: Final = chr(JOINT)
_BETWEEN: Final = {ord(sign): _APART for sign in " \t\r\n,:[]{}"}
_CONSTANTS: Final = ("true", "false", "null")
_ANY_ESCAPE: Final = re.compile(r"\\.")
_HIDDEN: Final = "__"
"""Two characters that are no quotes."""
_HIGH, _LOW, _ANY = "u([dD][89abAB][0-9a-fA-F]{2})", "u([dD][c-fC-F][0-9a-fA-F]{2})", "u([0-9a-fA-F]{4})"
_ESCAPE: Final = re.compile(rf"\\(?:{_HIGH}\\{_LOW}|{_ANY}|(.))")
_DEEPER: Final = r"(?<!\\)(?:\\\\)++"
"""How JSON that is a string of JSON spells the backslash of an escape, however deep it is."""
_PERCENT: Final = "%(?:25)*+([2-7][0-9a-fA-F])"
"""How an address spells a character of ASCII, and does once more where it is in another address."""
_ESCAPE_OR_DEEPER: Final = re.compile(
    rf"{_PERCENT}|{_DEEPER}(?:{_HIGH}(?:\\\\)++{_LOW}|{_ANY}|([bfnrt/]))|{_ESCAPE.pattern}"
)
_ESCAPES_DEEPER: Final = re.compile(rf"{_PERCENT}|{_DEEPER}(?:{_ANY}|[bfnrt/])")
_SHORT_ESCAPES: Final = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}


class JsonView:
    """The view of one JSON text, and where its offsets lie in the source."""

    __slots__ = ("_escapes", "_growth", "apart", "is_deep", "source", "view")

    def __init__(self, source: str, alphabet: Alphabet, *, is_deep: bool = False) -> None:
        """Take valid JSON; `is_deep`: its strings are seen as JSON or addresses, without their escapes."""
        self.source = source
        self.is_deep = is_deep
        self._escapes: Sequence[int] = ()
        """Where the characters stand, in the text without escapes, that were written as escapes."""
        self._growth: Sequence[int] = ()
        """How many characters the first 0, 1, 2, ... escapes are longer than what they stand for."""
        if is_deep or "\\" in source:
            self.apart = _texts_apart(_ANY_ESCAPE.sub(_HIDDEN, source))
            self.view = alphabet.apart(self._unescaped())
        else:
            self.apart = _texts_apart(source)
            self.view = alphabet.apart(self.apart)

    @property
    def coincides(self) -> bool:
        """True when the offsets of the view are those of the source."""
        return self.view.positions is None and not self._escapes

    def start(self, offset: int) -> int:
        """Return the character of the source at which a span of the view begins."""
        return self._in_source(self.view.start(offset))

    def end(self, offset: int) -> int:
        """Return the character of the source behind a span of the view that ends at `offset`."""
        return self._in_source(self.view.end(offset))

    def decoded(self, start: int, end: int) -> str:
        """Return what `source[start:end]`, which lies within a string, stands for."""
        text = self.source[start:end]
        if self.is_deep:
            return _ESCAPE_OR_DEEPER.sub(_character_deeper, text)
        if "\\" not in text:
            return text
        decoded: str = json.loads(f'"{text}"')
        return decoded

    def _in_source(self, character: int) -> int:
        if not self._escapes:
            return character
        return character + self._growth[bisect_left(self._escapes, character)]

    def _unescaped(self) -> str:
        """Return the texts without escapes; a quote that was escaped is no joint."""
        apart = self.apart
        pieces: list[str] = []
        escapes: list[int] = []
        growth = [0]
        done = length = 0
        written, character = (_ESCAPE_OR_DEEPER, _character_deeper) if self.is_deep else (_ESCAPE, _character)
        for escape in written.finditer(self.source):
            start, end = escape.span()
            pieces += (apart[done:start], character(escape))
            length += start - done
            escapes.append(length)
            length += 1
            growth.append(end - length)
            done = end
        pieces.append(apart[done:])
        self._escapes, self._growth = escapes, growth
        return "".join(pieces)


def escapes_deeper(source: str) -> bool:
    """Return whether a JSON text has escapes that count once its strings are read as JSON or addresses."""
    return ("%" in source or "\\\\" in source) and _ESCAPES_DEEPER.search(source) is not None


def _texts_apart(source: str) -> str:
    """Return `source`, in which no quote is escaped, with a JOINT for all that is not a part of some text."""
    parts = source.split('"')
    between = '"'.join(parts[::2])
    for constant in _CONSTANTS:
        between = between.replace(constant, _APART * len(constant))
    parts[::2] = between.translate(_BETWEEN).split('"')
    return _APART.join(parts)


def _character(escape: re.Match[str]) -> str:
    """Return what an escape of JSON stands for."""
    high, low, single, short = escape.groups()
    return _spelled(high, low, single, short)


def _character_deeper(escape: re.Match[str]) -> str:
    """Return what an escape stands for in a string that is JSON itself, or an address."""
    octet, *deeper = escape.groups()[:5]
    if octet is not None:
        return chr(int(octet, 16))
    return _spelled(*(deeper if any(deeper) else escape.groups()[5:]))


def _spelled(high: str | None, low: str | None, single: str | None, short: str | None) -> str:
    if short is not None:
        return _SHORT_ESCAPES.get(short, short)
    if single is not None:
        return chr(int(single, 16)) if single != "0000" else UNSEEN
    return chr(0x10000 + (int(high or "", 16) - 0xD800) * 0x400 + int(low or "", 16) - 0xDC00)
