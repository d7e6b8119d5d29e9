"""MessagePack and CBOR, masked by way of the JSON that they stand for.

What JSON has no word for (bytes, extensions, tags, dates) takes part as a placeholder and comes out as it
went in, unless a field rule names its place. Bytes that are text are searched; other bytes cannot be. Fields
do not reach into a tag, so members in one are refused unless a field rule names the place of the tag.
"""

from __future__ import annotations

import datetime
import decimal
import fractions
import io
import ipaddress
import json
import math
import re
import uuid
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import chain
from typing import Any, Final

from policy_middleware.masking.bodies.rules import BodyRules
from policy_middleware.model.errors import MaskError, SettingsError

_MARK: Final = "\ue000"
_MAX_DEPTH: Final = 100
_ALWAYS_FINE: Final = 64 * 1024
"""Values and characters that a body may have, however few bytes it has itself."""
_LONGEST_NUMBER: Final = 14_000
"""Bits of a number, about the 4300 digits that Python spells out."""

_ORDINARY: Final = 1 << 64
_NO_TEXT: Final = "the body holds bytes that are no text, which cannot be searched"

_LEAVES: Final = (
    str,
    bytes,
    bool,
    int,
    float,
    complex,
    type(None),
    datetime.date,
    decimal.Decimal,
    fractions.Fraction,
    uuid.UUID,
    ipaddress.IPv4Address,
    ipaddress.IPv6Address,
    ipaddress.IPv4Network,
    ipaddress.IPv6Network,
)
_PLAIN_KINDS: Final = frozenset({"CBORSimpleValue", "UndefinedType", "Timestamp"})
"""Kinds of the two libraries whose spelling shows all that they hold."""

_NUMBERS: Final = frozenset({int, float})
_REFERENCE: Final = re.compile(rb"(?:\xd8|\xd9\x00|\xda\x00{3}|\xdb\x00{7})[\x19\x1d]")
"""How CBOR refers to an earlier text or value: the tags 25 and 29, in their four lengths."""

Codec = tuple[Callable[[bytes], tuple[object, bool]], Callable[[object], bytes]]
"""Decodes a body, and tells whether its members have texts for names and nothing is in it twice; encodes."""


def mask_msgpack(body: bytes, rules: BodyRules) -> bytes:
    """Return a MessagePack body masked; raises MaskError for what is none, and for values that hide."""
    return _masked(body, rules, *_msgpack())


def mask_cbor(body: bytes, rules: BodyRules) -> bytes:
    """Return a CBOR body masked; raises MaskError for what is none, and for values that hide."""
    return _masked(body, rules, *_cbor())


def _masked(
    body: bytes,
    rules: BodyRules,
    loads: Callable[[bytes], tuple[object, bool]],
    dumps: Callable[[object], bytes],
) -> bytes:
    try:
        document, regular = loads(body)
    except (MaskError, SettingsError):
        raise
    except Exception:  # noqa: BLE001 -- whatever a decoder raises may carry pieces of the body along
        document = _Nothing
    if document is _Nothing:
        raise MaskError("the body is not what its Content-Type says")
    text = _json_text(document) if regular else None
    if text is not None:
        masked = rules.json(text)
        return body if masked == text else dumps(json.loads(masked))
    translation = _Translation(rules, len(body))
    text = json.dumps(translation.to_json(document), ensure_ascii=False)
    translation.mask_texts()
    masked = rules.json(text)
    translation.check_reached(masked)
    if masked == text and not translation.changed:
        return body
    return dumps(translation.from_json(json.loads(masked)))


def _json_text(document: object) -> str | None:
    """Return the JSON text of a document that is nothing but JSON, as most are; None for others."""
    try:
        text = json.dumps(document, ensure_ascii=False, allow_nan=False, check_circular=False)
    except (TypeError, ValueError, RecursionError):
        return None
    return None if _MARK in text else text


class _Nothing:
    """Stands for a body that could not be read."""


