"""Tables (`text/csv`, tab-separated values), edited cell by cell: every other byte stays as it is.

Field rules name columns by their header, as they would name the members of one JSON object per row;
`[*].email` and `rows[*].email` name no column. Texts are searched in every cell, headers included, and the
header of a column announces what is in it as a JSON key does.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Final

from policy_middleware.masking.bodies.rules import BodyRules
from policy_middleware.model.errors import MaskError

_DELIMITERS: Final = (",", ";", "\t", "|")
_BYTE_ORDER_MARK: Final = "\ufeff"
_AT_ONCE: Final = 64 * 1024
"""Characters that are cut in one call."""
_QUOTED: Final = re.compile(r'"[^"]*+(?:"|\Z)')
_DELIMITER_TOLD: Final = re.compile(r"sep=([^\r\n])(?:\r\n|\n|\r|\Z)", re.IGNORECASE)
"""The first line by which spreadsheets are told what separates cells; it is none of the table's rows."""


def mask_csv(text: str, rules: BodyRules, *, tabs: bool, parameters: Mapping[str, str]) -> str:
    """Return a table masked.

    Raises MaskError for quotes that are open or out of place and, where fields are named, for rows that do
    not fit their header and for a header that can be cut in two ways.
    """
    # What separates cells is no part of words, so nothing in a cell is hidden by the cells around it.
    is_searched = rules.detects(text.replace('""', '"'))
    if not is_searched and not rules.has_fields:
        return text
    start, delimiter = _told(text)
    if tabs:
        delimiter = delimiter or "\t"
    while text[start : start + 1] in ("\r", "\n"):
        start += 1
    table = _Table(text[start:], delimiter)
    is_named = parameters.get("header") != "absent"
    if rules.has_fields:
        if not is_named:
            raise MaskError(
                "the mask names fields, and this table says that it has no header to find them by"
            )
        table.check_columns()
        _treat(table, rules)
    if is_searched:
        if is_named:
            _mask_announced(table, rules)
        _mask_everything(table, rules)
    return text[:start] + table.written()


def _treat(table: _Table, rules: BodyRules) -> None:
    """Do what field rules ask of columns."""
    for number, column in enumerate(rules.columns(table.names)):
        if column is None:
            continue
        places = table.column(number)
        cells = set(table.cells_at(places))
        if column.keeps:
            table.settle(places, dict.fromkeys(cells))
            continue
        table.rewrite(places, {cell: table.spelled(column.text(_content(cell)), cell) for cell in cells})
        rules.treated(column, len(places))


def _mask_announced(table: _Table, rules: BodyRules) -> None:
    """Mask the cells that the names of their columns tell what they are."""
    announcements = map(rules.announcement, table.names)
    announcing = {number: words for number, words in enumerate(announcements) if words}
    for words, places in table.places_by(announcing).items():
        cells = Counter(table.cells_at(places))
        table.settle(places, table.spelled_anew(cells, rules.masked_of(_contents(cells), words)))


def _mask_everything(table: _Table, rules: BodyRules) -> None:
    cells = Counter(table.cells)
    table.rewrite(range(len(table.cells)), table.spelled_anew(cells, rules.masked_of(_contents(cells))))


