"""What every comparison answers: true, false, or None where it cannot be evaluated (indeterminate).

An attribute is a set of values: a tuple, or None when it is missing. Types are strict: `"1"` is not `1`,
`true` is not `1`, `1` is `1.0`. The two tables at the end are the whole vocabulary.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache, partial
from ipaddress import IPv6Address, ip_address, ip_network
from typing import Final

from pydantic_core import SchemaError, SchemaValidator, core_schema

from policy_middleware.model.conditions import Operator, Scalar

Values = tuple[Scalar, ...]
Comparison = Callable[..., bool | None]
"""`(values, operand) -> bool | None`; the operand's type follows from the operator (see `Leaf`)."""

_IPV6_BASE: Final = 1 << 32


def same(left: Scalar, right: Scalar) -> bool:
    """True when two values are equal and both or neither of them is a boolean."""
    return left == right and isinstance(left, bool) is isinstance(right, bool)


def comparable(left: Scalar, right: Scalar) -> bool:
    """True for two texts and for two numbers; a boolean is not a number and NaN has no place among them."""
    if isinstance(left, str) or isinstance(right, str):
        return isinstance(left, str) and isinstance(right, str)
    return left == left and right == right and not isinstance(left, bool) and not isinstance(right, bool)


def unanimous(verdicts: Iterable[bool | None]) -> bool | None:
    """Return what all verdicts say, or None when they differ, cannot say, or there is none."""
    distinct = set(verdicts)
    return distinct.pop() if len(distinct) == 1 else None


def equals(values: Values | None, operand: Scalar) -> bool:
    """Some value is the operand; a missing attribute has none."""
    return values is not None and any(same(value, operand) for value in values)


def is_in(values: Values | None, operand: Values) -> bool:
    """Some value is listed."""
    return values is not None and any(same(value, item) for value in values for item in operand)


def not_equals(values: Values | None, operand: Scalar) -> bool | None:
    """No value is the operand; unknowable for a missing attribute."""
    return None if values is None else not equals(values, operand)


def not_in(values: Values | None, operand: Values) -> bool | None:
    """No value is listed; unknowable for a missing attribute."""
    return None if values is None else not is_in(values, operand)


def contains_all(values: Values | None, operand: Values) -> bool:
    """Every operand is among the values."""
    return values is not None and all(equals(values, item) for item in operand)


def exists(values: Values | None, operand: bool) -> bool:
    """The attribute is present (even if empty) exactly when the operand says so."""
    return (values is not None) is operand


def ordered(compare: Callable[[Scalar, Scalar], bool], values: Values | None, operand: Scalar) -> bool | None:
    """Every value stands in the relation to the operand."""
    return unanimous(
        compare(value, operand) if comparable(value, operand) else None for value in values or ()
    )


def in_range(values: Values | None, operand: Values) -> bool | None:
    """Every value lies between low and high, both included."""
    low, high = operand
    return unanimous(
        low <= value <= high if comparable(low, value) and comparable(value, high) else None  # type: ignore[operator]
        for value in values or ()
    )


def has_prefix(values: Values | None, operand: str) -> bool | None:
    """Every value is text that begins with the operand."""
    return unanimous(value.startswith(operand) if isinstance(value, str) else None for value in values or ())


def matches(values: Values | None, operand: str) -> bool | None:
    """The regular expression is found in every value."""
    return unanimous(map(pattern(operand), values or ()))


def in_network(values: Values | None, operand: str) -> bool | None:
    """Every value is an IP address within the network."""
    span = network_span(operand)
    positions = map(address_position, values or ())
    return unanimous(
        None if span is None or position is None else span[0] <= position <= span[1] for position in positions
    )


@lru_cache(maxsize=8192)
def pattern(text: str) -> Callable[[Scalar], bool | None]:
    """Return the search for a regular expression, compiled once; an invalid one answers None to everything.

    The engine is the `regex` crate inside pydantic-core: linear in the length of the value whatever the
    pattern, so that no value can stall a decision.
    """
    try:
        validator = SchemaValidator(
            core_schema.str_schema(pattern=text, regex_engine="rust-regex", strict=True)
        )
    except SchemaError:
        return _unknowable
    return partial(_search, validator.isinstance_python)


def _search(found: Callable[[object], bool], value: Scalar) -> bool | None:
    if not isinstance(value, str):
        return None
    if found(value):
        return True
    # Text with lone surrogates never reaches the engine, which reports it like a value that does not match.
    return False if value.isascii() or _is_unicode(value) else None


def _is_unicode(value: str) -> bool:
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def _unknowable(_: Scalar) -> None:
    return None


def address_position(value: Scalar) -> int | None:
    """Return where an IP address stands on one line that holds all of IPv4, then all of IPv6.

    An IPv4 address written as IPv6 (`::ffff:10.0.0.1`) is the IPv4 address it stands for: a dual-stack
    listener reports peers that way, and a rule about 10.0.0.0/8 has to see them.
    """
    if not isinstance(value, str):
        return None
    try:
        address = ip_address(value)
    except ValueError:
        return None
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped is None:
            return _IPV6_BASE + int(address)
        address = address.ipv4_mapped
    return int(address)


@lru_cache(maxsize=8192)
def network_span(text: str) -> tuple[int, int] | None:
    """Return the first and last `address_position` of a network (`10.0.0.0/8`), or None if it is none."""
    try:
        network = ip_network(text, strict=False)
    except ValueError:
        return None
    first, last = network[0], network[-1]
    if isinstance(first, IPv6Address) and network.prefixlen < 96:
        return _IPV6_BASE + int(first), _IPV6_BASE + int(last)
    low, high = address_position(str(first)), address_position(str(last))
    return None if low is None or high is None else (low, high)


def equals_reference(values: Values | None, others: Values | None) -> bool:
    """Some value of one attribute is some value of the other."""
    return others is not None and is_in(values, others)


def differs_from_reference(values: Values | None, others: Values | None) -> bool | None:
    """No value of one attribute is a value of the other; unknowable when either is missing."""
    return None if others is None else not_in(values, others)


def ordered_by_reference(
    compare: Callable[[Scalar, Scalar], bool], values: Values | None, others: Values | None
) -> bool | None:
    """Every value of one attribute stands in the relation to every value of the other."""
    return unanimous(ordered(compare, values, other) for other in others or ())


OPERATORS: Final[Mapping[Operator, Comparison]] = {
    Operator.EQ: equals,
    Operator.NE: not_equals,
    Operator.IN: is_in,
    Operator.NOT_IN: not_in,
    Operator.CONTAINS_ALL: contains_all,
    Operator.EXISTS: exists,
    Operator.GT: partial(ordered, operator.gt),
    Operator.GTE: partial(ordered, operator.ge),
    Operator.LT: partial(ordered, operator.lt),
    Operator.LTE: partial(ordered, operator.le),
    Operator.RANGE: in_range,
    Operator.PREFIX: has_prefix,
    Operator.MATCHES: matches,
    Operator.CIDR: in_network,
}
"""Comparisons with a literal operand."""

REFERENCES: Final[Mapping[Operator, Comparison]] = {
    Operator.EQ: equals_reference,
    Operator.IN: equals_reference,
    Operator.NE: differs_from_reference,
    Operator.NOT_IN: differs_from_reference,
    Operator.GT: partial(ordered_by_reference, operator.gt),
    Operator.GTE: partial(ordered_by_reference, operator.ge),
    Operator.LT: partial(ordered_by_reference, operator.lt),
    Operator.LTE: partial(ordered_by_reference, operator.le),
}
"""Comparisons with the values of another attribute."""
