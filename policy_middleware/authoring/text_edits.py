"""Edits of JSON text that leave every other character alone, so that undoing one gives the same bytes again.

A revision is the digest of the stored bytes, and people compare what is stored with the file they keep: an
edit that also rewrote the layout would look like a change of everything.
"""

from __future__ import annotations

import json
from typing import Final

from policy_middleware.authoring.positions import SourceMap
from policy_middleware.authoring.wording import compact
from policy_middleware.model.json_reading import JSON, Path

_INDENT: Final = 2


def replace_value(text: str, path: Path, value: JSON) -> str:
    """Return the text with another value in one place."""
    span = SourceMap(text).spans[path]
    return text[: span.start] + compact(value) + text[span.end :]


def add_member(text: str, anchor: Path, key: str, value: JSON) -> str:
    """Return the text with a further member right behind the one at `anchor`, laid out as they are."""
    source = SourceMap(text)
    span = source.spans[anchor]
    siblings = source.children(anchor[:-1])
    place = siblings.index(anchor)
    if place + 1 < len(siblings):
        gap = text[span.end : source.spans[siblings[place + 1]].begin].partition(",")[2]
    else:
        gap = text[source.spans[anchor[:-1]].start + 1 : source.spans[siblings[0]].begin]
    before_value = text[span.begin : span.start]
    colon = before_value[before_value.rindex(":") :]
    spaces = before_value[: before_value.rindex(":")]
    colon = spaces[len(spaces.rstrip()) :] + colon
    return f"{text[: span.end]},{gap}{compact(key)}{colon}{compact(value)}{text[span.end :]}"


def add_first_member(text: str, owner: Path, key: str, value: JSON) -> str:
    """Return the text with a further member in front of the others of an object that has some."""
    source = SourceMap(text)
    siblings = source.children(owner)
    first = source.spans[siblings[0]].begin
    gap = text[source.spans[owner].start + 1 : first] or " "
    return f"{text[:first]}{compact(key)}: {compact(value)},{gap}{text[first:]}"


def add_item(text: str, owner: Path, index: int, value: JSON) -> str:
    """Return the text with a further item at `index` of a list."""
    source = SourceMap(text)
    span, siblings = source.spans[owner], source.children(owner)
    if not siblings:
        line = text[text.rfind("\n", 0, span.start) + 1 : span.start]
        outer = line[: len(line) - len(line.lstrip())]
        inner = "\n" + outer + " " * _INDENT
        return f"{text[: span.start]}[{inner}{_laid_out(value, inner)}\n{outer}]{text[span.end :]}"
    first = source.spans[siblings[0]]
    gap = text[span.start + 1 : first.begin]
    item = _laid_out(value, gap)
    if index > 0:
        end = source.spans[siblings[index - 1]].end
        return f"{text[:end]},{gap or ' '}{item}{text[end:]}"
    return f"{text[: first.begin]}{item},{gap or ' '}{text[first.begin :]}"


def remove(text: str, path: Path) -> str:
    """Return the text without one member or item, and without the comma that set it apart."""
    source = SourceMap(text)
    siblings = source.children(path[:-1])
    place = siblings.index(path)
    span, owner = source.spans[path], source.spans[path[:-1]]
    if place > 0:
        start, end = source.spans[siblings[place - 1]].end, span.end
    elif len(siblings) > 1:
        start, end = span.begin, source.spans[siblings[1]].begin
    else:
        start, end = owner.start + 1, owner.end - 1
    return text[:start] + text[end:]


def _laid_out(value: JSON, gap: str) -> str:
    if "\n" not in gap:
        return compact(value)
    lines = json.dumps(value, ensure_ascii=False, indent=_INDENT).split("\n")
    return ("\n" + gap.rpartition("\n")[2]).join(lines)
