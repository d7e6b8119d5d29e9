"""How HTML and XML are cut into tags, and which of them begin a new line."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

_SPACE: Final = r"[ \t\n\f\r]"
"""What HTML takes for space; `\\s` would take more, and end a tag's name where browsers do not."""
# Only behind a `=` does a quote open anything (HTML standard, section 13.2.5.32 and following).
_VALUE: Final = rf"{_SPACE}*+=(?:{_SPACE}*+)(?:\"[^\"]*+\"|'[^']*+'|[^ \t\n\f\r\"'>][^ \t\n\f\r>]*+|(?=>))"
_ATTRIBUTES: Final = rf"(?:[ \t\n\f\r/]++|[^ \t\n\f\r/>][^ \t\n\f\r/>=]*+(?:{_VALUE}|(?!{_SPACE}*+=)))*+"
_RAW: Final = "iframe|noembed|noframes|script|style|textarea|title|xmp"
"""HTML elements whose content is text up to their end tag, whatever it looks like."""

_COMMENT: Final = r"!--(?:-?>|(?P<comment>.*?)(?:--!?>|\Z))"
_CDATA: Final = r"!\[CDATA\[(?P<cdata>.*?)(?:\]\]>|\Z)"

HTML_TAG: Final = re.compile(
    # What a million of `<` are asked first is whether anything begins there at all.
    rf"<(?=[A-Za-z!?/])(?:(?P<raw>{_RAW})(?=[ \t\n\f\r/>])(?P<raw_attributes>{_ATTRIBUTES})>"
    rf"(?P<content>(?:[^<]++|<(?!/(?P=raw)[ \t\n\f\r/>]))*+)(?=<)"
    rf"|(?P<unclosed>{_RAW})(?=[ \t\n\f\r/>])"
    rf"|(?P<name>/?[A-Za-z][^ \t\n\f\r/>]*+)(?P<attributes>{_ATTRIBUTES})>"
    rf"|{_COMMENT}|{_CDATA}"
    r"|(?P<declaration>[!?][^>]*+)>|/(?:[^A-Za-z>][^>]*+)?+>"
    r"|(?P<open>))",
    re.DOTALL | re.IGNORECASE | re.ASCII,
)
"""One tag, comment or declaration of HTML; `open` and `unclosed` have no end, whatever follows."""

ANY_TAG: Final = re.compile(
    rf"<(?=[A-Za-z!?/])(?:(/?[A-Za-z][^ \t\n\f\r/>]*+)({_ATTRIBUTES})>"
    r"|!--(?:-?>|.*?(?:--!?>|\Z))|[!?][^>]*+>|/(?:[^A-Za-z>][^>]*+)?+>"
    r"|(?P<open>.+))",
    re.DOTALL | re.ASCII,
)
"""What vanishes where a text is read as HTML after all; `open` is all that follows a tag without end."""

SIMPLE_TAG: Final = re.compile(r"<[A-Za-z!?/][^<>]*+>")
"""What vanishes of that."""

XML_TAG: Final = re.compile(
    rf"<(?=[A-Za-z_:!?/\x80-\U0010ffff])(?:"
    rf"(?P<name>/?[A-Za-z_:\x80-\U0010ffff][^ \t\n\f\r/>]*+)(?P<attributes>{_ATTRIBUTES})>"
    rf"|{_COMMENT}|{_CDATA}"
    r"|\?(?P<instruction>.*?)\?>"
    r"|(?P<declaration>![^>\"'\[]*+(?:\"[^\"]*+\"[^>\"'\[]*+|'[^']*+'[^>\"'\[]*+)*+[\[>])"
    r"|(?P<open>))",
    re.DOTALL,
)
"""The same of XML."""

LINE_END: Final = "\v"
"""Stands between the lines of one text: a space, but none that HTML shows as a blank."""

_LINES: Final = frozenset(
    """
    address article aside blockquote body br caption center col colgroup dd details dialog dir div dl dt
    fieldset figcaption figure footer form frame frameset h1 h2 h3 h4 h5 h6 head header hgroup hr html
    legend li listing main menu nav ol optgroup option p plaintext pre search section summary table
    tbody td tfoot th thead tr ul
    """.split()  # noqa: SIM905 -- a name on every line would hide what is missing
)
"""Elements of HTML that begin a new line; every other one, unknown ones too, is part of the line."""

_PARTS_OF_LINES: Final = frozenset(
    """
    a abbr acronym altglyph b bdi bdo big cite code data del dfn em font i ins kbd label mark nobr q s
    samp small span strike strong sub sup textpath time tref tspan tt u var wbr
    """.split()  # noqa: SIM905 -- a name on every line would hide what is missing
)
"""Elements of XML that begin no new line, as they are known from XHTML and SVG."""


@lru_cache(maxsize=1024)
def breaks_line(name: str) -> bool:
    """Return whether a tag of HTML begins a new line, given its name, with the slash of an end tag."""
    # Only the letters of ASCII are folded: to browsers `bloc\u212aquote` is an element they do not know.
    return name.isascii() and name.lower().lstrip("/") in _LINES


@lru_cache(maxsize=1024)
def breaks_line_of_xml(name: str) -> bool:
    """Return the same for a tag of XML that is not XHTML."""
    return name.lower().rpartition(":")[2].lstrip("/") not in _PARTS_OF_LINES


def ends_line(name: str) -> bool:
    """Return whether a tag only ends a line, so that what stands around it is still one text."""
    return name.lower().strip("/") == "br"
