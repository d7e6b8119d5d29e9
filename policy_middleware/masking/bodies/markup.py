"""HTML and XML, searched as a reader would see them, and once more as they are written.

Tags and references hide values from a search of the source: `ann<b>@</b>example.com`, `ann&#64;example.com`.
So the source is cut as the HTML standard cuts it (section 13.2.5) into tags and text; text is decoded, and
joined across the tags that begin no new line. Values of attributes, comments, scripts and styles are texts of
their own, which a reader may read in other ways as well (`readings.py`).

What a style sheet or a script makes of the text is not known here.
"""

from __future__ import annotations

import html
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from html.entities import html5
from typing import Final

from policy_middleware.masking.bodies.readings import other_readings
from policy_middleware.masking.bodies.rules import BodyRules
from policy_middleware.masking.bodies.tags import HTML_TAG, XML_TAG, breaks_line, breaks_line_of_xml
from policy_middleware.masking.charsets import charset_named
from policy_middleware.masking.media_type import Kind, MediaType
from policy_middleware.model.errors import MaskError

_ATTRIBUTE: Final = re.compile(
    r"=[ \t\n\f\r]*+(?:\"([^\"]*+)\"|'([^']*+)'|([^ \t\n\f\r\"'>][^ \t\n\f\r>]*+))"
)
_DECODED: Final = frozenset({"textarea", "title"})
_XHTML: Final = "http://www.w3.org/1999/xhtml"
_BYTE_ORDER_MARK: Final = "\ufeff"
_SHIFT: Final = re.compile(r"\x1b[$(]")
_META_CHARSET: Final = re.compile(r"""\bcharset\s*+=\s*+["']?\s*+([^\s"'/>;]++)""", re.IGNORECASE)
_ENCODING: Final = re.compile(r"""\bencoding\s*=\s*["']([^"']*)""")
_REFERENCE: Final = re.compile(r"&(?!#)([^\s;&<]{1,64});")
_RESYNC_PIECES: Final = 8
_RESYNC_CHARACTERS: Final = 2048
_RESYNC_LEAST: Final = 3
"""How far on the next piece is looked for that stayed as it was, and how long it has to be to be known."""

_Span = tuple[int, int, bool]
"""Where a piece of text begins and ends; in markup references count, and what is written there is escaped."""
_Run = tuple[tuple[_Span, ...], bool]
"""Pieces of the source that read as one text, and whether it is code: a program may yet read it otherwise."""
# Plain tuples, because the garbage collector goes through everything else again and again.
_Edit = tuple[int, int, str]


def mask_markup(source: str, rules: BodyRules, media: MediaType, codec: str) -> str:
    """Return HTML or XML masked; raises MaskError where readers may see something else than is searched.

    Where a value lies in several pieces of text, what is written in its place stands in the first one.
    """
    runs = list(_Cutter(source, media, codec).runs())
    readings = [_reading(source, run) for run in runs]
    masked = rules.masked_of(Counter(readings), in_one_line=True)
    _check_other_readings(zip(runs, readings, strict=True), masked, rules)
    changed = [
        (run, masked[reading]) for run, reading in zip(runs, readings, strict=True) if reading in masked
    ]
    return rules.text(_edited(source, _rewritten(source, changed, rules)))


class _Cutter:
    """Walks through one source and cuts it into runs of text that read as one."""

    def __init__(self, source: str, media: MediaType, codec: str) -> None:
        self._source = source
        self._is_html = media.kind is Kind.HTML
        self._codec = codec
        self._is_charset_known = "charset" in media.parameters or source.startswith(_BYTE_ORDER_MARK)
        is_read_as_html = self._is_html or media.name == "application/xhtml+xml" or _XHTML in source
        self._breaks = breaks_line if is_read_as_html else breaks_line_of_xml
        self._line: list[_Span] = []

    def runs(self) -> Iterator[_Run]:
        """Yield every run, attributes before the text around their tag."""
        self._check_charset()
        text_from = 0
        line = self._line
        for tag in (HTML_TAG if self._is_html else XML_TAG).finditer(self._source):
            start, end = tag.span()
            if start > text_from:
                line.append((text_from, start, True))
            text_from = end
            if tag.lastgroup != "attributes":
                yield from self._special(tag)
                continue
            name, attributes = tag.group("name", "attributes")
            if line and self._breaks(name):
                yield tuple(line), False
                line.clear()
            if "=" in attributes:
                yield from self._values(name, *tag.span("attributes"))
        if text_from < len(self._source):
            line.append((text_from, len(self._source), True))
        yield tuple(line), False

    def _special(self, tag: re.Match[str]) -> Iterator[_Run]:
        """Yield what is in a comment, a CDATA section or an element of raw text."""
        match tag.lastgroup:
            case "cdata" if not self._is_html:
                self._line.append((*tag.span("cdata"), False))
            case "comment" | "cdata" as part:
                yield ((*tag.span(part), False),), True
            case "content":
                name = tag["raw"].lower()
                yield ((*tag.span("content"), name in _DECODED),), True
                yield from self._values(name, *tag.span("raw_attributes"))
            case "declaration" if not self._is_html:
                self._check_declaration(tag["declaration"])
            case "instruction":
                self._check_encoding(tag["instruction"])
            case "open":
                raise MaskError(f"the markup has a tag that is not closed at character {tag.start()}")
            case "unclosed":
                raise MaskError(f"the markup has a <{tag['unclosed']}> that is not closed")

    def _values(self, name: str, start: int, end: int) -> Iterator[_Run]:
        """Yield the values of the attributes that stand between two places."""
        if self._is_html and name.lower() == "meta":
            self._check_meta(self._source[start:end])
        for attribute in _ATTRIBUTE.finditer(self._source, start, end):
            yield ((*attribute.span(attribute.lastindex or 0), True),), True

    def _check_charset(self) -> None:
        if self._is_html and not self._is_charset_known and _SHIFT.search(self._source) is not None:
            # Browsers guess ISO-2022-JP from such escapes, and show nothing where they stand.
            raise MaskError("HTML with escapes of ISO-2022 needs a charset in its Content-Type to be masked")

    def _check_meta(self, attributes: str) -> None:
        named = None if self._is_charset_known else _META_CHARSET.search(attributes)
        if named is not None and charset_named(named[1]) not in (self._codec, "ascii"):
            raise MaskError("the HTML names another charset than UTF-8, and its Content-Type names none")

    def _check_declaration(self, declaration: str) -> None:
        if not declaration.upper().startswith("!DOCTYPE"):
            return
        if declaration.endswith("["):
            raise MaskError("XML that defines entities of its own cannot be masked")
        if len(declaration.split()) > 2 and any(
            f"{name};" not in html5 for name in _REFERENCE.findall(self._source)
        ):
            raise MaskError("XML whose entities are defined elsewhere cannot be masked")

    def _check_encoding(self, instruction: str) -> None:
        encoding = _ENCODING.search(instruction) if instruction.startswith("xml") else None
        if encoding is not None and charset_named(encoding[1]) not in (
            *(self._codec, "ascii"),
            self._codec.removesuffix("-le").removesuffix("-be"),
        ):
            raise MaskError("XML that declares another encoding than it has cannot be masked")


