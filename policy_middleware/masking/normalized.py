"""The view in which patterns are searched: what a reader sees, one byte per character.

Full-width and other compatibility forms become the ASCII they stand for (NFKC), digits of every script
become 0-9, every dash a hyphen, every space a space; characters without width vanish, and so does U+0000,
which browsers drop and which stands between the letters of UTF-16 that nobody has declared. What remains
outside ASCII becomes one of a few bytes: a letter of another script is `LETTER`, anything else `SYMBOL`;
characters that an operator's own pattern names get bytes of their own. So no evasion by look-alike code
points hides a value, and a byte offset is a character offset.

A letter of another script that looks like an ASCII one is a letter, not its look-alike: Cyrillic o, say.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

JOINT: Final = 0x00
"""Stands between texts that are searched together; no pattern matches it. U+0000 of a text vanishes."""
SYMBOL: Final = 0xFE
LETTER: Final = 0xFF
_IRREGULAR: Final = "\xad"
"""Placeholder of a character whose view is not exactly one byte long."""
_IRREGULAR_RUN: Final = re.compile(f"{_IRREGULAR}+")
_SPACE: Final = re.compile(rb"[ \t\n\f\r]{2,}|[\t\n\f\r]")
"""What HTML shows as one blank."""
_ESCAPES: Final = (b"\\n", b"\\r", b"\\t")
_ESCAPE: Final = b"\\" + bytes([LETTER])
UNSEEN: Final = "\u200b"
"""One character that vanishes in the view, as U+0000 does where that is no JOINT."""
_FIRST_OWN, _LAST_OWN = 0x80, 0xFC
_OWN_BYTES: Final = [code for code in range(_FIRST_OWN, _LAST_OWN + 1) if code != ord(_IRREGULAR)]
MOST_OWN_CHARACTERS: Final = len(_OWN_BYTES)

_WITHOUT_WIDTH: Final = frozenset("\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180e\u2065\u3164\uffa0")
"""Invisible, but not of the category Cf (format) that is removed as a whole."""
_MINUS_SIGNS: Final = frozenset("\u2212\u02d7\u2796\u30fc\uff70")
_FULL_STOPS: Final = frozenset("\u3002\uff0e\uff61")
"""Separators of an internationalised domain name (RFC 3490 section 3.1)."""


class Alphabet:
    """How characters appear in the view; fills itself as characters are met."""

    __slots__ = ("_joining", "_own", "_regular", "_spelled")

    def __init__(self, own: Iterable[str] = ()) -> None:
        """Keep the non-ASCII characters `own` apart from each other and from every other letter.

        Raises ValueError for more than MOST_OWN_CHARACTERS of them.
        """
        characters = sorted({character for character in own if ord(character) > 0x7F})
        if len(characters) > MOST_OWN_CHARACTERS:
            raise ValueError(
                f"patterns name {len(characters)} characters outside ASCII; at most {MOST_OWN_CHARACTERS}"
            )
        self._own = dict(zip(characters, map(chr, _OWN_BYTES), strict=False))
        self._regular = _Table(self)
        self._joining = _Table(self)
        self._joining[JOINT] = chr(JOINT)
        self._spelled: dict[str, str] = {}

    def byte(self, character: str) -> int | None:
        """Return the byte of one character, None when its view is not one byte long.

        U+0000, with which ranges in patterns begin, is the JOINT, which no text has.
        """
        if character == "\0":
            return JOINT
        spelled = self.spelled(character)
        return ord(spelled) if len(spelled) == 1 else None

    def spelled(self, character: str) -> str:
        """Return how `character` appears in the view: any number of Latin-1 characters."""
        known = self._spelled.get(character)
        if known is None:
            known = self._spelled[character] = "".join(map(self._one, _folded(character)))
        return known

    def view(self, text: str) -> View:
        """Return the view of `text`."""
        if text.isascii() and "\0" not in text:
            return View(_bytes(text), None)
        regular = text.translate(self._regular)
        if _IRREGULAR not in regular:
            return View(_bytes(regular), None)
        return self._resolved(text, regular)

    def joined(self, texts: Sequence[str]) -> View:
        """Return the view of `texts` with a JOINT between each two; positions count the joints as well."""
        joint = chr(JOINT)
        text = joint.join(texts)
        if text.count(joint) >= len(texts):
            text = joint.join([one.replace(joint, UNSEEN) for one in texts])
        return self.apart(text)

    def apart(self, text: str) -> View:
        """Return the view of a text in which each U+0000 is a JOINT."""
        if text.isascii():
            return View(_bytes(text), None)
        regular = text.translate(self._joining)
        if _IRREGULAR not in regular:
            return View(_bytes(regular), None)
        return self._resolved(text, regular)

    def _resolved(self, text: str, regular: str) -> View:
        pieces: list[str] = []
        positions: list[int] = []
        done = 0
        for run in _IRREGULAR_RUN.finditer(regular):
            start, end = run.span()
            pieces.append(regular[done:start])
            positions.extend(range(done, start))
            spelled = [self.spelled(character) for character in text[start:end]]
            if any(spelled):
                pieces += spelled
                for at, one in enumerate(spelled, start):
                    positions.extend([at] * len(one))
            done = end
        pieces.append(regular[done:])
        positions.extend(range(done, len(regular)))
        return View(_bytes("".join(pieces)), positions)

    def _one(self, character: str) -> str:
        own = self._own.get(character)
        if own is not None:
            return own
        if ord(character) < 0x80:
            return character
        return chr(LETTER if unicodedata.category(character)[0] in "LMN" else SYMBOL)


@dataclass(frozen=True, slots=True)
class View:
    """A text as patterns see it; `positions` maps each byte to its character, None when they coincide."""

    data: bytes
    positions: Sequence[int] | None

    def start(self, offset: int) -> int:
        """Return the character at which a span of the view begins; the end of the text has none, so len."""
        if self.positions is None:
            return offset
        return self.positions[offset] if offset < len(self.positions) else self._length()

    def end(self, offset: int) -> int:
        """Return the character behind a span of the view that ends at `offset`."""
        if self.positions is None:
            return offset
        return self.positions[offset - 1] + 1 if offset else 0

    def first(self, offset: int) -> int:
        """Return the offset at which the character that `offset` is in begins."""
        if self.positions is None or offset >= len(self.positions):
            return offset
        while offset and self.positions[offset - 1] == self.positions[offset]:
            offset -= 1
        return offset

    def in_one_line(self) -> View:
        """Return the view in which space of any length is one blank, as HTML is shown."""
        data, positions = self.data, self.positions
        known = range(len(data)) if positions is None else positions
        kept: list[int] = []
        done = 0
        for space in _SPACE.finditer(data):
            kept += known[done : space.start() + 1]
            done = space.end()
        return View(_SPACE.sub(b" ", data), [*kept, *known[done:]]) if done else self

    def _length(self) -> int:
        return self.positions[-1] + 1 if self.positions else 0


def _bytes(regular: str) -> bytes:
    """Return the view of regular characters.

    What is written `\\n` is the end of a line in a text that was escaped twice, and must not hide what begins
    behind it: as a letter of another script it may be a part of a value, but bounds none.
    """
    data = regular.encode("latin-1")
    if b"\\" in data:
        for escape in _ESCAPES:
            data = data.replace(escape, _ESCAPE)
    return data


class _Table(dict[int, str]):
    """A table for `str.translate` that learns each character when it is met."""

    def __init__(self, alphabet: Alphabet) -> None:
        super().__init__()
        self._alphabet = alphabet

    def __missing__(self, code: int) -> str:
        spelled = self._alphabet.spelled(chr(code))
        regular = self[code] = spelled if len(spelled) == 1 else _IRREGULAR
        return regular


def _folded(character: str) -> str:
    """Return what a reader sees in `character`, in ASCII where it has an equivalent."""
    if character == "\0":
        return ""
    if ord(character) < 0x80:
        return character
    character = _in_windows(character)
    category = unicodedata.category(character)
    if category == "Cf" or character in _WITHOUT_WIDTH or _is_variation_selector(character):
        return ""
    if category == "Pd" or character in _MINUS_SIGNS:
        return "-"
    if category == "Zs":
        return " "
    if category in ("Zl", "Zp") or character == "\x85":
        return "\n"
    if character in _FULL_STOPS:
        return "."
    decimal = unicodedata.decimal(character, None)
    if decimal is not None:
        return str(decimal)
    return unicodedata.normalize("NFKC", character)


def _in_windows(character: str) -> str:
    """Return what browsers show for a control character from U+0080 on.

    To them ISO-8859-1 is windows-1252 (Encoding standard, section 4.2), so that 0x96 is a dash.
    """
    code = ord(character)
    if not 0x80 <= code < 0xA0 or character == "\x85":
        return character
    return bytes([code]).decode("cp1252", "ignore") or character


def _is_variation_selector(character: str) -> bool:
    return "\ufe00" <= character <= "\ufe0f" or "\U000e0100" <= character <= "\U000e01ef"
