"""Reads a `when`: from JSON with aliases and shorthands to a condition, with every problem's path."""

from __future__ import annotations

from dataclasses import dataclass, field
from difflib import get_close_matches
from types import MappingProxyType
from typing import Final

from policy_middleware.model.conditions import (
    ALWAYS,
    REFERENCE_OPERATORS,
    AllOf,
    AnyOf,
    Condition,
    Leaf,
    Not,
    Operator,
    Reference,
)
from policy_middleware.model.count_parser import parse_count
from policy_middleware.model.findings import Finding, FindingsError
from policy_middleware.model.json_reading import JSON, Path, kind_of, shown
from policy_middleware.model.operands import OPERANDS, Misfit, Operand
from policy_middleware.model.times import moment_seconds
from policy_middleware.model.vocabulary import HOUR, TIME, WEEKDAY, canonical_attribute, why_not_an_attribute

DEEPEST_WHEN: Final = 32
"""Levels of `all`, `any` and `not`: more than people write, and far from Python's own limit."""

_OPERATORS: Final = MappingProxyType({operator.value: operator for operator in Operator})
_OTHER_NAMES: Final = MappingProxyType(
    {"and": "all", "all_of": "all", "or": "any", "any_of": "any", "none": "not", "none_of": "not"}
)
_OTHER_OPERATORS: Final = MappingProxyType(
    {
        "==": "eq",
        "=": "eq",
        "equals": "eq",
        "!=": "ne",
        "neq": "ne",
        ">": "gt",
        ">=": "gte",
        "ge": "gte",
        "<": "lt",
        "<=": "lte",
        "le": "lte",
        "between": "range",
        "regex": "matches",
        "match": "matches",
        "startswith": "prefix",
        "starts_with": "prefix",
        "contains": "eq",
        "nin": "not_in",
    }
)
_CLOCK_LIMITS: Final = MappingProxyType({HOUR: (0, 23), WEEKDAY: (1, 7)})
_MOMENT_OPERATORS: Final = frozenset(Operator) - {Operator.PREFIX, Operator.MATCHES, Operator.CIDR}
_LISTING_OPERATORS: Final = frozenset(
    {Operator.EQ, Operator.NE, Operator.IN, Operator.NOT_IN, Operator.CONTAINS_ALL}
)
_WITHOUT_BOUND_CHECK: Final = frozenset(
    {Operator.EXISTS, Operator.GT, Operator.GTE, Operator.LT, Operator.LTE}
)


@dataclass(frozen=True, slots=True)
class ParsedWhen:
    """A condition and what its author should know about it."""

    condition: Condition
    warnings: tuple[Finding, ...] = ()


def parse_when(raw: JSON) -> ParsedWhen:
    """Read the `when` of a rule, or raise FindingsError."""
    return _parsed(raw, _WhenReader())


def parse_approvers(raw: JSON) -> ParsedWhen:
    """Read the condition that an approver has to meet, or raise FindingsError.

    Its attributes are the approver's own: `role`, `user` and others under `subject`.
    """
    return _parsed(raw, _WhenReader(of_approver=True))


def _parsed(raw: JSON, reader: _WhenReader) -> ParsedWhen:
    condition = reader.condition(raw, (), 0)
    if reader.problems:
        raise FindingsError(reader.problems)
    return ParsedWhen(condition, tuple(reader.warnings))


