"""Tables (`text/csv`, tab-separated values), edited cell by cell: every other byte stays as it is.

Field rules name columns by their header, as they would name the members of one JSON object per row;
`[*].email` and `rows[*].email` name no column. Texts are searched in every cell, headers included.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from policy_middleware.masking.bodies.rules import BodyRules
from policy_middleware.model.errors import MaskError

_DELIMITERS: Final = (",", ";", "\t", "|")
_BYTE_ORDER_MARK: Final = "\ufeff"
_BATCH: Final = 256
"""Rows that are searched at once."""

_Cell = tuple[int, int]
"""Where a cell starts and ends, quotes included."""


def mask_csv(text: str, rules: BodyRules, *, tabs: bool, parameters: Mapping[str, str]) -> str:
    """Return a table masked. Raises MaskError for open quotes, and for rows that do not fit their header."""
    mark = _BYTE_ORDER_MARK if text.startswith(_BYTE_ORDER_MARK) else ""
    text = text[len(mark) :]
    delimiter = "\t" if tabs else _delimiter(text)
    rows = _rows(text, delimiter)
    header: list[str] | None = None
    if rules.has_fields:
        if parameters.get("header") == "absent":
            raise MaskError(
                "the mask names fields, and this table says that it has no header to find them by"
            )
        header = [_content(text, cell) for cell in rows[0]] if rows else []
        if len(set(header)) != len(header):
            raise MaskError("two columns of the table have the same name")
    edits: list[tuple[int, int, str]] = []
    # What separates cells is no part of words, so nothing in a cell is hidden by the cells around it.
    is_searched = rules.detects(text.replace('""', '"'))
    for first in range(0, len(rows), _BATCH):
        batch = rows[first : first + _BATCH]
        if header is not None:
            for number, row in enumerate(batch, first):
                if number > 0:
                    edits += _by_fields(text, row, header, rules)
        if is_searched:
            edits += _by_search(text, batch, rules)
    return mark + _edited(text, edits, delimiter)


def _by_fields(
    text: str, row: Sequence[_Cell], header: Sequence[str], rules: BodyRules
) -> Iterator[tuple[int, int, str]]:
    if len(row) != len(header):
        raise MaskError("a row of the table has another number of cells than its header")
    contents = [_content(text, cell) for cell in row]
    record = dict(zip(header, contents, strict=True))
    document = json.dumps(record)
    masked = rules.json(document)
    if masked == document:
        return
    shown = json.loads(masked)
    for name, cell, content in zip(header, row, contents, strict=True):
        value = shown.get(name, "") if isinstance(shown, dict) else ""
        written = value if isinstance(value, str) else "" if value is None else json.dumps(value)
        if written != content:
            yield (*cell, written)


def _by_search(
    text: str, rows: Sequence[Sequence[_Cell]], rules: BodyRules
) -> Iterator[tuple[int, int, str]]:
    cells = [cell for row in rows for cell in row if cell[1] > cell[0]]
    contents = [_content(text, cell) for cell in cells]
    for cell, content, masked in zip(cells, contents, rules.texts(contents), strict=True):
        if masked != content:
            yield (*cell, masked)


def _edited(text: str, edits: Sequence[tuple[int, int, str]], delimiter: str) -> str:
    parts: list[str] = []
    kept_from = 0
    # A cell that a field rule and a search would both change is the field rule's, which comes first.
    for start, end, content in sorted(edits, key=lambda edit: edit[0]):
        if start < kept_from:
            continue
        quoted = text[start : start + 1] == '"' or any(
            mark in content for mark in (delimiter, '"', "\r", "\n")
        )
        parts += (text[kept_from:start], _quoted(content) if quoted else content)
        kept_from = end
    parts.append(text[kept_from:])
    return "".join(parts)


def _quoted(content: str) -> str:
    return '"' + content.replace('"', '""') + '"'


def _content(text: str, cell: _Cell) -> str:
    start, end = cell
    if text[start : start + 1] == '"':
        return text[start + 1 : end - 1].replace('""', '"')
    return text[start:end]


def _delimiter(text: str) -> str:
    """Return what separates the cells of the first line: in some countries that is no comma."""
    line = re.sub(r'"(?:[^"]|"")*+"', "", re.split(r"[\r\n]", text, maxsplit=1)[0])
    return max(_DELIMITERS, key=line.count)


def _rows(text: str, delimiter: str) -> list[list[_Cell]]:
    """Return where the cells of every row are; empty lines are none."""
    cell = re.compile(
        rf'("(?:[^"]|"")*+"|[^"\r\n{re.escape(delimiter)}][^\r\n{re.escape(delimiter)}]*+|)'
        rf"({re.escape(delimiter)}|\r\n|\n|\r|\Z)"
    )
    rows: list[list[_Cell]] = []
    row: list[_Cell] = []
    at = 0
    while at < len(text):
        found = cell.match(text, at)
        if found is None:
            raise MaskError(f"the table has a quote that is not closed, or out of place, at character {at}")
        row.append(found.span(1))
        at = found.end()
        if found[2] != delimiter:
            if len(row) > 1 or row[0][0] != row[0][1]:
                rows.append(row)
            row = []
    if row:
        rows.append([*row, (at, at)])
    return rows