class _Placeholder(str):
    """Stands in JSON for a value that it has no word for; no text of the body is one, however it looks."""


_JSON_KINDS: Final = frozenset({str, int, float, bool, type(None), list, dict, _Placeholder})


class _Translation:
    """Between the objects of a binary format and JSON."""

    def __init__(self, rules: BodyRules, size: int) -> None:
        """Prepare to translate what a body of `size` bytes holds."""
        self._rules = rules
        self._left = max(size, _ALWAYS_FINE)
        self._kept: list[object] = []
        self._texts: list[tuple[int, str, Callable[[str], object]]] = []
        """Texts among what is kept: where, and what is made of them once they are masked."""
        self._spellings: set[str] = set()
        self._unreached: list[str] = []
        """Placeholders of what holds members that no path leads to."""
        self._of_bytes: dict[object, str] = {}
        self._occurring: Counter[str] = Counter()
        """How often the placeholder of bytes occurs."""
        self.changed = False

    def to_json(self, document: object) -> object:
        """Return what a document is in JSON; its lists and maps are changed for that."""
        root = [document]
        for depth, (lists, maps) in enumerate(_levels(root)):
            if depth > _MAX_DEPTH:
                raise MaskError(f"the body is nested deeper than {_MAX_DEPTH} levels")
            self._count(sum(map(len, lists)) + sum(map(len, maps)))
            self._name_members(maps)
            if not self._are_plain(_values(lists, maps)):
                self._replace(lists, maps)
        return root[0]

    def _name_members(self, maps: Sequence[dict[Any, Any]]) -> None:
        """Have every member of these maps named by a text."""
        names = [*chain.from_iterable(maps)]
        if set(map(type, names)) <= {str, _Placeholder} and not self._has_marks(names):
            return
        for members in maps:
            named = [(name if _is_plain(name) else self._key(name), value) for name, value in members.items()]
            members.clear()
            members.update(named)

    def _are_plain(self, nodes: Sequence[Any]) -> bool:
        """True when nodes are in JSON what they are."""
        kinds = set(map(type, nodes))
        marked = str in kinds and self._has_marks([node for node in nodes if type(node) is str])
        if marked or not kinds <= _JSON_KINDS:
            return False
        return all(_is_plain(node) for node in nodes if type(node) in _NUMBERS) if kinds & _NUMBERS else True

    def _has_marks(self, texts: Sequence[str]) -> bool:
        """Count the characters of texts; True when one may look like a placeholder."""
        self._count(sum(map(len, texts)))
        return _MARK in "".join(texts)

    def _replace(self, lists: Iterable[list[Any]], maps: Iterable[dict[Any, Any]]) -> None:
        """Put placeholders into lists and maps where they hold what JSON has no word for."""
        for items in lists:
            for index, item in enumerate(items):
                if not _is_plain(item):
                    items[index] = self._plain(item)
        for members in maps:
            for name, value in members.items():
                if not _is_plain(value):
                    members[name] = self._plain(value)

    def _plain(self, node: Any) -> object:
        """Return what is in JSON in the place of a node that is not plain."""
        if isinstance(node, str):
            return self._placeholder_of(node, str)
        if isinstance(node, Mapping):
            return dict(node)
        if type(node) is tuple:
            return list(node)
        if isinstance(node, int):
            if node.bit_length() > _LONGEST_NUMBER:
                raise MaskError("the body holds a number of too many digits to be searched")
            return node
        return self._other(node)

    def mask_texts(self) -> None:
        """Mask the texts among what is kept; raises MaskError for values in what cannot be masked."""
        if not self._rules.has_texts:
            return
        if any(spelled != text for text, spelled in self._rules.shown(self._spellings).items()):
            raise MaskError("the body holds a value in a form that cannot be masked")
        occurring: Counter[str] = Counter()
        for number, text, _ in self._texts:
            occurring[text] += self._occurring[f"{_MARK}{number}"] or 1
        masked = self._rules.masked_of(occurring)
        for number, text, made_of in self._texts:
            if masked.get(text, text) != text:
                self._kept[number] = made_of(masked[text])
                self.changed = True

    def check_reached(self, masked: str) -> None:
        """Raise MaskError when members that no field leads to are left in the masked JSON text."""
        if self._rules.has_fields and any(f'"{placeholder}"' in masked for placeholder in self._unreached):
            raise MaskError(
                "the body holds members where no field reaches: in a tag, a set or a key, or named by bytes"
            )

    def from_json(self, document: object) -> object:
        """Return what a JSON document was, with what has been masked in it; it is changed for that."""
        root = [document]
        for lists, maps in _levels(root) if self._kept else ():
            for items in lists:
                items[:] = map(self._kept_for, items)
            for members in maps:
                held = [(self._kept_for(name), self._kept_for(value)) for name, value in members.items()]
                members.clear()
                members.update(held)
        return root[0]

    def _count(self, size: int) -> None:
        """Raise MaskError for what has more in it than the body has bytes: references to one part of it.

        A hundred of them can stand for 2^100 values.
        """
        self._left -= size
        if self._left < 0:
            raise MaskError("the body refers to its own parts, and is longer than it may be without")

    def _other(self, node: object) -> str:
        """Return the placeholder of what JSON has no word for."""
        data = node if isinstance(node, bytes) else getattr(node, "data", None)
        if isinstance(data, bytes):
            self._count(len(data))
            known = self._of_bytes.get(node)
            if known is None:
                known = self._of_bytes[node] = self._placeholder_of_bytes(node, data)
            self._occurring[known] += 1
            return known
        return self._placeholder(node) if isinstance(node, float) else self._closed(node)

    def _closed(self, node: object) -> str:
        """Return the placeholder of what can be searched and not be changed."""
        waiting, holds_members = [node], False
        while waiting:
            part = waiting.pop()
            self._count(1 + len(part) if isinstance(part, (str, bytes)) else 1)
            if isinstance(part, (list, tuple, set, frozenset)):
                holds_members = True
                waiting += part
            elif type(part).__name__ == "CBORTag":
                waiting.append(part.value)  # type: ignore[attr-defined]  # what the tag stands before
            elif isinstance(part, _LEAVES) or not isinstance(part, Mapping):
                if self._rules.has_texts:
                    self._spellings.add(_spelled(part))
            else:
                holds_members = True
                waiting += [*part.keys(), *part.values()]
                if self._rules.has_texts:  # a name may announce what would not be recognised without it
                    self._spellings.update(
                        f"{_spelled(name)}: {_spelled(value)}"
                        for name, value in part.items()
                        if isinstance(name, _LEAVES) and isinstance(value, _LEAVES)
                    )
        placeholder = self._placeholder(node)
        if holds_members:
            self._unreached.append(placeholder)
        return placeholder

    def _key(self, key: object) -> str:
        placeholder = self._closed(key)
        if isinstance(key, bytes):
            self._unreached.append(placeholder)
        return placeholder

    def _placeholder_of_bytes(self, node: object, data: bytes) -> str:
        """Return the placeholder of bytes, or of the extension of MessagePack that they are the data of."""
        if not self._rules.has_texts or not data:
            return self._placeholder(node)
        try:
            text = data.decode()
        except UnicodeDecodeError:
            text = ""
        if not text:
            raise MaskError(_NO_TEXT)
        code = getattr(node, "code", None)
        if code is None:
            return self._placeholder_of(text, str.encode)
        return self._placeholder_of(text, lambda masked: type(node)(code, masked.encode()))  # type: ignore[call-arg]

    def _placeholder_of(self, text: str, made_of: Callable[[str], object]) -> str:
        self._texts.append((len(self._kept), text, made_of))
        return self._placeholder(made_of(text))

    def _placeholder(self, value: object) -> str:
        self._kept.append(value)
        return _Placeholder(f"{_MARK}{len(self._kept) - 1}")

    def _kept_for(self, node: object) -> object:
        if isinstance(node, str) and node.startswith(_MARK) and node[1:].isdecimal():
            return self._kept[int(node[1:])]
        return node


