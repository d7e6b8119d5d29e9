"""Tell JSON under another name: it has fields that a mask may name, and escapes that hide values."""

from __future__ import annotations

import re
from typing import Final

from policy_middleware.model.errors import MaskError

# An object, or an array of what may hold one: `[link]` of Markdown and `{name}` of a template are neither.
_STRUCTURE: Final = r"(?:\{\s*+[\"'}]|\[\s*+[\[{\"'])"
_BEGINS: Final = re.compile(rf"[\s\ufeff\0]*+{_STRUCTURE}")
_UNDECIDED: Final = re.compile(r"[\s\ufeff\0]*+[{\[]?\s*+")
_HOLDS: Final = re.compile(_STRUCTURE)


def begins_like_json(text: str) -> bool:
    """Return whether a reader of JSON, however lenient, may take `text` for an object or array."""
    return _BEGINS.match(text) is not None


def begins_like_strict_json(text: str) -> bool:
    """Return whether a strict reader of JSON may take `text` for an object or array."""
    beginning = _BEGINS.match(text)
    return beginning is not None and not beginning[0].endswith("'")


def may_begin_like_json(text: str) -> bool:
    """Return whether `text`, which goes on, is too short to tell."""
    return _UNDECIDED.fullmatch(text) is not None


def check_no_json(text: str) -> None:
    """Raise MaskError for what begins like JSON: no field of it would be looked up under the name of text."""
    if begins_like_json(text):
        raise MaskError("the mask names fields, and a body that begins like JSON is declared as text")


def holds_json(text: str) -> bool:
    """Return whether `text` has such an object or array in it, wherever that begins."""
    return _HOLDS.search(text) is not None
