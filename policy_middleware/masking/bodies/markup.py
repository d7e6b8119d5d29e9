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
from operator import itemgetter
from typing import Final

from policy_middleware.masking.bodies.readings import Written, other_readings
from policy_middleware.masking.bodies.rules import BodyRules
from policy_middleware.masking.bodies.tags import (
    HTML_TAG,
    LINE_END,
    XML_TAG,
    breaks_line,
    breaks_line_of_xml,
    ends_line,
)
from policy_middleware.masking.charsets import charset_named
from policy_middleware.masking.media_type import Kind, MediaType
from policy_middleware.model.errors import MaskError

_ATTRIBUTE: Final = re.compile(
    r"[^ \t\n\f\r/>][^ \t\n\f\r/>=]*+"
    r"(?:[ \t\n\f\r]*+=[ \t\n\f\r]*+(?:\"([^\"]*+)\"|'([^']*+)'|([^ \t\n\f\r\"'>][^ \t\n\f\r>]*+)))?+"
)
"""An attribute, whatever its name: it may begin with a `=`."""
_DECODED: Final = frozenset({"textarea", "title"})
_XHTML: Final = "http://www.w3.org/1999/xhtml"
_BYTE_ORDER_MARK: Final = "\ufeff"
_SHIFT: Final = re.compile(r"\x1b[$(]")
_META_CHARSET: Final = re.compile(r"""\bcharset\s*+=\s*+["']?\s*+([^\s"'/>;]++)""", re.IGNORECASE)
_ENCODING: Final = re.compile(r"""\bencoding\s*=\s*["']([^"']*)""")
_REFERENCE: Final = re.compile(r"&(?!#)([^\s;&<]{1,64});")
_READ_OTHERWISE: Final = re.compile(r"[&\n\r]")
_RESYNC_PIECES: Final = 8
_RESYNC_CHARACTERS: Final = 2048
_RESYNC_LEAST: Final = 3
"""How far on the next piece is looked for that stayed as it was, and how long it has to be to be known."""

_Span = tuple[int, int, bool | None]
"""Where a piece of text begins and ends; in markup references count, and what is written there is escaped.

None for a tag that ends a line in the text.
"""
_Run = tuple[tuple[_Span, ...], Written]
"""Pieces of the source that read as one text, and what it is to its readers."""
# Plain tuples, because the garbage collector goes through everything else again and again.


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
    edits = _rewritten(source, changed, rules)
    edits.update(_masked_alone(source, runs, edits, rules))
    return rules.text(_edited(source, edits))


class _Cutter:
    """Walks through one source and cuts it into runs of text that read as one."""

    def __init__(self, source: str, media: MediaType, codec: str) -> None:
        self._source = source
        self._is_html = media.kind is Kind.HTML
        self._codec = codec
        self._is_charset_known = "charset" in media.parameters or source.startswith(_BYTE_ORDER_MARK)
        is_read_as_html = self._is_html or media.name == "application/xhtml+xml" or _XHTML in source
        self._breaks = breaks_line if is_read_as_html else breaks_line_of_xml
        self._written = Written.TEXT if self._is_html else Written.MARKUP
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
            if line and "=" not in attributes and ends_line(name):
                line.append((start, end, None))
            elif line and self._breaks(name):
                yield tuple(line), self._written
                line.clear()
            if "=" in attributes:
                yield from self._values(name, *tag.span("attributes"))
        if text_from < len(self._source):
            line.append((text_from, len(self._source), True))
        yield tuple(line), self._written

    def _special(self, tag: re.Match[str]) -> Iterator[_Run]:
        """Yield what is in a comment, a CDATA section or an element of raw text."""
        match tag.lastgroup:
            case "cdata" if not self._is_html:
                self._line.append((*tag.span("cdata"), False))
            case "cdata":
                # A text in SVG, and a comment that ends at the first `>` elsewhere.
                raise MaskError(f"the HTML has a CDATA section at character {tag.start()}")
            case "comment":
                yield ((*tag.span("comment"), False),), Written.CODE
            case "content":
                name = tag["raw"].lower()
                yield ((*tag.span("content"), name in _DECODED),), Written.CODE
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
            if attribute.lastindex is not None:
                yield ((*attribute.span(attribute.lastindex), True),), Written.CODE

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
    if is_markup is None:
        return LINE_END
    text = source[start:end]
    return html.unescape(text) if is_markup and "&" in text else text


