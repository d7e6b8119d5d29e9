"""Which rules could cover another one at all: a cheap look that spares nearly all of the proofs.

Rules of a long document mostly ask for different actions, roles or tenants. Where one demands that an
attribute equals some text, and another only ever demands other texts of it, the second holds for requests for
which the first does not, so nothing has to be proved. What is not as plain as that is always looked at.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from policy_middleware.authoring.implication import Alternative, Literal, alternatives
from policy_middleware.authoring.value_states import Asked
from policy_middleware.model.conditions import Condition, Operator, Reference

_Texts = Mapping[str, frozenset[str]]
"""By attribute, texts of which it has to have one."""
_EQUALITIES: Final = frozenset({Operator.EQ, Operator.IN})


class Covering:
    """The rules of a document by what they demand; positions are those in `conditions`."""

    def __init__(self, conditions: Sequence[Condition]) -> None:
        self._always: list[int] = []
        self._holding: dict[str, dict[str, list[int]]] = {}
        demands = [_demanded(condition) for condition in conditions]
        frequency: dict[tuple[str, str], int] = {}
        for demanded in demands:
            for attribute, texts in demanded.items():
                for text in texts:
                    frequency[attribute, text] = frequency.get((attribute, text), 0) + 1
        for position, demanded in enumerate(demands):
            # Kept under its rarest demand, it is met least often.
            rarest = min(
                demanded,
                key=lambda attribute: sum(frequency[attribute, text] for text in demanded[attribute]),
                default=None,
            )
            if rarest is None:
                self._always.append(position)
                continue
            for text in demanded[rarest]:
                self._holding.setdefault(rarest, {}).setdefault(text, []).append(position)

    def candidates(self, condition: Condition) -> list[int]:
        """Return, in order, the positions of all rules that may hold wherever a possible condition does."""
        only = _only_texts(condition)
        found = set(self._always)
        for attribute, holding in self._holding.items():
            texts: Iterable[str] = only.get(attribute, holding)
            for text in texts:
                found.update(holding.get(text, ()))
        return sorted(found)


def _demanded(condition: Condition) -> _Texts:
    """Return what every request has to have for which a condition holds."""
    literals = _single(condition)
    found: dict[str, frozenset[str]] = {}
    for attribute, those in literals.items():
        for literal in those if isinstance(attribute, str) else ():
            texts = _equality(literal)
            if texts is not None and isinstance(attribute, str):
                found[attribute] = texts
                break
    return found


def _only_texts(condition: Condition) -> _Texts:
    """Return the texts beside which a request needs none for a possible condition to hold."""
    found: dict[str, frozenset[str]] = {}
    for attribute, those in _single(condition).items():
        texts = [_equality(literal) for literal in those]
        if isinstance(attribute, str) and all(one is not None for one in texts):
            found[attribute] = frozenset().union(*(one for one in texts if one is not None))
    return found


def _single(condition: Condition) -> Alternative:
    """Return the literals of a plain conjunction; nothing where there are alternatives."""
    found = alternatives(condition)
    return found[0] if found is not None and len(found) == 1 else {}


def _equality(literal: Literal) -> frozenset[str] | None:
    """Return the texts of `eq` or `in`, asserted; None for anything else."""
    asked = literal.asked
    if not literal.positive or not isinstance(asked, Asked) or asked.leaf.operator not in _EQUALITIES:
        return None
    operand = asked.leaf.operand
    operands = operand if isinstance(operand, tuple) else (operand,)
    texts = frozenset(one for one in operands if isinstance(one, str))
    return texts if len(texts) == len(operands) and not isinstance(operand, Reference) else None