@dataclass(slots=True)
class _WhenReader:
    """Reads one `when`, going on after a problem so that all of them are reported."""

    of_approver: bool = False
    problems: list[Finding] = field(default_factory=list)
    warnings: list[Finding] = field(default_factory=list)

    def condition(self, raw: JSON, path: Path, depth: int) -> Condition:
        if not isinstance(raw, dict):
            self.problems.append((path, f"must be an object of conditions, not {kind_of(raw)}"))
            return ALWAYS
        if depth > DEEPEST_WHEN:
            self.problems.append((path, f"is nested deeper than {DEEPEST_WHEN} levels"))
            return ALWAYS
        parts: list[Condition] = []
        spellings: dict[str, str] = {}
        for key, value in raw.items():
            if key == "all":
                parts.append(AllOf(self.listed(value, (*path, key), depth)))
            elif key == "any":
                parts.append(AnyOf(self.listed(value, (*path, key), depth)))
            elif key == "not":
                parts.append(Not(self.condition(value, (*path, key), depth + 1)))
            elif key == "count":
                self.count(value, (*path, key), parts)
            else:
                attribute = self.attribute(key, (*path, key))
                if attribute is None:
                    continue
                if attribute in spellings:
                    self.problems.append(
                        ((*path, key), f"means the same as {spellings[attribute]!r} beside it; keep one")
                    )
                    continue
                spellings[attribute] = key
                self.comparisons(attribute, value, path, key, parts)
        return parts[0] if len(parts) == 1 else AllOf(tuple(parts))

    def listed(self, raw: JSON, path: Path, depth: int) -> tuple[Condition, ...]:
        if not isinstance(raw, list) or not raw:
            found = "an empty one" if raw == [] else kind_of(raw)
            self.problems.append((path, f"takes a list of conditions, not {found}"))
            return ()
        return tuple(self.condition(item, (*path, index), depth + 1) for index, item in enumerate(raw))

    def attribute(self, name: str, path: Path) -> str | None:
        reason = why_not_an_attribute(name)
        canonical = canonical_attribute(name)
        if reason is None and canonical is not None:
            if not self.of_approver or canonical.startswith("subject."):
                return canonical
            reason = "is not the approver's; name role, user or another attribute under subject"
        elif name in _OTHER_NAMES:
            reason = f"is not a condition; did you mean {_OTHER_NAMES[name]!r}?"
        self.problems.append((path, reason or "is not an attribute"))
        return None

    def comparisons(self, attribute: str, raw: JSON, path: Path, key: str, parts: list[Condition]) -> None:
        if not isinstance(raw, dict):
            if isinstance(raw, list):
                self.problems.append(
                    ((*path, key), 'is a list; to compare with several values write {"in": [...]}')
                )
            else:
                self.comparison(attribute, Operator.EQ, raw, (*path, key), parts)
            return
        if not raw:
            self.problems.append(((*path, key), 'names no operator; write for example {"exists": true}'))
        for name, operand in raw.items():
            operator = _OPERATORS.get(name)
            if operator is None:
                self.problems.append(((*path, key, name), _unknown_operator(name)))
            else:
                self.comparison(attribute, operator, operand, (*path, key, name), parts)

    def comparison(
        self, attribute: str, operator: Operator, raw: JSON, path: Path, parts: list[Condition]
    ) -> None:
        try:
            if isinstance(raw, dict) and operator in REFERENCE_OPERATORS:
                reference = self.reference(raw, path)
                if reference is not None:
                    parts.append(Leaf(attribute, operator, reference))
                return
            operand = _clock_operand(attribute, operator, raw)
        except Misfit as misfit:
            self.problems.append(((*path, *misfit.path), str(misfit)))
            return
        if operator in _LISTING_OPERATORS and "*" in str(operand):
            self.warnings.append(
                (path, "'*' is compared as a character; for a pattern write prefix or matches")
            )
        parts.append(Leaf(attribute, operator, operand))

    def reference(self, raw: dict[str, JSON], path: Path) -> Reference | None:
        name = raw.get("ref")
        if len(raw) != 1 or not isinstance(name, str):
            self.problems.append((path, 'takes a value or {"ref": "another.attribute"}, not another object'))
            return None
        attribute = self.attribute(name, (*path, "ref"))
        return None if attribute is None else Reference(attribute)

    def count(self, raw: JSON, path: Path, parts: list[Condition]) -> None:
        if self.of_approver:
            self.problems.append((path, "cannot be asked of an approver"))
            return
        try:
            parts.append(parse_count(raw))
        except FindingsError as error:
            self.problems.extend(((*path, *inner), message) for inner, message in error.findings)


def _clock_operand(attribute: str, operator: Operator, raw: JSON) -> Operand:
    """Read an operand, the ones of the clock's attributes by the clock's own rules."""
    parse = OPERANDS[operator].parse
    if attribute == TIME:
        return _moment_operand(operator, raw)
    operand = parse(raw)
    limits = _CLOCK_LIMITS.get(attribute)
    if limits is not None and operator is not Operator.EXISTS:
        low, high = limits
        for value in operand if isinstance(operand, tuple) else (operand,):
            if isinstance(value, (bool, str)):
                raise Misfit(f"takes a number from {low} to {high}, not {shown(value)}")
            if operator not in _WITHOUT_BOUND_CHECK and not low <= value <= high:
                raise Misfit(f"{shown(value)} never occurs; {attribute} goes from {low} to {high} (UTC)")
    return operand


def _moment_operand(operator: Operator, raw: JSON) -> Operand:
    if operator not in _MOMENT_OPERATORS:
        raise Misfit("does not apply to a moment; write gt, gte, lt, lte or range")
    if operator is Operator.EXISTS:
        return OPERANDS[operator].parse(raw)
    if not isinstance(raw, list):
        return _moment(raw)
    moments: list[JSON] = [_moment(item, index) for index, item in enumerate(raw)]
    return OPERANDS[operator].parse(moments)


def _moment(raw: JSON, *path: int) -> float:
    try:
        return moment_seconds(raw)
    except ValueError as error:
        raise Misfit(str(error), *path) from None


def _unknown_operator(name: str) -> str:
    if name == "ref":
        return 'is not an operator; write {"eq": {"ref": "another.attribute"}}'
    if name in ("all", "any", "not"):
        return "stands around attributes, not inside one; move it out"
    close = _OTHER_OPERATORS.get(name.lower()) or next(
        iter(get_close_matches(name, _OPERATORS, 1, 0.6)), None
    )
    if close is not None:
        return f"is an unknown operator; did you mean {close!r}?"
    return f"is an unknown operator; there are {', '.join(_OPERATORS)}"
