"""What is done to one place of a JSON document.

JSON types are kept, so that clients with a schema go on working, and what is written for a number or boolean
never depends on it: `0` and `false`, but for `generalize`, which has ranges of numbers, and operators that
are asked `as_text`. A null stays null (there is nothing to hide but that it is absent). Who prefers an honest
gap to a plausible `0` writes `nullify`; who wants to hide keys and lengths too, `nullify` or `drop`.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from json.encoder import encode_basestring_ascii
from typing import Final

from policy_middleware.masking.operator_protocol import MaskingOperator
from policy_middleware.masking.operators.constants import FIELD, placeholder
from policy_middleware.masking.operators.table import STRICTNESS, Operators, strictest
from policy_middleware.model.policy import MaskOperator, Operation

NULL: Final = "null"


@dataclass(frozen=True, slots=True)
class Treatment:
    """Everything that is asked for at one place, and the operator that follows from it."""

    operations: frozenset[Operation]
    operator: MaskingOperator
    drops: bool
    nullifies: bool
    keeps: bool
    reveals: bool
    as_text: bool

    @classmethod
    def of(cls, operations: frozenset[Operation], operators: Operators) -> Treatment:
        """Return what `operations` together ask for; raises what `Operators.of` raises."""
        asked = strictest(operations)
        operator = operators.of(operations)
        return cls(
            operations,
            operator,
            drops=asked.operator is MaskOperator.DROP,
            nullifies=asked.operator is MaskOperator.NULLIFY,
            keeps=asked.operator is MaskOperator.KEEP,
            reveals=operator.strictness <= STRICTNESS[MaskOperator.PARTIAL],
            as_text=asked.as_text,
        )

    @property
    def replaces_whole(self) -> bool:
        """True when a container is treated as one value, not leaf by leaf."""
        return self.drops or self.nullifies

    def literal(self, literal: str) -> str:
        """Return the JSON literal to write in place of a scalar's `literal`; raises MaskError."""
        if self.keeps:
            return literal
        if self.replaces_whole or literal == NULL:
            return NULL
        if literal[0] == '"':
            text = literal[1:-1] if "\\" not in literal else json.loads(literal)
        elif self.as_text:
            text = literal
        else:
            own = getattr(self.operator, "scalar", None)
            return placeholder(literal) if own is None else own(literal)
        written = self.operator.text(text, FIELD)
        return literal if written == text and literal[0] == '"' else encode_basestring_ascii(written)
