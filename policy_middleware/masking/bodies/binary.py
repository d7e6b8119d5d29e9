"""MessagePack and CBOR, masked by way of the JSON that they stand for.

What JSON has no word for (bytes, extensions, tags, dates) takes part as a placeholder and comes out as it
went in, unless a field rule names its place. Bytes that are text are searched; other bytes cannot be.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from typing import Any, Final

from policy_middleware.masking.bodies.rules import BodyRules
from policy_middleware.model.errors import MaskError, SettingsError

_MARK: Final = "\ue000"
_MAX_DEPTH: Final = 100

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
    translation = _Translation(rules)
    text = json.dumps(translation.to_json(document), ensure_ascii=False)
    masked = rules.json(text)
    if masked == text and not translation.changed:
        return body
    return dumps(translation.from_json(json.loads(masked)))


class _Nothing:
    """Stands for a body that could not be read."""


class _Translation:
    """Between the objects of a binary format and JSON."""

    def __init__(self, rules: BodyRules) -> None:
        self._rules = rules
        self._kept: list[object] = []
        self.changed = False

    def to_json(self, node: object, depth: int = 0) -> object:
        """Return what `node` is in JSON."""
        if depth > _MAX_DEPTH:
            raise MaskError(f"the body is nested deeper than {_MAX_DEPTH} levels")
        if isinstance(node, dict):
            members = {self._key(key): self.to_json(value, depth + 1) for key, value in node.items()}
            if len(members) != len(node):
                raise MaskError("the body has two keys that read the same")
            return members
        if isinstance(node, (list, tuple)):
            return [self.to_json(item, depth + 1) for item in node]
        if isinstance(node, str):
            return self._placeholder(self._text(node)) if node.startswith(_MARK) else node
        if node is None or isinstance(node, (bool, int)) or (isinstance(node, float) and math.isfinite(node)):
            return node
        if isinstance(node, (bytes, bytearray)):
            return self._placeholder(self._of_bytes(bytes(node)))
        if not isinstance(node, float) and self._rules.is_masked(repr(node)):
            raise MaskError("the body holds a value in a form that cannot be masked")
        return self._placeholder(node)

    def from_json(self, node: object) -> object:
        """Return what a JSON value was, with what has been masked in it."""
        if isinstance(node, dict):
            return {self._key_of(key): self.from_json(value) for key, value in node.items()}
        if isinstance(node, list):
            return [self.from_json(item) for item in node]
        return self._kept_for(node)

    def _of_bytes(self, value: bytes) -> bytes:
        if not self._rules.has_texts or not value:
            return value
        try:
            text = value.decode()
        except UnicodeDecodeError:
            text = ""
        if not text:
            raise MaskError("the body holds bytes that are no text, which cannot be searched")
        return self._text(text).encode()

    def _text(self, text: str) -> str:
        masked = self._rules.text_or_pass(text)
        self.changed = self.changed or masked != text
        return masked

    def _key(self, key: object) -> str:
        if isinstance(key, str) and not key.startswith(_MARK):
            return key
        if self._rules.is_masked(str(key)):
            raise MaskError("the body has a key, other than text, that cannot be masked")
        return self._placeholder(key)

    def _placeholder(self, value: object) -> str:
        self._kept.append(value)
        return f"{_MARK}{len(self._kept) - 1}"

    def _kept_for(self, node: object) -> object:
        if isinstance(node, str) and node.startswith(_MARK) and node[1:].isdecimal():
            return self._kept[int(node[1:])]
        return node

    def _key_of(self, key: str) -> object:
        return self._kept_for(key)


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
