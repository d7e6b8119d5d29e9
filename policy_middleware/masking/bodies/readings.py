"""What else may be read in a text that some program is to read: a script, a style, an address, markup.

Escapes and tags in it hide values from a search: `ann\\u0040example.com`, `content: "ann\\40 example.com"`,
`/?to=ann%40example.com`, `srcdoc="ann<b>@</b>example.com"`.
"""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from enum import Enum, auto
from typing import Final
from urllib.parse import unquote

from policy_middleware.masking.bodies.tags import ANY_TAG, LINE_END, SIMPLE_TAG, breaks_line

_SCRIPT_ESCAPE: Final = re.compile(
    r"\\(?:u([0-9a-fA-F]{4})|u\{0*([0-9a-fA-F]{1,6})\}|x([0-9a-fA-F]{2})|([0-7]{1,3})|(\r\n|.))", re.DOTALL
)
_STYLE_ESCAPE: Final = re.compile(r"\\(?:([0-9a-fA-F]{1,6})(?:\r\n|[ \t\n\r\f])?|(\r\n|.))", re.DOTALL)
_SHORT: Final = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}
_CONTINUED: Final = frozenset({"\r\n", "\n", "\r", "\f", "\u2028", "\u2029"})
"""Ends of lines that vanish behind a backslash."""
_ADDRESS: Final = re.compile(r"[\0-\x20]*+[A-Za-z][A-Za-z0-9+.\t\r\n-]*+:")
_IGNORED_IN_ADDRESSES: Final = str.maketrans("", "", "\t\r\n")

_Reading = Callable[[str], str]


class Written(Enum):
    """What a text is to its readers."""

    TEXT = auto()
    MARKUP = auto()
    """A text of XML: what is escaped in it is often HTML, as in feeds."""
    CODE = auto()
    """A program, a style, an address or markup, all of which may be understood."""


def other_readings(text: str, written: Written) -> Iterator[str]:
    """Yield what else may be read in `text`."""
    readings = [text]
    for mark, read in _READINGS[written]:
        readings += [other for one in readings if mark in one and (other := read(one)) not in readings]
    if written is Written.CODE and _ADDRESS.match(text) is not None:
        readings += [one.translate(_IGNORED_IN_ADDRESSES) for one in readings]
    yield from readings[1:]


def _without_tags(text: str) -> str:
    return ANY_TAG.sub(_between, text)


def _between(tag: re.Match[str]) -> str:
    name, follows = tag[1], tag["open"]
    if follows is not None:
        return SIMPLE_TAG.sub("", f"<{follows}")
    return LINE_END if name is not None and breaks_line(name) else ""


def _without_script_escapes(text: str) -> str:
    return _SCRIPT_ESCAPE.sub(_script_character, text)


def _script_character(escape: re.Match[str]) -> str:
    hexadecimal = escape[1] or escape[2] or escape[3]
    if hexadecimal is not None:
        return _character(int(hexadecimal, 16), escape[0])
    if escape[4] is not None:
        return _character(int(escape[4], 8), escape[0])
    return "" if escape[5] in _CONTINUED else _SHORT.get(escape[5], escape[5])


def _without_style_escapes(text: str) -> str:
    return _STYLE_ESCAPE.sub(_style_character, text)


def _style_character(escape: re.Match[str]) -> str:
    if escape[1] is not None:
        return _character(int(escape[1], 16), escape[0])
    return "" if escape[2] in _CONTINUED else escape[2]


def _character(code: int, otherwise: str) -> str:
    return chr(code) if code < 0x110000 and not 0xD800 <= code < 0xE000 else otherwise


_UNQUOTED: Final[Sequence[tuple[str, _Reading]]] = (("%", unquote),) * 3
"""An address is percent-encoded once more where it is the parameter of another one."""
_AS_MARKUP: Final[Sequence[tuple[str, _Reading]]] = (("<", _without_tags), ("&", html.unescape))
_READINGS: Final[Mapping[Written, Sequence[tuple[str, _Reading]]]] = {
    Written.TEXT: (("\\", _without_script_escapes), *_UNQUOTED),
    Written.MARKUP: (("\\", _without_script_escapes), *_AS_MARKUP, *_UNQUOTED),
    Written.CODE: (
        ("\\", _without_style_escapes),
        ("\\", _without_script_escapes),
        *_AS_MARKUP,
        *_UNQUOTED,
    ),
}
"""What a text has that may be read in another way, and how; each is tried on what those before it gave."""
