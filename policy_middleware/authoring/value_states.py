"""What an attribute may hold, as few examples as tell the comparisons of a policy apart.

Every comparison looks at one attribute, and values that all comparisons answer alike are interchangeable. So
the values named by the operands, one between each two neighbours, and one of each other kind stand for all
values there are; the production operators themselves are asked about each, so nothing here can disagree with
what decides requests. Where an example cannot stand for its neighbours (regular expressions, networks among
other texts) the answer is UNKNOWN, and whoever asks takes it for whatever suits a claim least.
"""

from __future__ import annotations

import enum
import math
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address
from itertools import combinations, islice, pairwise
from typing import Final

from policy_middleware.evaluation.operators import (
    OPERATORS,
    address_position,
    network_span,
    same,
)
from policy_middleware.model.conditions import Leaf, Operator, Reference, Scalar
from policy_middleware.model.vocabulary import HOUR, TIME, WEEKDAY

SINGLE_VALUED: Final = frozenset(
    {
        *("tenant", "action", "subject.id", "subject.type", "resource.type", "resource.id"),
        *("environment.ip", "http.method", "http.path", "http.route", "http.host", TIME, HOUR, WEEKDAY),
    }
)
"""Attributes of which every request that an adapter describes has one value at most."""
PRESENT: Final = frozenset(
    {"tenant", "action", "subject.roles", "subject.type", "resource.tags", TIME, HOUR, WEEKDAY}
)
"""Attributes that no request context lacks."""
TEXTUAL: Final = frozenset({"tenant", "action"})
"""Attributes that are text in every request context."""

MOST_STATES: Final = 5_000
"""What is looked at for one attribute; more than that and nothing is claimed."""

_IPV6_BASE: Final = 1 << 32
_LAST_ADDRESS: Final = _IPV6_BASE + (1 << 128) - 1
_EQUALITIES: Final = frozenset(
    {Operator.EQ, Operator.NE, Operator.IN, Operator.NOT_IN, Operator.CONTAINS_ALL, Operator.EXISTS}
)


@dataclass(frozen=True, slots=True)
class Asked:
    """A comparison as something to be compared itself: to Python, True is 1; to a policy it is not."""

    leaf: Leaf
    flags: tuple[bool, ...]


def asked(leaf: Leaf) -> Asked:
    """Return a comparison as something to be compared."""
    operands = leaf.operand if isinstance(leaf.operand, tuple) else (leaf.operand,)
    return Asked(leaf, tuple(isinstance(one, bool) for one in operands))


class Unknown(enum.Enum):
    """The type of `UNKNOWN`."""

    UNKNOWN = "unknown"


UNKNOWN: Final = Unknown.UNKNOWN
Verdict = bool | None | Unknown


@dataclass(frozen=True, slots=True)
class Example:
    """One value; `exact` unless a pattern could tell it from the values it stands for."""

    value: Scalar
    exact: bool


State = tuple[Example, ...] | None
"""What an attribute holds; None: it is missing."""


def verdict(leaf: Leaf, state: State) -> Verdict:
    """Return what a comparison with a literal answers about a state."""
    if state is None:
        return OPERATORS[leaf.operator](None, leaf.operand)
    if leaf.operator in (Operator.MATCHES, Operator.CIDR) and not all(one.exact for one in state):
        return UNKNOWN
    return OPERATORS[leaf.operator](tuple(one.value for one in state), leaf.operand)


@lru_cache(maxsize=4096)
def states(attribute: str, leaves: frozenset[Asked], witnesses: int) -> tuple[State, ...] | None:
    """Return states that stand for all of an attribute's, as far as `leaves` can tell; None: too many.

    `witnesses` is how many values at most it takes to show what is asked: sets of more are not looked at.
    """
    plain = [one.leaf for one in leaves]
    examples = _distinct(_examples(attribute, plain), plain)
    largest = 1 if attribute in SINGLE_VALUED else min(witnesses, len(examples))
    smallest = 1 if attribute in SINGLE_VALUED else 0
    sets = (chosen for size in range(smallest, largest + 1) for chosen in combinations(examples, size))
    found: list[State] = [] if attribute in PRESENT else [None]
    found.extend(islice(sets, MOST_STATES + 1))
    return None if len(found) > MOST_STATES else tuple(found)