def _levels(root: list[Any]) -> Iterator[tuple[list[list[Any]], list[dict[Any, Any]]]]:
    """Yield the lists and maps of each level, outermost first; to be changed before the next is asked for.

    A million small lists take seconds where each is a call, or a copy.
    """
    lists: list[list[Any]] = [root]
    maps: list[dict[Any, Any]] = []
    while lists or maps:
        yield lists, maps
        nodes = _values(lists, maps)
        lists = [node for node in nodes if type(node) is list and node]
        maps = [node for node in nodes if type(node) is dict and node]


def _values(lists: Iterable[list[Any]], maps: Iterable[dict[Any, Any]]) -> list[Any]:
    return [*chain.from_iterable(lists), *chain.from_iterable(map(dict.values, maps))]


def _is_plain(node: Any) -> bool:
    """True when a node is in JSON what it is."""
    kind = type(node)
    if kind is str:
        return not str.startswith(node, _MARK)
    if kind is int:
        ordinary: bool = -_ORDINARY < node < _ORDINARY
        return ordinary
    if kind is float:
        return math.isfinite(node)
    return kind in _JSON_KINDS


def _spelled(node: object) -> str:
    """Return what is searched in place of a value that is no text; raises MaskError for what hides."""
    if isinstance(node, str):
        return node
    if isinstance(node, bytes):
        try:
            return node.decode()
        except UnicodeDecodeError:
            pass
        raise MaskError(_NO_TEXT)
    if not isinstance(node, _LEAVES) and type(node).__name__ not in _PLAIN_KINDS:
        raise MaskError(f"the body holds a value of the kind {type(node).__name__}, which cannot be searched")
    try:
        return str(node)
    except ValueError:
        pass
    raise MaskError("the body holds a number of too many digits to be searched")


