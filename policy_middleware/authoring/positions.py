"""Where in its text a JSON value stands: a remark can name a line, and an edit leave the rest alone."""

from __future__ import annotations

import json
import re
from bisect import bisect_right
from dataclasses import dataclass
from typing import Final

from policy_middleware.model.json_reading import Path, json_path

_TOKEN: Final = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"|[{}\[\],:]|[^\s{}\[\],:"]+', re.DOTALL)
_BYTE_ORDER_MARK: Final = "\ufeff"


@dataclass(frozen=True, slots=True)
class Span:
    """The characters of one value, and where the key before it begins (None for items and for the root)."""

    start: int
    end: int
    key_start: int | None = None

    @property
    def begin(self) -> int:
        """Where the member or item begins: at its key when it has one."""
        return self.start if self.key_start is None else self.key_start


class SourceMap:
    """The places of all values of one JSON text, which must be valid JSON without repeated keys."""

    def __init__(self, text: str) -> None:
        self.text: Final = text
        self.spans: Final = _spans(text)
        self._by_name = {json_path(path): path for path in self.spans}
        self._line_starts = [0, *(found.end() for found in re.finditer("\n", text))]

    def line(self, path: str) -> int:
        """Return the line, from 1, of a JSON path (`$.rules[2].when`); its owner's for what is missing."""
        return bisect_right(self._line_starts, self.spans[self._nearest(path)].begin)

    def children(self, path: Path) -> list[Path]:
        """Return the paths of the members or items of a container, in the order of the text."""
        deeper = len(path) + 1
        return [one for one in self.spans if len(one) == deeper and one[:-1] == path]

    def _nearest(self, path: str) -> Path:
        end = len(path)
        while end > 0:
            if path[:end] in self._by_name:
                return self._by_name[path[:end]]
            end = max(path.rfind(".", 0, end), path.rfind("[", 0, end))
        return ()


def _spans(text: str) -> dict[Path, Span]:
    # A stack instead of recursion: documents may nest deeper than Python calls can go.
    begun: dict[Path, tuple[int, int | None]] = {}
    ended: dict[Path, int] = {}
    containers: list[tuple[Path, bool]] = []
    path: Path = ()
    key_start: int | None = None
    at_key = False
    for token in _TOKEN.finditer(text, 1 if text.startswith(_BYTE_ORDER_MARK) else 0):
        sign = token[0]
        if at_key and sign[0] == '"':
            path, key_start, at_key = (*containers[-1][0], json.loads(sign)), token.start(), False
        elif sign == ":":
            continue
        elif sign == ",":
            owner, is_object = containers[-1]
            at_key = is_object
            if not is_object:
                last = path[-1]
                path = (*owner, last + 1 if isinstance(last, int) else 0)
        elif sign in ("{", "["):
            begun[path] = (token.start(), key_start)
            key_start = None
            containers.append((path, sign == "{"))
            at_key = sign == "{"
            path = path if at_key else (*path, 0)
        elif sign in ("}", "]"):
            path, _ = containers.pop()
            ended[path] = token.end()
            at_key = False
        else:
            begun[path] = (token.start(), key_start)
            ended[path] = token.end()
            key_start = None
    return {one: Span(start, ended[one], key) for one, (start, key) in begun.items()}
