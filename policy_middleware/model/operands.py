"""What each operator compares with: one table that the parser and the JSON Schema both read."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from ipaddress import ip_network
from types import MappingProxyType
from typing import Final

from policy_middleware.model.conditions import REFERENCE_OPERATORS, Operator, Scalar
from policy_middleware.model.json_reading import JSON, Path, kind_of, shown
from policy_middleware.model.patterns import LONGEST_PATTERN, compile_pattern


class Misfit(ValueError):
    """An operand that its operator cannot compare with; `path` leads from the operand to the fault."""

    def __init__(self, message: str, *path: str | int) -> None:
        super().__init__(message)
        self.path: Path = path


Operand = Scalar | tuple[Scalar, ...]


@dataclass(frozen=True, slots=True)
class OperandKind:
    """How an operator's operand is read (`parse` raises Misfit), described and typed (JSON Schema)."""

    parse: Callable[[JSON], Operand]
    description: str
    schema: Mapping[str, object]


_SCALARS: Final = frozenset({str, bool, int, float})
_NULL: Final = 'null compares with nothing; an attribute that is missing is written {"exists": false}'


def _scalar(value: JSON) -> Scalar:
    if value.__class__ in _SCALARS:
        return value  # type: ignore[return-value] # exactly one of the four classes
    raise Misfit(_NULL if value is None else f"takes text, a number or true or false, not {kind_of(value)}")


def _one_of_many(listing: Operator) -> Callable[[JSON], Operand]:
    def one(value: JSON) -> Operand:
        if isinstance(value, list):
            raise Misfit(f'takes one value, not a list; write {{"{listing}": [...]}}')
        return _scalar(value)

    return one


def _scalars(value: JSON) -> Operand:
    if not isinstance(value, list):
        raise Misfit(f"takes a list, not {kind_of(value)}")
    if not value:
        raise Misfit("is an empty list; name at least one value")
    for index, item in enumerate(value):
        if item.__class__ not in _SCALARS:
            reason = (
                _NULL if item is None else f"must be text, a number or true or false, not {kind_of(item)}"
            )
            raise Misfit(reason, index)
    return tuple(value)  # type: ignore[arg-type] # every item was looked at


def _ordered(value: JSON) -> Scalar:
    if value is None or isinstance(value, (bool, list, dict)):
        raise Misfit(f"takes a number or text, not {kind_of(value)}")
    return value


def _range(value: JSON) -> Operand:
    if not isinstance(value, list) or len(value) != 2:
        raise Misfit("takes a list of two values, [lowest, highest]")
    low, high = value
    for index, item in enumerate(value):
        if isinstance(item, bool) or not isinstance(item, (int, float, str)):
            raise Misfit(f"takes numbers or texts, not {kind_of(item)}", index)
    if isinstance(low, str) != isinstance(high, str):
        raise Misfit("mixes a number and a text, which have no order")
    if low > high:  # type: ignore[operator] # both are text or both are numbers
        raise Misfit(f"is upside down: {shown(low)} is above {shown(high)}, so nothing lies between them")
    return (low, high)  # type: ignore[return-value] # as above


def _text(value: JSON) -> str:
    if not isinstance(value, str):
        raise Misfit(f"takes text, not {kind_of(value)}")
    return value


def _prefix(value: JSON) -> Operand:
    if _text(value) == "":
        raise Misfit("is empty, which every text begins with")
    return _text(value)


def _pattern(value: JSON) -> Operand:
    text = _text(value)
    try:
        compile_pattern(text)
    except ValueError as error:
        raise Misfit(str(error)) from None
    return text


def _network(value: JSON) -> Operand:
    if isinstance(value, list):
        raise Misfit('takes one network; several are written {"any": [...]}')
    text = _text(value)
    try:
        loose = ip_network(text, strict=False)
    except ValueError:
        raise Misfit(f"{shown(text)} is not a network such as 10.0.0.0/8 or 2001:db8::/32") from None
    try:
        ip_network(text)
    except ValueError:
        raise Misfit(f"{shown(text)} has bits set behind its length; did you mean {loose}?") from None
    return text


def _flag(value: JSON) -> Operand:
    if not isinstance(value, bool):
        raise Misfit(f"takes true or false, not {kind_of(value)}")
    return value


SCALAR_SCHEMA: Final = {"type": ["string", "number", "boolean"]}
_SCALARS_SCHEMA: Final = {"type": "array", "items": SCALAR_SCHEMA, "minItems": 1}
_ORDERED_SCHEMA: Final = {"type": ["string", "number"]}

OPERANDS: Final[Mapping[Operator, OperandKind]] = MappingProxyType(
    {
        Operator.EQ: OperandKind(
            _one_of_many(Operator.IN), "Some value of the attribute equals this one.", SCALAR_SCHEMA
        ),
        Operator.NE: OperandKind(
            _one_of_many(Operator.NOT_IN),
            "No value of the attribute equals this one; indeterminate when the attribute is missing.",
            SCALAR_SCHEMA,
        ),
        Operator.IN: OperandKind(_scalars, "Some value of the attribute is listed.", _SCALARS_SCHEMA),
        Operator.NOT_IN: OperandKind(
            _scalars,
            "No value of the attribute is listed; indeterminate when the attribute is missing.",
            _SCALARS_SCHEMA,
        ),
        Operator.CONTAINS_ALL: OperandKind(
            _scalars, "Every listed value is among the attribute's values.", _SCALARS_SCHEMA
        ),
        Operator.EXISTS: OperandKind(
            _flag, "The attribute is present (true) or missing (false).", {"type": "boolean"}
        ),
        Operator.GT: OperandKind(_ordered, "Every value is greater than this one.", _ORDERED_SCHEMA),
        Operator.GTE: OperandKind(
            _ordered, "Every value is greater than or equal to this one.", _ORDERED_SCHEMA
        ),
        Operator.LT: OperandKind(_ordered, "Every value is less than this one.", _ORDERED_SCHEMA),
        Operator.LTE: OperandKind(
            _ordered, "Every value is less than or equal to this one.", _ORDERED_SCHEMA
        ),
        Operator.RANGE: OperandKind(
            _range,
            "Every value lies between the two, both included.",
            {"type": "array", "items": _ORDERED_SCHEMA, "minItems": 2, "maxItems": 2},
        ),
        Operator.PREFIX: OperandKind(
            _prefix, "Every value is text that begins with this one.", {"type": "string", "minLength": 1}
        ),
        Operator.MATCHES: OperandKind(
            _pattern,
            "The pattern occurs in every value (Rust regex syntax: no look-around, no back-references).",
            {"type": "string", "maxLength": LONGEST_PATTERN},
        ),
        Operator.CIDR: OperandKind(
            _network, "Every value is an address inside this network.", {"type": "string", "minLength": 2}
        ),
    }
)

_REFERENCE_SCHEMA: Final[Mapping[str, object]] = MappingProxyType(
    {
        "type": "object",
        "description": "The value of another attribute.",
        "properties": {"ref": {"$ref": "#/$defs/attribute"}},
        "required": ["ref"],
        "additionalProperties": False,
    }
)


def operand_schema(operator: Operator) -> dict[str, object]:
    """Return the JSON Schema of what `operator` compares with, description included."""
    kind = OPERANDS[operator]
    if operator in REFERENCE_OPERATORS:
        return {"description": kind.description, "anyOf": [dict(kind.schema), dict(_REFERENCE_SCHEMA)]}
    return {"description": kind.description, **kind.schema}