def _msgpack() -> Codec:
    try:
        import msgpack  # type: ignore[import-untyped]  # it comes without types
    except ImportError:
        raise _missing("MessagePack", "msgpack") from None

    def loads(body: bytes) -> tuple[object, bool]:
        regular = True

        def named(pairs: list[tuple[Any, Any]]) -> dict[Any, Any]:
            nonlocal regular
            members = dict(pairs)
            if len(members) != len(pairs):
                raise MaskError("the body names a member twice")
            regular = regular and set(map(type, members)) <= {str}
            return members

        def extension(code: int, data: bytes) -> object:
            nonlocal regular
            regular = False  # it would pass for an array
            return msgpack.ExtType(code, data)

        loaded: object = msgpack.unpackb(
            body, raw=False, strict_map_key=False, object_pairs_hook=named, ext_hook=extension
        )
        return loaded, regular

    def dumps(node: object) -> bytes:
        packed: bytes = msgpack.packb(node, use_bin_type=True)
        return packed

    return loads, dumps


def _cbor() -> Codec:
    try:
        import cbor2
    except ImportError:
        raise _missing("CBOR", "cbor2") from None

    def loads(body: bytes) -> tuple[object, bool]:
        regular = _REFERENCE.search(body) is None

        def named(members: Mapping[Any, Any], _: bool) -> Mapping[Any, Any]:
            nonlocal regular
            regular = regular and set(map(type, members)) <= {str}
            return members

        # What a decoder drops would leave unseen with a body in which nothing is found.
        stream = io.BytesIO(body)
        decoder = cbor2.CBORDecoder(stream, object_hook=named, allow_duplicate_keys=False)
        document: object = decoder.decode()
        if stream.tell() != len(body):
            raise MaskError("the body goes on after the value that it holds")
        return document, regular

    def dumps(node: object) -> bytes:
        packed: bytes = cbor2.dumps(node)
        return packed

    return loads, dumps


def _missing(what: str, package: str) -> MaskError:
    return MaskError(
        f"{what} is only masked where {package} is installed: pip install 'policy-middleware[codecs]'"
    )