def _examples(attribute: str, leaves: Sequence[Leaf]) -> Iterator[Example]:
    if attribute == HOUR:
        yield from (Example(hour, True) for hour in range(24))
        return
    if attribute == WEEKDAY:
        yield from (Example(day, True) for day in range(1, 8))
        return
    operands = [operand for leaf in leaves for operand in _scalars(leaf)]
    texts = [one for one in operands if isinstance(one, str)]
    if attribute != TIME:
        yield from (Example(text, True) for text in texts)
        if {leaf.operator for leaf in leaves} <= _EQUALITIES | {Operator.CIDR}:
            yield from _addresses(leaves, frozenset(texts))
            yield Example(_fresh_text(texts), True)
        else:
            yield from (Example(text, False) for text in _texts_between(leaves, texts))
    if attribute not in TEXTUAL:
        yield from _numbers(one for one in operands if not isinstance(one, (str, bool)))
    if attribute not in TEXTUAL and attribute != TIME:
        yield from (Example(flag, True) for flag in (False, True))


def _scalars(leaf: Leaf) -> tuple[Scalar, ...]:
    if isinstance(leaf.operand, Reference) or leaf.operator in (
        Operator.EXISTS,
        Operator.CIDR,
        Operator.MATCHES,
    ):
        return ()
    return leaf.operand if isinstance(leaf.operand, tuple) else (leaf.operand,)


def _numbers(operands: Iterable[int | float]) -> Iterator[Example]:
    points = sorted(set(operands))
    yield from (Example(one, True) for one in (-math.inf, *points, math.inf))
    for low, high in pairwise(points):
        yield from (Example(one, True) for one in _between(low, high))
    if not points:
        yield Example(0, True)


def _between(low: int | float, high: int | float) -> Iterator[int | float]:
    """Yield a number strictly between two, unless the two are neighbours."""
    whole = isinstance(low, int) and isinstance(high, int)
    candidates = (
        (low + high) // 2 if whole else low / 2 + high / 2,
        low + 0.5,
        math.nextafter(low, math.inf),
    )
    yield from islice((one for one in candidates if low < one < high), 1)


def _texts_between(leaves: Sequence[Leaf], operands: Sequence[str]) -> Iterator[str]:
    """Yield every cut of the ordered line of texts, and a text right behind each: prefixes are intervals."""
    cuts = {"", *operands}
    for leaf in leaves:
        if leaf.operator is Operator.PREFIX and isinstance(leaf.operand, str):
            head = leaf.operand.rstrip(chr(sys.maxunicode))
            if head:
                cuts.add(head[:-1] + chr(ord(head[-1]) + 1))
    ordered = sorted(cuts)
    known = set(operands)
    for cut, following in zip(ordered, [*ordered[1:], None], strict=True):
        if cut not in known:
            yield cut
        if following != cut + "\0":
            yield cut + "\0"


def _fresh_text(taken: Sequence[str]) -> str:
    """Return a text that is neither among those taken nor an address."""
    return max((text for text in taken), key=len, default="") + "\0"


def _addresses(leaves: Sequence[Leaf], taken: frozenset[str]) -> Iterator[Example]:
    """Yield an address in every stretch that the ends of networks cut out of all addresses."""
    spans = [
        network_span(leaf.operand)
        for leaf in leaves
        if isinstance(leaf.operand, str) and leaf.operator is Operator.CIDR
    ]
    if not spans:
        return
    positions = {0, _LAST_ADDRESS}
    for span in spans:
        if span is not None:
            positions |= {span[0] - 1, span[0], span[1], span[1] + 1}
    for position in sorted(positions):
        if 0 <= position <= _LAST_ADDRESS:
            yield Example(_spelt(position, taken), True)


def _spelt(position: int, taken: frozenset[str]) -> str:
    """Return an address as text that no equality names."""
    if position < _IPV6_BASE:
        plain = str(IPv4Address(position))
        spellings = (plain, f"::ffff:{plain}", IPv6Address(f"::ffff:{plain}").exploded)
    else:
        address = IPv6Address(position - _IPV6_BASE)
        spellings = (str(address), address.exploded, address.exploded.upper())
    return next(
        (text for text in spellings if text not in taken and address_position(text) == position), spellings[0]
    )


def _distinct(examples: Iterable[Example], leaves: Sequence[Leaf]) -> tuple[Example, ...]:
    """Return one example of each kind that the comparisons tell apart."""
    kinds: dict[tuple[object, ...], Example] = {}
    for example in examples:
        kinds.setdefault(tuple(_answer(leaf, example) for leaf in leaves), example)
    return tuple(kinds.values())


def _answer(leaf: Leaf, example: Example) -> object:
    """Return what decides a leaf's verdict on any set with this value in it."""
    if leaf.operator is Operator.CONTAINS_ALL and isinstance(leaf.operand, tuple):
        return tuple(same(example.value, operand) for operand in leaf.operand)
    return verdict(leaf, (example,))
