"""Conditions as JSON data: the plainest spelling of a `when`, one comparison or connective per object."""

from __future__ import annotations

import math
from typing import TypeGuard

from policy_middleware.model.conditions import (
    REFERENCE_OPERATORS,
    AllOf,
    AnyOf,
    Condition,
    Count,
    Leaf,
    Not,
    Operator,
    Reference,
    Scalar,
)
from policy_middleware.model.vocabulary import canonical_attribute

MAX_DEPTH = 64
"""How deep stored conditions may nest; no document that was accepted comes near."""

_COUNTED = ("effect", "rule", "event")
_COUNT_KEYS = frozenset({"per", "within", *_COUNTED})


def condition_to_json(condition: Condition) -> dict[str, object]:
    """Return `condition` as plain JSON data that `condition_from_json` reads back unchanged."""
    match condition:
        case Leaf(attribute, operator, operand):
            return {attribute: {operator.value: _operand_to_json(operand)}}
        case AllOf(parts):
            return {"all": [condition_to_json(part) for part in parts]}
        case AnyOf(parts):
            return {"any": [condition_to_json(part) for part in parts]}
        case Not(part):
            return {"not": condition_to_json(part)}
        case Count():
            data: dict[str, object] = {"per": list(condition.per), "within": condition.within}
            data |= {key: getattr(condition, key) for key in _COUNTED if getattr(condition, key) is not None}
            return {"count": data | {condition.comparison.value: condition.threshold}}


def condition_from_json(data: object, *, depth: int = 0) -> Condition:
    """Return the condition that `condition_to_json` wrote as `data`, or raise ValueError."""
    if depth > MAX_DEPTH:
        raise ValueError(f"a condition nests deeper than {MAX_DEPTH} levels")
    if not isinstance(data, dict) or len(data) != 1:
        raise ValueError("a stored condition is an object with exactly one key")
    [(key, value)] = data.items()
    if key in ("all", "any"):
        if not isinstance(value, list):
            raise ValueError(f"{key!r} needs a list of conditions")
        parts = tuple(condition_from_json(part, depth=depth + 1) for part in value)
        return AllOf(parts) if key == "all" else AnyOf(parts)
    if key == "not":
        return Not(condition_from_json(value, depth=depth + 1))
    if key == "count":
        return _count_from_json(value)
    return _leaf_from_json(key, value)


def _operand_to_json(operand: Scalar | tuple[Scalar, ...] | Reference) -> object:
    if isinstance(operand, Reference):
        return {"ref": operand.attribute}
    return list(operand) if isinstance(operand, tuple) else operand


def _leaf_from_json(attribute: object, comparison: object) -> Leaf:
    attribute = _attribute(attribute)
    if not isinstance(comparison, dict) or len(comparison) != 1:
        raise ValueError(f"{attribute}: a stored comparison is an object with exactly one operator")
    [(name, data)] = comparison.items()
    operator = Operator(name)
    operand: Scalar | tuple[Scalar, ...] | Reference
    if isinstance(data, dict):
        if operator not in REFERENCE_OPERATORS or data.keys() != {"ref"}:
            raise ValueError(f"{attribute}: {operator} cannot compare with {data!r}")
        operand = Reference(_attribute(data["ref"]))
    elif isinstance(data, list):
        operand = tuple(_scalar(attribute, item) for item in data)
    else:
        operand = _scalar(attribute, data)
    return Leaf(attribute, operator, operand)


def _count_from_json(data: object) -> Count:
    if not isinstance(data, dict):
        raise ValueError("'count' needs an object")
    comparisons = data.keys() - _COUNT_KEYS
    counted = {key: data[key] for key in _COUNTED if key in data}
    per, within = data.get("per"), data.get("within")
    if not isinstance(per, list) or not _is_number(within) or len(comparisons) != 1 or len(counted) != 1:
        raise ValueError("'count' needs per, within, one of effect, rule and event, and one comparison")
    [name] = comparisons
    threshold = data[name]
    if not isinstance(threshold, int) or isinstance(threshold, bool):
        raise ValueError("'count' compares with a whole number")
    if not all(isinstance(value, str) for value in counted.values()):
        raise ValueError("'count' counts what is named by a text")
    return Count(tuple(_attribute(item) for item in per), within, Operator(name), threshold, **counted)


def _attribute(name: object) -> str:
    if not isinstance(name, str) or canonical_attribute(name) != name:
        raise ValueError(f"{name!r} is not the canonical path of an attribute")
    return name


def _scalar(attribute: str, value: object) -> Scalar:
    if isinstance(value, (str, bool)) or _is_number(value):
        return value
    raise ValueError(f"{attribute}: {value!r} is not text, a boolean or a finite number")


def _is_number(value: object) -> TypeGuard[int | float]:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
