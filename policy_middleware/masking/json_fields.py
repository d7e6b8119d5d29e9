"""Fields of ordinary JSON bodies masked at the speed of orjson; what is not ordinary is left to `json_body`.

Two ways, each proved right for the body at hand before anything is written:

* What orjson writes of the parsed body is the body itself. Then writing it again with some values changed
  changes these values and nothing else: spelling of numbers, order, duplicates and escapes are all the same.
* A key occurs in the text exactly as often as the paths lead to it in the parsed body, and no key is spelled
  with escapes. Then each occurrence is such a place (a duplicate key, or the same key elsewhere, would occur
  once more), and the text after it is replaced where it stands.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any, Final

from policy_middleware.masking.operators import Treatment
from policy_middleware.masking.operators.constants import FIELD, REDACTED_TEXT
from policy_middleware.masking.operators.replacing import Redact
from policy_middleware.masking.quick_json import orjson
from policy_middleware.model.field_paths import FieldStep, Wildcard

_SPACE: Final = rb"[ \t\n\r]*+"
_AFTER_KEY: Final = re.compile(
    rb"(" + _SPACE + rb":" + _SPACE + rb')("[^"\\]*+(?:\\.[^"\\]*+)*+"|-?[0-9][0-9.eE+-]*+|true|false|null)?',
    re.DOTALL,
)
_ESCAPED: Final = re.compile(rb'\\u[^"\\]*+(?:\\.[^"\\]*+)*+"' + _SPACE + rb"(:?)", re.DOTALL)
"""From an escape to the end of its string, and the colon that makes a key of it."""
_STYLES: Final = (b':"', b': "')
_LOOKED_AT: Final = 256
_MISSING: Final = object()
_REDACTED: Final[dict[type, object]] = {str: REDACTED_TEXT, int: 0, float: 0, bool: False, type(None): None}


@dataclass(frozen=True, slots=True)
class _Field:
    """A path to a key: its number, the steps to the objects that hold it (None: any object), the key."""

    number: int
    parents: tuple[FieldStep, ...] | None
    key: str
    treatment: Treatment
    needle: bytes
    """How the key stands in a body."""
    constants: Mapping[type, object] | None
    """What values of each type become, where that does not depend on the value."""
    starts: Sequence[tuple[bytes, bytes]]
    """How the key and the beginning of a text stand in a body, and what is written up to its end."""

    @classmethod
    def of(cls, number: int, parents: tuple[FieldStep, ...] | None, key: str, treatment: Treatment) -> _Field:
        """Return the field with what follows from the rest."""
        needle = b'"' + key.encode() + b'"'
        redacts = treatment.operator.__class__ is Redact and not treatment.replaces_whole
        starts = [
            (needle + style, needle + style + REDACTED_TEXT.encode() + b'"') for style in _STYLES if redacts
        ]
        return cls(number, parents, key, treatment, needle, _REDACTED if redacts else None, starts)


class FieldPlan:
    """What to do with bodies under some paths; made once, and shared by threads."""

    __slots__ = ("_any_depth", "_by_key", "_drops", "_groups")

    def __init__(self, fields: Sequence[_Field]) -> None:
        self._by_key = [*{field.key: field for field in fields}.values()]
        self._any_depth = any(field.parents is None for field in fields)
        self._drops = any(field.treatment.drops for field in fields)
        groups: dict[tuple[FieldStep, ...], list[_Field]] = {}
        for field in fields:
            if field.parents is not None:
                groups.setdefault(field.parents, []).append(field)
        self._groups = [
            (parents, [(field.number, field.key, field.constants, field.treatment) for field in below])
            for parents, below in groups.items()
        ]

    @classmethod
    def of(cls, paths: Sequence[tuple[tuple[FieldStep, ...], Treatment]]) -> FieldPlan | None:
        """Return the plan for `paths`, None when they are not of the ordinary kind (or orjson is missing)."""
        if orjson is None or not paths:
            return None
        fields = [_field(number, steps, treatment) for number, (steps, treatment) in enumerate(paths)]
        ordinary = [field for field in fields if field is not None]
        if len(ordinary) < len(fields) or any(_may_meet(*pair) for pair in combinations(ordinary, 2)):
            return None
        return cls(ordinary)

    def apply(self, body: bytes) -> tuple[bytes, dict[int, int]] | None:
        """Return `body` masked and how many values by the number of the path, None for no ordinary body."""
        try:
            tree = orjson.loads(body)
        except orjson.JSONDecodeError:
            return None
        # What is written with spaces is not what orjson writes, so nobody needs to try.
        if not self._any_depth and body.find(b'": ', 0, _LOOKED_AT) < 0:
            written = orjson.dumps(tree)
            if written == body:
                return self._rewritten(tree, body, b"")
            if body.startswith(written):  # and whitespace at the end, since it is valid
                return self._rewritten(tree, body, body[len(written) :])
        return None if self._drops else self._spliced(tree, body)

    def _rewritten(self, tree: Any, body: bytes, end: bytes) -> tuple[bytes, dict[int, int]] | None:
        counts: dict[int, int] = {}
        for parents, keys in self._groups:
            nodes = [node for node in _nodes(tree, parents) if node.__class__ is dict]
            for number, key, constants, treatment in keys:
                count = 0
                for node in nodes:
                    value = node.get(key, _MISSING)
                    if value is _MISSING:
                        continue
                    count += 1
                    if constants is not None:
                        written = constants.get(value.__class__, _MISSING)
                        if written is _MISSING:
                            return None
                        node[key] = written
                    elif treatment.drops:
                        del node[key]
                    elif isinstance(value, (dict, list)) and not treatment.nullifies:
                        return None
                    else:
                        node[key] = _treated(value, treatment)
                if count:
                    counts[number] = count
        return (orjson.dumps(tree) + end if counts else body), counts

    def _spliced(self, tree: Any, body: bytes) -> tuple[bytes, dict[int, int]] | None:
        escapes = b"\\" in body
        if escapes and b"\\u" in body and any(found[1] for found in _ESCAPED.finditer(body)):
            return None
        expected: dict[str, int] = {}
        counts: dict[int, int] = {}
        for parents, keys in self._groups:
            nodes = [node for node in _nodes(tree, parents) if node.__class__ is dict]
            for number, key, _, _ in keys:
                count = sum([key in node for node in nodes])
                if count:
                    expected[key] = expected.get(key, 0) + count
                    counts[number] = count
        for field in self._by_key:
            spliced = _in_text(body, field, escapes)
            if spliced is None:
                return None
            body, count = spliced
            if field.parents is None:
                if count:
                    counts[field.number] = count
            elif count != expected.get(field.key, 0):
                return None
        return body, counts


def _in_text(body: bytes, field: _Field, escapes: bool) -> tuple[bytes, int] | None:
    """Replace the value after every occurrence of a key; None where one is not a scalar."""
    needle, treatment = field.needle, field.treatment
    occurrences = body.count(needle)
    if not occurrences:
        return body, 0
    if not escapes:
        for start, written in field.starts:
            pieces = body.split(start)
            if len(pieces) == occurrences + 1:
                pieces[1:] = [piece.partition(b'"')[2] for piece in pieces[1:]]
                return written.join(pieces), occurrences
    pieces = body.split(needle)
    count = 0
    for number in range(1, len(pieces)):
        piece = pieces[number]
        found = _AFTER_KEY.match(piece)
        if found is None or pieces[number - 1].endswith(b"\\"):
            continue  # a text that is spelled like the key, or ends like it
        if found[2] is None:
            return None
        count += 1
        pieces[number] = found[1] + treatment.literal(found[2].decode()).encode() + piece[found.end() :]
    return needle.join(pieces), count


def _nodes(tree: Any, steps: Sequence[FieldStep]) -> list[Any]:
    nodes = [tree]
    for step in steps:
        if step.__class__ is str:
            nodes = [node[step] for node in nodes if node.__class__ is dict and step in node]
        elif step is Wildcard.ANY_ITEM:
            nodes = [item for node in nodes if node.__class__ is list for item in node]
        elif step is Wildcard.ANY_KEY:
            nodes = [item for node in nodes for item in _children(node)]
        elif isinstance(step, int):
            nodes = [node[step] for node in nodes if node.__class__ is list and len(node) > step]
    return nodes


def _children(node: Any) -> Iterator[Any]:
    if node.__class__ is dict:
        yield from node.values()
    elif node.__class__ is list:
        yield from node


def _treated(value: Any, treatment: Treatment) -> object:
    if treatment.nullifies:
        return None
    if value.__class__ is str:
        text = treatment.operator.text(value, FIELD)
        if text == value or text.isascii():
            return text
        return orjson.Fragment(json.dumps(text))
    return orjson.Fragment(treatment.literal(orjson.dumps(value).decode()))


def _field(number: int, steps: tuple[FieldStep, ...], treatment: Treatment) -> _Field | None:
    *parents, key = steps
    if not isinstance(key, str) or treatment.keeps or "/" in key:
        return None
    if json.dumps(key, ensure_ascii=False)[1:-1] != key:
        return None
    if parents == [Wildcard.ANY_DEPTH]:
        return None if treatment.drops else _Field.of(number, None, key, treatment)
    return None if Wildcard.ANY_DEPTH in parents else _Field.of(number, tuple(parents), key, treatment)


def _may_meet(one: _Field, other: _Field) -> bool:
    """True when two paths may name one place, or what happens there differs while their key is the same."""
    if one.key != other.key:
        return False
    if one.parents is None or other.parents is None or one.treatment.operations != other.treatment.operations:
        return True
    return len(one.parents) == len(other.parents) and all(
        mine == theirs or isinstance(mine, Wildcard) or isinstance(theirs, Wildcard)
        for mine, theirs in zip(one.parents, other.parents, strict=True)
    )
