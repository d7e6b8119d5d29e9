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
from json.encoder import encode_basestring_ascii
from typing import Any, Final

from policy_middleware.masking.operators import Treatment
from policy_middleware.masking.operators.constants import FIELD, REDACTED_TEXT
from policy_middleware.masking.operators.replacing import Redact
from policy_middleware.masking.quick_json import orjson
from policy_middleware.model.field_paths import FieldStep, Wildcard

_SPACE: Final = rb"[ \t\n\r]*+"
_STRING_END: Final = rb'[^"\\]*+(?:\\.[^"\\]*+)*+"'
_AFTER_KEY: Final = re.compile(
    rb"(" + _SPACE + rb":" + _SPACE + rb')("' + _STRING_END + rb"|-?[0-9][0-9.eE+-]*+|true|false|null)?",
    re.DOTALL,
)
_ESCAPED: Final = re.compile(rb"\\u" + _STRING_END + _SPACE + rb"(:?)", re.DOTALL)
"""From an escape to the end of its string, and the colon that makes a key of it."""
_LOOKED_AT: Final = 256
_CONTAINERS: Final = (dict, list)
_ITEMS: Final = (Wildcard.ANY_ITEM,)
_REDACTED: Final[dict[type, object]] = {str: REDACTED_TEXT, int: 0, float: 0, bool: False, type(None): None}


@dataclass(frozen=True, slots=True)
class _Start:
    """How a key and the beginning of a text stand in a body, and what redaction makes of that text."""

    read: bytes
    text: re.Pattern[bytes]
    """The key and its text, escapes and all, up to the end of the text."""
    redacted: bytes

    @classmethod
    def of(cls, needle: bytes, style: bytes) -> _Start:
        """Return the start of the key that stands as `needle` in a body."""
        read = needle + style
        return cls(
            read,
            re.compile(re.escape(read) + _STRING_END, re.DOTALL),
            read + REDACTED_TEXT.encode() + b'"',
        )


@dataclass(frozen=True, slots=True)
class _Field:
    """A path to a key: its spelling, the steps to the objects that hold it (None: any object), the key."""

    path: str
    parents: tuple[FieldStep, ...] | None
    key: str
    treatment: Treatment
    needle: bytes
    """How the key stands in a body."""
    constants: Mapping[type, object] | None
    """What values of each type become, where that does not depend on the value."""
    starts: tuple[_Start, _Start]
    """In compact JSON and with spaces."""

    @classmethod
    def of(cls, path: str, parents: tuple[FieldStep, ...] | None, key: str, treatment: Treatment) -> _Field:
        """Return the field with what follows from the rest."""
        needle = b'"' + key.encode() + b'"'
        redacts = treatment.operator.__class__ is Redact and not treatment.replaces_whole
        return cls(
            path,
            parents,
            key,
            treatment,
            needle,
            _REDACTED if redacts else None,
            (_Start.of(needle, b':"'), _Start.of(needle, b': "')),
        )


@dataclass(frozen=True, slots=True)
class _Group:
    """The fields of the objects that some steps lead to."""

    keys: tuple[str, ...]
    """The first steps, as far as each names one key."""
    steps: tuple[FieldStep, ...]
    fields: tuple[_Field, ...]

    @classmethod
    def of(cls, parents: tuple[FieldStep, ...], fields: Sequence[_Field]) -> _Group:
        """Return the group of the fields that have the same `parents`."""
        named = next((at for at, step in enumerate(parents) if step.__class__ is not str), len(parents))
        return cls(
            tuple(step for step in parents[:named] if isinstance(step, str)),
            parents[named:],
            tuple(fields),
        )

    def objects(self, tree: Any) -> list[dict[str, Any]]:
        """Return the objects of a parsed body that the steps lead to."""
        for key in self.keys:
            if tree.__class__ is not dict or key not in tree:
                return []
            tree = tree[key]
        if self.steps == _ITEMS:  # what most paths have, at a third of the time
            return [node for node in tree if node.__class__ is dict] if tree.__class__ is list else []
        return [node for node in _nodes(tree, self.steps) if node.__class__ is dict]


