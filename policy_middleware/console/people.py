"""The people whom a rule asks, in words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from policy_middleware.authoring.wording import compact, listed
from policy_middleware.model.condition_codec import condition_to_json
from policy_middleware.model.conditions import AllOf, AnyOf, Condition, Leaf, Operator, Reference

_SUBJECTS: Final[Mapping[str, tuple[str, str]]] = {
    "subject.roles": ("somebody with the role", "somebody with one of the roles"),
    "subject.id": ("", "one of"),
}
"""How one and several values of an attribute are introduced."""


def people_of(condition: Condition) -> str:
    """Return `somebody with the role dpo`; a condition with no plainer words is shown as it is written."""
    if isinstance(condition, AllOf) and not condition.parts:
        return "anybody else who may approve"
    if isinstance(condition, AllOf) and len(condition.parts) == 1:
        return people_of(condition.parts[0])
    if isinstance(condition, AnyOf) and all(map(_plain, condition.parts)):
        return listed([people_of(part) for part in condition.parts], "or")
    if isinstance(condition, Leaf) and _plain(condition):
        one, several = _SUBJECTS[condition.attribute]
        values = condition.operand if isinstance(condition.operand, tuple) else (condition.operand,)
        names = [str(value) for value in values if not isinstance(value, Reference)]
        return f"{one if len(names) == 1 else several} {listed(names, 'or')}".strip()
    return f"somebody for whom {compact(condition_to_json(condition))} holds"


def _plain(condition: Condition) -> bool:
    return (
        isinstance(condition, Leaf)
        and condition.attribute in _SUBJECTS
        and condition.operator in (Operator.EQ, Operator.IN)
        and not isinstance(condition.operand, Reference)
    )
