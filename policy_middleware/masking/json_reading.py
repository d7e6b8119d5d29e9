"""How the containers of a JSON text are read in few steps: patterns that step over all that stays as it is.

One match for many members is several times as fast as one for each. The patterns are strict (RFC 8259), and
their quantifiers possessive, so that no input makes them backtrack.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from policy_middleware.masking.selection import Branches, Place

SPACE: Final = r"[ \t\n\r]*+"
_PLAIN: Final = r'[^"\\\x00-\x1f]*+'
_STRING: Final = rf'"{_PLAIN}(?:\\(?:["\\/bfnrt]|u[0-9a-fA-F]{{4}}){_PLAIN})*+"'
_NUMBER: Final = r"-?(?:0|[1-9][0-9]*+)(?:\.[0-9]++)?+(?:[eE][+-]?[0-9]++)?+"
_SCALAR: Final = rf"{_STRING}|{_NUMBER}|true|false|null"

# A comma is read only where an item follows, so what closes a container never comes right after one.
_NEXT_MEMBER: Final = rf',(?={SPACE}")'
_NEXT_ELEMENT: Final = rf",(?!{SPACE}\])"
AFTER_MEMBER: Final = re.compile(rf"{SPACE}(?:{_NEXT_MEMBER}|\}})")
AFTER_ELEMENT: Final = re.compile(rf"{SPACE}(?:{_NEXT_ELEMENT}|\])")

_MOST_ALIKE: Final = 8
"""Places looked at to tell that all below some place are alike; paths can name exponentially many."""


@dataclass(frozen=True, slots=True)
class Reading:
    """How the items of a kind of container are read at some place.

    Both patterns step over the items they can, and capture (1) the end of the container, or of the item
    after these (2) the key, which an array has not, (3) a scalar and (4) the delimiter after it; the last two
    are missing before a container (or before what is no JSON).
    """

    pattern: re.Pattern[str]
    """Steps over scalars, and containers of nothing else, that stay as they are."""
    plain: re.Pattern[str]
    """Steps over nothing."""
    leaves: Place | None
    """Stands for every place below, when they are all treated alike."""
    nests: bool
    """True when the same holds in an array in this one, however deep."""

    @classmethod
    def of_members(cls, place: Place) -> Reading:
        """Return how objects are read."""
        branches = place.members
        spared = None if branches.drops else _spared(branches.other)
        pattern = _PLAIN_OBJECT if spared is None else _object_pattern(_other_key(branches), spared)
        return cls(pattern, _PLAIN_OBJECT, _leaves(branches), nests=False)

    @classmethod
    def of_elements(cls, place: Place) -> Reading:
        """Return how arrays are read."""
        branches = place.elements
        spared = None if branches.drops or branches.names else _spared(branches.other)
        pattern = _PLAIN_ARRAY if spared is None else _array_pattern(spared)
        nests = branches.other is place and not branches.names
        return cls(pattern, _PLAIN_ARRAY, _leaves(branches), nests)


def _object(key: str, value: str) -> str:
    return rf"\{{{_members(key, value)}{SPACE}\}}"


def _members(key: str, value: str) -> str:
    return rf"(?:{SPACE}{key}{SPACE}:{SPACE}(?:{value}){SPACE}(?:{_NEXT_MEMBER}|(?=\}})))*+"


def _array(value: str) -> str:
    return rf"\[{_elements(value)}{SPACE}\]"


def _elements(value: str) -> str:
    return rf"(?:{SPACE}(?:{value}){SPACE}(?:{_NEXT_ELEMENT}|(?=\])))*+"


@lru_cache(maxsize=4096)
def _object_pattern(key: str, value: str) -> re.Pattern[str]:
    return re.compile(_members(key, value) + _MEMBER)


@lru_cache(maxsize=4096)
def _array_pattern(value: str) -> re.Pattern[str]:
    return re.compile(_elements(value) + _ELEMENT)


_MEMBER: Final = rf"{SPACE}(?:(\}})|({_STRING}){SPACE}:{SPACE}(?:({_SCALAR}){SPACE}({_NEXT_MEMBER}|\}}))?+)"
_ELEMENT: Final = rf"{SPACE}(?:(\])|((?!))?+(?:({_SCALAR}){SPACE}({_NEXT_ELEMENT}|\]))?+)"
_PLAIN_OBJECT: Final = re.compile(_MEMBER)
_PLAIN_ARRAY: Final = re.compile(_ELEMENT)

_FLAT: Final = rf"{_SCALAR}|{_object(_STRING, _SCALAR)}|{_array(_SCALAR)}"
"""Scalars and containers of nothing else; every further level would double the pattern."""


def _spared(place: Place | None) -> str | None:
    """Return the pattern of values that stay as they are at `place`, None when there are none such."""
    if place is None:
        return _FLAT
    if place.treatment is not None:
        return None
    members, elements = place.members, place.elements
    values = [_SCALAR, rf"\{{{SPACE}\}}", rf"\[{SPACE}\]"]
    if members.spares_scalars and not members.names:  # an object at a place with names is likely to have them
        values.append(_object(_STRING, _SCALAR))
    if elements.spares_scalars and not elements.names:
        values.append(_array(_SCALAR))
    return "|".join(values)


def _other_key(branches: Branches) -> str:
    """Return the pattern of keys that lead where all others lead; one with an escape may spell any name."""
    if not branches.names:
        return _STRING
    names = "|".join(re.escape(str(name)) for name in sorted(branches.names, key=str))
    return rf'(?!"(?:{names})")"{_PLAIN}"'


def _leaves(branches: Branches) -> Place | None:
    """Return a place that all below `branches` are like, None when there is none or it takes long to tell."""
    place = branches.other
    if place is None or place.treatment is None or place.treatment.keeps or place.treatment.replaces_whole:
        return None
    seen: set[Place] = set()
    waiting = list(_children(branches))
    while waiting:
        child = waiting.pop()
        if child in seen:
            continue
        if child is None or len(seen) == _MOST_ALIKE:
            return None
        if child.treatment is not place.treatment or child.asked != place.asked:
            return None
        seen.add(child)
        waiting += (*_children(child.members), *_children(child.elements))
    return place


def _children(branches: Branches) -> Iterable[Place | None]:
    return (branches.other, *branches.named.values())