def _check_other_readings(
    runs: Iterable[tuple[_Run, str]], masked: Mapping[str, str], rules: BodyRules
) -> None:
    """Raise MaskError for a value that is spelt in escapes, or in markup inside of what is no markup here."""
    looked_at: set[tuple[str, Written]] = set()
    places: dict[str, int] = {}
    for (spans, written), reading in runs:
        if (reading, written) in looked_at:
            continue
        looked_at.add((reading, written))
        for other in other_readings(masked.get(reading, reading), written):
            places.setdefault(other, spans[0][0])
    for text, shown in rules.shown(places, in_one_line=True).items():
        if shown != text:
            raise MaskError(f"the markup spells a value in escapes at character {places[text]}")


def _rewritten(source: str, changed: Sequence[tuple[_Run, str]], rules: BodyRules) -> dict[_Span, str]:
    """Return what the spans of each run become that change."""
    edits: dict[_Span, str] = {}
    pieces = [[_read(source, span) for span in spans] for (spans, _), _ in changed]
    single = {piece for texts in pieces if len(texts) > 1 for piece in texts}
    shown = rules.shown(single, in_one_line=True)
    for ((spans, _), masked), texts in zip(changed, pieces, strict=True):
        alone = [shown.get(text, text) for text in texts]
        written = _spread(masked, texts, alone) if len(texts) > 1 else [masked]
        edits.update(
            (span, new) for span, text, new in zip(spans, texts, written, strict=True) if new != text
        )
    return edits


def _masked_alone(
    source: str, runs: Iterable[_Run], edits: Mapping[_Span, str], rules: BodyRules
) -> Iterator[tuple[_Span, str]]:
    """Yield what spans become that hold a value by themselves: what touches them in their run may hide it.

    A note behind a number, say: `4111&nbsp;1111&nbsp;1111&nbsp;1111<sup>1</sup>`. As it is written the source
    is searched in any case, so only spans are asked that read otherwise.
    """
    alone = {
        span: edits[span] if span in edits else _read(source, span)
        for spans, _ in runs
        if len(spans) > 1
        for span in spans
        if span[2] is not None and _READ_OTHERWISE.search(source, span[0], span[1]) is not None
    }
    masked = rules.masked_of(Counter(alone.values()), in_one_line=True)
    yield from ((span, masked[text]) for span, text in alone.items() if text in masked)


def _spread(masked: str, texts: Sequence[str], shown: Sequence[str]) -> list[str]:
    """Cut `masked` into as many pieces as `shown` has, each like the one there as far as that can be.

    They differ where values lie in several pieces, and where what touches a piece of `texts` hides a value.
    """
    written: list[str] = []
    at = 0
    while len(written) < len(shown):
        number = len(written)
        piece = next((one for one in (shown[number], texts[number]) if masked.startswith(one, at)), None)
        if piece is not None:
            written.append(piece)
            at += len(piece)
            continue
        following, place = _next_alike(masked, at, shown, number)
        written += [masked[at:place], *[""] * (following - number - 1)]
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
    escaped = html.escape(text).replace(LINE_END, "<br/>")
    return escaped.replace(" ", "&#32;") if source[start - 1 : start] == "=" else escaped


def _edited(source: str, edits: Mapping[_Span, str]) -> str:
    parts: list[str] = []
    kept_from = 0
    for (start, end, is_markup), text in sorted(edits.items(), key=itemgetter(0)):
        parts += (source[kept_from:start], text if is_markup is False else _escaped(source, start, text))
        kept_from = end
    parts.append(source[kept_from:])
    return "".join(parts)
