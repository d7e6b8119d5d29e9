"""MessagePack and CBOR, masked by way of the JSON that they stand for.

What JSON has no word for (bytes, extensions, tags, dates) takes part as a placeholder and comes out as it
went in, unless a field rule names its place. Bytes that are text are searched; other bytes cannot be.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from operator import is_
from typing import Any, Final

from policy_middleware.masking.bodies.rules import BodyRules
from policy_middleware.model.errors import MaskError, SettingsError

_MARK: Final = "\ue000"
_MAX_DEPTH: Final = 100
_ALWAYS_FINE: Final = 64 * 1024
"""Values and characters that a body may have, however few bytes it has itself."""
_LONGEST_NUMBER: Final = 14_000
"""Bits of a number, about the 4300 digits that Python spells out."""

Codec = tuple[Callable[[bytes], object], Callable[[object], bytes]]


def mask_msgpack(body: bytes, rules: BodyRules) -> bytes:
    """Return a MessagePack body masked; raises MaskError for what is none, and for values that hide."""
    return _masked(body, rules, *_msgpack())


def mask_cbor(body: bytes, rules: BodyRules) -> bytes:
    """Return a CBOR body masked; raises MaskError for what is none, and for values that hide."""
    return _masked(body, rules, *_cbor())


def _masked(
    body: bytes, rules: BodyRules, loads: Callable[[bytes], object], dumps: Callable[[object], bytes]
) -> bytes:
    try:
        document = loads(body)
    except (MaskError, SettingsError):
        raise
    except Exception:  # noqa: BLE001 -- whatever a decoder raises may carry pieces of the body along
        document = _Nothing
    if document is _Nothing:
        raise MaskError("the body is not what its Content-Type says")
    translation = _Translation(rules, len(body))
    text = json.dumps(translation.to_json(document), ensure_ascii=False)
    translation.mask_texts()
    masked = rules.json(text)
    if masked == text and not translation.changed:
        return body
    return dumps(translation.from_json(json.loads(masked)))


class _Nothing:
    """Stands for a body that could not be read."""


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
        self._of_bytes: dict[object, str] = {}
        self._occurring: Counter[str] = Counter()
        """How often the placeholder of bytes occurs."""
        self.changed = False

    def to_json(self, node: Any, depth: int = 0) -> object:
        """Return what `node` is in JSON."""
        kind = type(node)
        if kind is str:
            self._count(1 + len(node))
            return self._placeholder_of(node, str) if node.startswith(_MARK) else node
        self._count(1)
        if kind is list or kind is tuple:
            if not node:
                return node
            if depth >= _MAX_DEPTH:
                raise MaskError(f"the body is nested deeper than {_MAX_DEPTH} levels")
            items = [self.to_json(item, depth + 1) for item in node]
            # A million small lists, held twice, are what the garbage collector takes longest for.
            return node if all(map(is_, items, node)) else items
        if kind is dict:
            if depth >= _MAX_DEPTH:
                raise MaskError(f"the body is nested deeper than {_MAX_DEPTH} levels")
            members = {self._key(key): self.to_json(value, depth + 1) for key, value in node.items()}
            if len(members) != len(node):
                raise MaskError("the body has two keys that read the same")
            return members
        if kind is int and node.bit_length() > _LONGEST_NUMBER:
            raise MaskError("the body holds a number of too many digits to be searched")
        if kind is int or kind is bool or node is None or (kind is float and math.isfinite(node)):
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

    def from_json(self, node: object) -> object:
        """Return what a JSON value was, with what has been masked in it."""
        if isinstance(node, dict):
            return {self._kept_for(key): self.from_json(value) for key, value in node.items()}
        if isinstance(node, list):
            return [self.from_json(item) for item in node]
        return self._kept_for(node)

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
        if not isinstance(node, float):
            self._count_within(node)
            self._spellings.add(_spelled(node))
        return self._placeholder(node)

    def _count_within(self, node: object) -> None:
        waiting = list(_parts(node))
        while waiting:
            part = waiting.pop()
            self._count(1 + len(part) if isinstance(part, (str, bytes)) else 1)
            waiting += _parts(part)

    def _key(self, key: object) -> str:
        self._count(1 + len(key) if isinstance(key, (str, bytes)) else 1)
        if isinstance(key, str) and not key.startswith(_MARK):
            return key
        self._count_within(key)
        self._spellings.add(_spelled(key))
        return self._placeholder(key)

    def _placeholder_of_bytes(self, node: object, data: bytes) -> str:
        """Return the placeholder of bytes, or of the extension of MessagePack that they are the data of."""
        if not self._rules.has_texts or not data:
            return self._placeholder(node)
        try:
            text = data.decode()
        except UnicodeDecodeError:
            text = ""
        if not text:
            raise MaskError("the body holds bytes that are no text, which cannot be searched")
        code = getattr(node, "code", None)
        if code is None:
            return self._placeholder_of(text, str.encode)
        return self._placeholder_of(text, lambda masked: type(node)(code, masked.encode()))  # type: ignore[call-arg]

    def _placeholder_of(self, text: str, made_of: Callable[[str], object]) -> str:
        self._texts.append((len(self._kept), text, made_of))
        return self._placeholder(made_of(text))

    def _placeholder(self, value: object) -> str:
        self._kept.append(value)
        return f"{_MARK}{len(self._kept) - 1}"

    def _kept_for(self, node: object) -> object:
        if isinstance(node, str) and node.startswith(_MARK) and node[1:].isdecimal():
            return self._kept[int(node[1:])]
        return node


def _parts(node: object) -> Iterable[object]:
    """Return what is in a value that is no leaf of JSON: members of a set, what a tag stands before."""
    if isinstance(node, Mapping):
        return [*node.keys(), *node.values()]
    if isinstance(node, (list, tuple, set, frozenset)):
        return node
    value = getattr(node, "value", None)
    return () if value is None else (value,)


def _spelled(node: object) -> str:
    """Return what is searched in place of a value that is no text."""
    try:
        return str(node) if isinstance(node, str) else repr(node)
    except ValueError:
        pass
    raise MaskError("the body holds a number of too many digits to be searched")


def _msgpack() -> Codec:
    try:
        import msgpack  # type: ignore[import-untyped]  # it comes without types
    except ImportError:
        raise _missing("MessagePack", "msgpack") from None

    def loads(body: bytes) -> object:
        loaded: object = msgpack.unpackb(body, raw=False, strict_map_key=False, object_pairs_hook=_unique)
        return loaded

    def dumps(node: object) -> bytes:
        packed: bytes = msgpack.packb(node, use_bin_type=True)
        return packed

    return loads, dumps


def _cbor() -> Codec:
    try:
        import cbor2
    except ImportError:
        raise _missing("CBOR", "cbor2") from None

    def loads(body: bytes) -> object:
        loaded: object = cbor2.loads(body)
        return loaded

    def dumps(node: object) -> bytes:
        packed: bytes = cbor2.dumps(node)
        return packed

    return loads, dumps


def _unique(pairs: list[tuple[Any, Any]]) -> dict[Any, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise MaskError("the body names a member twice")
    return members


def _missing(what: str, package: str) -> MaskError:
    return MaskError(
        f"{what} is only masked where {package} is installed: pip install 'policy-middleware[codecs]'"
    )