def _reading(source: str, run: _Run) -> str:
    # References do not reach across tags.
    return "".join([_read(source, span) for span in run[0]])


def _read(source: str, span: _Span) -> str:
    start, end, is_markup = span
    text = source[start:end]
    return html.unescape(text) if is_markup and "&" in text else text


def _check_other_readings(
    runs: Iterable[tuple[_Run, str]], masked: Mapping[str, str], rules: BodyRules
) -> None:
    """Raise MaskError for a value that is spelt in escapes, or in markup inside of what is no markup here."""
    looked_at: set[tuple[str, bool]] = set()
    places: dict[str, int] = {}
    for (spans, is_code), reading in runs:
        # What has none of these signs reads in one way only.
        if not (is_code or "%" in reading or "\\" in reading) or (reading, is_code) in looked_at:
            continue
        looked_at.add((reading, is_code))
        for other in other_readings(masked.get(reading, reading), is_code=is_code):
            places.setdefault(other, spans[0][0])
    for text, shown in rules.shown(places, in_one_line=True).items():
        if shown != text:
            raise MaskError(f"the markup spells a value in escapes at character {places[text]}")


def _rewritten(source: str, changed: Sequence[tuple[_Run, str]], rules: BodyRules) -> Iterator[_Edit]:
    """Yield how the spans of each run are written anew."""
    pieces = [[_read(source, span) for span in spans] for (spans, _), _ in changed]
    single = {piece for texts in pieces if len(texts) > 1 for piece in texts}
    shown = rules.shown(single, in_one_line=True)
    for ((spans, _), masked), texts in zip(changed, pieces, strict=True):
        written = _spread(masked, [shown.get(text, text) for text in texts]) if len(texts) > 1 else [masked]
        for (start, end, is_markup), text, new in zip(spans, texts, written, strict=True):
            if new != text:
                yield start, end, _escaped(source, start, new) if is_markup else new


def _spread(masked: str, shown: Sequence[str]) -> list[str]:
    """Cut `masked` into as many pieces as `shown` has, each like the one there as far as that can be.

    They differ where values lie in several pieces.
    """
    written: list[str] = []
    at = 0
    while len(written) < len(shown):
        piece = shown[len(written)]
        if masked.startswith(piece, at):
            written.append(piece)
            at += len(piece)
            continue
        following, place = _next_alike(masked, at, shown, len(written))
        written += [masked[at:place], *[""] * (following - len(written) - 1)]
        at = place
    written[-1] += masked[at:]
    return written


def _next_alike(masked: str, at: int, shown: Sequence[str], number: int) -> tuple[int, int]:
    """Return which piece behind `number` is found again, and where; the end when none is near."""
    for following in range(number + 1, min(number + 1 + _RESYNC_PIECES, len(shown))):
        piece = shown[following]
        if len(piece) < _RESYNC_LEAST:
            continue
        place = masked.find(piece, at + 1, at + _RESYNC_CHARACTERS)
        if place >= 0:
            return following, place
    return len(shown), len(masked)


def _escaped(source: str, start: int, text: str) -> str:
    escaped = html.escape(text)
    return escaped.replace(" ", "&#32;") if source[start - 1 : start] == "=" else escaped


def _edited(source: str, edits: Iterable[_Edit]) -> str:
    parts: list[str] = []
    kept_from = 0
    for start, end, text in sorted(edits):
        parts += (source[kept_from:start], text)
        kept_from = end
    parts.append(source[kept_from:])
    return "".join(parts)