class _Table:
    """The cells of one table, one row after the other, to be changed one by one."""

    def __init__(self, text: str, delimiter: str | None) -> None:
        """Read `text`; without a `delimiter` its first line tells. Raises MaskError for misplaced quotes."""
        head = re.split(r"[\r\n]", _QUOTED.sub("", text), maxsplit=1)[0]
        self._delimiter = max(_DELIMITERS, key=head.count) if delimiter is None else delimiter
        self._may_be_cut_otherwise = delimiter is None and sum(mark in head for mark in _DELIMITERS) > 1
        if self._delimiter not in _DELIMITERS:
            raise MaskError("the table says that an unusual character separates its cells")
        self._special = re.compile(f'["\r\n{re.escape(self._delimiter)}]')
        self.cells, self._separators = _cut(text, self._delimiter)
        row_ends = [at for at, mark in enumerate(self._separators, 1) if mark != self._delimiter]
        self._row_starts = [0, *row_ends]
        self._settled: dict[int, str] = {}
        self.names = [_content(cell).strip() for cell in self.cells[: row_ends[0]]]

    def check_columns(self) -> None:
        """Raise MaskError unless every reader finds the same columns under the same names."""
        width = len(self.names)
        if len(set(self.names)) != width:
            raise MaskError("two columns of the table have the same name")
        if self._may_be_cut_otherwise:
            raise MaskError("the header of the table can be cut in two ways; quote the names of its columns")
        if self._row_starts != list(range(0, len(self.cells) + 1, width)):
            raise MaskError("a row of the table has another number of cells than its header")
        # Some readers skip the space before a quote, and see a quoted cell where others see none.
        if any('"' in cell and cell[0] != '"' for cell in self.cells):
            raise MaskError("a cell of the table has a quote and is not quoted itself")

    def column(self, number: int) -> Sequence[int]:
        """Return where the cells of a column are, its header left out, when all rows are of one length."""
        width = len(self.names)
        return range(width + number, len(self.cells), width)

    def places_by(self, words: Mapping[int, str]) -> dict[str, list[int]]:
        """Return where the cells of the columns are of the same word, by that word; headers left out."""
        places: dict[str, list[int]] = {}
        if not words:
            return places
        for start, end in pairwise(self._row_starts[1:]):
            for number, word in words.items():
                if start + number >= end:
                    break
                places.setdefault(word, []).append(start + number)
        return places

    def cells_at(self, places: Iterable[int]) -> Iterator[str]:
        """Return the cells at some places."""
        return map(self.cells.__getitem__, places)

    def rewrite(self, places: Iterable[int], written: Mapping[str, str]) -> None:
        """Write the cells at some places anew that are spelt as a key of `written`."""
        if written:
            for at in places:
                self.cells[at] = written.get(self.cells[at], self.cells[at])

    def settle(self, places: Iterable[int], written: Mapping[str, str | None]) -> None:
        """Do what `rewrite` does (None: leave the cell as it is), and hide these cells from what follows."""
        if written:
            for at in places:
                cell = self.cells[at]
                if cell in written:
                    self._settled[at] = written[cell] or cell
                    self.cells[at] = ""

    def spelled(self, content: str, cell: str) -> str:
        """Return how `content` is written in place of `cell`."""
        if cell[:1] == '"' or self._special.search(content) is not None:
            return '"' + content.replace('"', '""') + '"'
        return content

    def spelled_anew(self, cells: Iterable[str], masked: Mapping[str, str]) -> dict[str, str]:
        """Return those of `cells` whose content is `masked`, with how that is written in their place."""
        if not masked:
            return {}
        contents = ((cell, _content(cell)) for cell in cells)
        return {cell: self.spelled(masked[content], cell) for cell, content in contents if content in masked}

    def written(self) -> str:
        """Return the text of the table."""
        for at, cell in self._settled.items():
            self.cells[at] = cell
        parts = [""] * (2 * len(self.cells))
        parts[::2] = self.cells
        parts[1::2] = self._separators
        return "".join(parts)


def _told(text: str) -> tuple[int, str | None]:
    """Return where the table begins, and what it says that separates its cells."""
    start = int(text.startswith(_BYTE_ORDER_MARK))
    told = _DELIMITER_TOLD.match(text, start)
    return (start, None) if told is None else (told.end(), told[1])


def _content(cell: str) -> str:
    return cell[1:-1].replace('""', '"') if cell[:1] == '"' else cell


def _contents(cells: Mapping[str, int]) -> Counter[str]:
    contents: Counter[str] = Counter()
    for cell, count in cells.items():
        if cell:
            contents[_content(cell)] += count
    return contents


def _cut(text: str, delimiter: str) -> tuple[list[str], list[str]]:
    """Return the cells of all rows and what stands behind each: empty lines are part of the end of a line."""
    separator = re.escape(delimiter)
    cells, separators = (_cut_by_quotes if '"' in text else _cut_plainly)(text, separator)
    if len(cells) > 1 and not cells[-1] and separators[-2] != delimiter:
        # Nothing behind the last end of a line is no row.
        del cells[-1], separators[-1]
    return cells, separators


def _cut_plainly(text: str, separator: str) -> tuple[list[str], list[str]]:
    cells: list[str] = []
    separators: list[str] = []
    ends = re.compile(rf"({separator}|[\r\n]++)")
    start = 0
    while start < len(text):
        # Piece by piece, because a split holds the interpreter lock to its end.
        behind = ends.search(text, start + _AT_ONCE)
        end = len(text) if behind is None else behind.end()
        parts = ends.split(text[start:end])
        if behind is not None:
            parts.pop()
        cells += parts[::2]
        separators += parts[1::2]
        start = end
    if len(cells) == len(separators):
        cells.append("")
    return cells, [*separators, ""]


def _cut_by_quotes(text: str, separator: str) -> tuple[list[str], list[str]]:
    cells: list[str] = []
    separators: list[str] = []
    cell = rf'"[^"]*+(?:""[^"]*+)*+"|[^"\r\n{separator}][^\r\n{separator}]*+|'
    # Whatever is out of place takes all the rest with it, or else each quote would be tried to the end.
    for found in re.finditer(rf"({cell})({separator}|[\r\n]++|\Z)|.++", text, re.DOTALL):
        one, mark = found.groups()
        if one is None:
            raise MaskError(
                f"the table has a quote that is not closed, or out of place, at character {found.start()}"
            )
        cells.append(one)
        separators.append(mark)
        if not mark:
            break
    return cells, separators