class FieldPlan:
    """What to do with bodies under some paths; made once, and shared by threads."""

    __slots__ = ("_any_depth", "_by_key", "_drops", "_groups")

    def __init__(self, fields: Sequence[_Field]) -> None:
        self._by_key = {field.key: field for field in fields}
        self._any_depth = any(field.parents is None for field in fields)
        self._drops = any(field.treatment.drops for field in fields)
        groups: dict[tuple[FieldStep, ...], list[_Field]] = {}
        for field in fields:
            if field.parents is not None:
                groups.setdefault(field.parents, []).append(field)
        self._groups = [_Group.of(parents, below) for parents, below in groups.items()]

    @classmethod
    def of(cls, paths: Sequence[tuple[str, tuple[FieldStep, ...], Treatment]]) -> FieldPlan | None:
        """Return the plan for `paths`, None when they are not of the ordinary kind (or orjson is missing)."""
        if orjson is None or not paths:
            return None
        fields = [_field(path, steps, treatment) for path, steps, treatment in paths]
        ordinary = [field for field in fields if field is not None]
        if len(ordinary) < len(fields) or any(_may_meet(*pair) for pair in combinations(ordinary, 2)):
            return None
        return cls(ordinary)

    def apply(self, body: bytes) -> tuple[bytes, dict[str, int]] | None:
        """Return `body` masked and how many values by path, None for no ordinary body."""
        try:
            tree = orjson.loads(body)
        except orjson.JSONDecodeError:
            return None
        # What is written with spaces is not what orjson writes, so nobody needs to try.
        spaced = body.find(b'": ', 0, _LOOKED_AT) >= 0
        if not spaced and not self._any_depth:
            written = orjson.dumps(tree)
            if written == body:
                return self._rewritten(tree, body, b"")
            if body.startswith(written):  # and whitespace at the end, since it is valid
                return self._rewritten(tree, body, body[len(written) :])
        return None if self._drops else self._spliced(tree, body, spaced)

    def _rewritten(self, tree: Any, body: bytes, end: bytes) -> tuple[bytes, dict[str, int]] | None:
        counts: dict[str, int] = {}
        for group in self._groups:
            nodes = group.objects(tree)
            for field in group.fields:
                count = _replaced(nodes, field)
                if count is None:
                    return None
                if count:
                    counts[field.path] = count
        return (orjson.dumps(tree) + end if counts else body), counts

    def _spliced(self, tree: Any, body: bytes, spaced: bool) -> tuple[bytes, dict[str, int]] | None:
        escapes = b"\\" in body
        if escapes and b"\\u" in body and any(found[1] for found in _ESCAPED.finditer(body)):
            return None
        expected: dict[str, int] = {}
        counts: dict[str, int] = {}
        for group in self._groups:
            nodes = group.objects(tree)
            for field in group.fields:
                key = field.key
                count = len([1 for node in nodes if key in node])
                if count:
                    expected[key] = expected.get(key, 0) + count
                    counts[field.path] = count
        for key, field in self._by_key.items():
            spliced = _in_text(body, field, escapes, spaced)
            if spliced is None:
                return None
            body, count = spliced
            if field.parents is None:
                if count:
                    counts[field.path] = count
            elif count != expected.get(key, 0):
                return None
        return body, counts


def _replaced(nodes: Sequence[dict[str, Any]], field: _Field) -> int | None:
    """Replace the values of a field in the objects that have it; None where one is not a scalar."""
    key, treatment, constants = field.key, field.treatment, field.constants
    count = 0
    if constants is None:
        for node in nodes:
            if key in node:
                count += 1
                value = node[key]
                if treatment.drops:
                    del node[key]
                elif value.__class__ in _CONTAINERS and not treatment.nullifies:
                    return None
                else:
                    node[key] = _treated(value, treatment)
        return count
    try:
        for node in nodes:
            if key in node:
                node[key] = constants[node[key].__class__]
                count += 1
    except KeyError:
        return None
    return count


def _in_text(body: bytes, field: _Field, escapes: bool, spaced: bool) -> tuple[bytes, int] | None:
    """Replace the value after every occurrence of a key; None where one is not a scalar."""
    occurrences = body.count(field.needle)
    if not occurrences:
        return body, 0
    start = field.starts[spaced]
    if field.constants is not None and not escapes:
        pieces = body.split(start.read)
        if len(pieces) > occurrences:
            pieces[1:] = [piece.partition(b'"')[2] for piece in pieces[1:]]
            return start.redacted.join(pieces), occurrences
    # Behind a backslash stands no key, but the end of a text that is spelled like one.
    elif not field.treatment.replaces_whole and not (escapes and b"\\" + field.needle in body):
        texts = _texts_treated(body, start, occurrences, field, escapes)
        if texts is not None:
            return texts, occurrences
    return _values_replaced(body, field)


def _texts_treated(
    body: bytes, start: _Start, occurrences: int, field: _Field, escapes: bool
) -> bytes | None:
    """Replace the text after every occurrence of a key; None unless each stands before a text."""
    if field.constants is not None:
        written, count = start.text.subn(start.redacted, body)
        return written if count == occurrences else None
    pieces = body.split(start.read)
    if len(pieces) <= occurrences:
        return None
    treat = field.treatment.operator.text
    for number in range(1, len(pieces)):
        spelled, _, rest = pieces[number].partition(b'"')
        if escapes and b"\\" in spelled:
            return None
        value = spelled.decode()
        text = treat(value, FIELD)
        if text != value:
            pieces[number] = encode_basestring_ascii(text)[1:].encode() + rest
    return start.read.join(pieces)


def _values_replaced(body: bytes, field: _Field) -> tuple[bytes, int] | None:
    """Replace what stands after every occurrence of a key, whatever it is; None for a container."""
    pieces = body.split(field.needle)
    count = 0
    for number in range(1, len(pieces)):
        piece = pieces[number]
        found = _AFTER_KEY.match(piece)
        if found is None or pieces[number - 1].endswith(b"\\"):
            continue  # a text that is spelled like the key, or ends like it
        if found[2] is None:
            return None
        count += 1
        pieces[number] = found[1] + field.treatment.literal(found[2].decode()).encode() + piece[found.end() :]
    return field.needle.join(pieces), count


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
        return orjson.Fragment(encode_basestring_ascii(text))
    return orjson.Fragment(treatment.literal(orjson.dumps(value).decode()))


def _field(path: str, steps: tuple[FieldStep, ...], treatment: Treatment) -> _Field | None:
    *parents, key = steps
    if not isinstance(key, str) or treatment.keeps or "/" in key:
        return None
    if json.dumps(key, ensure_ascii=False)[1:-1] != key:
        return None
    if parents == [Wildcard.ANY_DEPTH]:
        return None if treatment.drops else _Field.of(path, None, key, treatment)
    return None if Wildcard.ANY_DEPTH in parents else _Field.of(path, tuple(parents), key, treatment)


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
