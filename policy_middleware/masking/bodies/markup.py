"""HTML and XML, searched as a reader would see them, and once more as they are written.

Tags and references hide values from a search of the source: `ann<b>@</b>example.com`, `ann&#64;example.com`.
So the source is cut into tags and text; text is decoded, and joined across the tags that begin no new line.
Values of attributes, comments, scripts and styles are texts of their own.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote

from policy_middleware.masking.bodies.rules import BodyRules
from policy_middleware.model.errors import MaskError

_TAG: Final = re.compile(
    r"<!--(?P<comment>.*?)(?:--!?>|\Z)"
    r"|<!\[CDATA\[(?P<cdata>.*?)(?:\]\]>|\Z)"
    r"|<[!?](?P<declaration>[^>]*+)>"
    r"|</?(?P<name>[A-Za-z_:][^\s/>]*+)(?P<attributes>(?:[^>\"']|\"[^\"]*+\"|'[^']*+')*+)>",
    re.DOTALL,
)
_BEGINS_TAG: Final = re.compile(r"<[!?/A-Za-z_:]")
_ATTRIBUTE: Final = re.compile(r"=\s*+(?:\"([^\"]*+)\"|'([^']*+)'|([^\s\"'>]++))")
_SCRIPT_ESCAPE: Final = re.compile(
    r"\\(?:u([0-9a-fA-F]{4})|u\{([0-9a-fA-F]{1,6})\}|x([0-9a-fA-F]{2})|([0-7]{1,3}))"
)
_RAW: Final = frozenset({"iframe", "noembed", "noframes", "script", "style", "textarea", "title", "xmp"})
"""HTML elements whose content is text up to their end tag, whatever it looks like."""
_DECODED: Final = frozenset({"textarea", "title"})
_INLINE: Final = frozenset(
    [
        "a",
        "abbr",
        "acronym",
        "b",
        "bdi",
        "bdo",
        "big",
        "cite",
        "code",
        "data",
        "del",
        "dfn",
        "em",
        "font",
        "i",
        "ins",
        "kbd",
        "label",
        "mark",
        "nobr",
        "q",
        "s",
        "samp",
        "small",
        "span",
        "strike",
        "strong",
        "sub",
        "sup",
        "time",
        "tt",
        "u",
        "var",
        "wbr",
    ]
)
"""Elements that begin no new line: what is on either side may read as one word."""


@dataclass(frozen=True, slots=True)
class _Piece:
    """Text of the source: `source[start:end]` reads as `text`; `escapes`: markup in it has to be escaped."""

    start: int
    end: int
    text: str
    escapes: bool


_Run = Sequence[_Piece]
_Edit = tuple[int, int, str]


def mask_markup(source: str, rules: BodyRules, *, is_html: bool) -> str:
    """Return HTML or XML masked; raises MaskError where readers may see something else than is searched.

    Where a value lies in several pieces of text, what is written in its place stands in the first one.
    """
    runs = list(_Cutter(source, is_html=is_html).runs())
    readings = ["".join(piece.text for piece in run) for run in runs]
    edits: list[_Edit] = []
    for run, reading, masked in zip(runs, readings, rules.texts(readings), strict=True):
        if masked != reading:
            edits += _rewritten(run, masked, rules)
    for run, reading in zip(runs, readings, strict=True):
        _check_script(reading, run, rules)
    return rules.text(_edited(source, edits))


class _Cutter:
    """Walks through one source and cuts it into runs of text that read as one."""

    def __init__(self, source: str, *, is_html: bool) -> None:
        self._source = source
        self._is_html = is_html
        self._run: list[_Piece] = []

    def runs(self) -> Iterator[_Run]:
        """Yield every run, attributes before the text around their tag."""
        source, at, text_from = self._source, 0, 0
        while (at := source.find("<", at)) >= 0:
            tag = _TAG.match(source, at)
            if tag is None:
                if _BEGINS_TAG.match(source, at):
                    raise MaskError(f"the markup has a tag that is not closed at character {at}")
                at += 1
                continue
            self._text(text_from, at)
            yield from self._tag(tag)
            at = text_from = tag.end()
            name = (tag["name"] or "").lower()
            if self._is_html and name in _RAW and source[tag.start() + 1] != "/":
                at = text_from = self._end_of_raw(name, tag.end())
                yield [
                    _Piece(tag.end(), at, _read(source[tag.end() : at], name in _DECODED), name in _DECODED)
                ]
        self._text(text_from, len(source))
        yield from self._line()

    def _tag(self, tag: re.Match[str]) -> Iterator[_Run]:
        for part in ("comment", "cdata"):
            if tag[part] is not None:
                yield [_Piece(*tag.span(part), tag[part], escapes=False)]
                return
        if tag["declaration"] is not None:
            if not self._is_html:
                _check_declaration(tag["declaration"])
            return
        name = tag["name"].lower()
        if name not in _INLINE:
            yield from self._line()
        for attribute in _ATTRIBUTE.finditer(tag["attributes"]):
            group = attribute.lastindex or 0
            start, end = (tag.start("attributes") + offset for offset in attribute.span(group))
            yield [_Piece(start, end, html.unescape(attribute[group]), escapes=True)]

    def _text(self, start: int, end: int) -> None:
        if end > start:
            self._run.append(_Piece(start, end, _read(self._source[start:end], True), escapes=True))

    def _line(self) -> Iterator[_Run]:
        if self._run:
            yield self._run
            self._run = []

    def _end_of_raw(self, name: str, start: int) -> int:
        end = re.compile(rf"</{name}(?=[\s/>])", re.IGNORECASE).search(self._source, start)
        if end is None:
            raise MaskError(f"the markup has a <{name}> that is not closed")
        return end.start()


def _read(text: str, decodes: bool) -> str:
    return html.unescape(text) if decodes and "&" in text else text


def _check_declaration(declaration: str) -> None:
    if declaration[:7].upper() == "DOCTYPE" and "[" in declaration:
        raise MaskError("XML that defines entities of its own cannot be masked")
    encoding = re.search(r"""\bencoding\s*=\s*["']([^"']*)""", declaration)
    if encoding is not None and encoding[1].lower() not in ("utf-8", "us-ascii", "ascii"):
        raise MaskError("XML that declares another encoding than UTF-8 cannot be masked")


def _check_script(reading: str, run: _Run, rules: BodyRules) -> None:
    """Raise MaskError for a value that is spelt in the escapes of scripts or addresses."""
    unescaped = _SCRIPT_ESCAPE.sub(_unescaped, reading) if "\\" in reading else reading
    plain = unquote(unescaped) if "%" in unescaped else unescaped
    if plain == reading or not rules.detects(plain):
        return
    if not rules.is_masked(reading) and rules.is_masked(plain):
        raise MaskError(f"the markup spells a value in escapes at character {run[0].start}")


def _unescaped(escape: re.Match[str]) -> str:
    hexadecimal = escape[1] or escape[2] or escape[3]
    code = int(hexadecimal, 16) if hexadecimal else int(escape[4], 8)
    return chr(code) if code < 0x110000 and not 0xD800 <= code < 0xE000 else escape[0]


def _rewritten(run: _Run, masked: str, rules: BodyRules) -> Iterator[_Edit]:
    shown = [masked]
    if len(run) > 1:
        shown, _ = rules.looked_at([piece.text for piece in run])
        if "".join(shown) != masked:  # a value lies in several pieces
            shown = [masked, *[""] * (len(run) - 1)]
    for piece, text in zip(run, shown, strict=True):
        if text != piece.text:
            yield piece.start, piece.end, html.escape(text) if piece.escapes else text


def _edited(source: str, edits: list[_Edit]) -> str:
    parts: list[str] = []
    kept_from = 0
    for start, end, text in sorted(edits):
        parts += (source[kept_from:start], text)
        kept_from = end
    parts.append(source[kept_from:])
    return "".join(parts)
