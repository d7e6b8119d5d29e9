"""What each operator writes in place of a value.

JSON types are kept, so that clients with a schema go on working, and what is written never depends on the
value: `redact` writes `"[REDACTED]"` for text, `0` for a number and `false` for a boolean. A null stays null
(there is nothing to hide but that it is absent). Who prefers an honest gap to a plausible `0` writes
`nullify`, and who wants to hide keys and lengths too writes `nullify` or `drop`.

`partial` replaces every character of a text by `*` but for the ends it shows; the length stays visible. A
text that would be shown by more than half is starred whole. Numbers and booleans are redacted: showing the
ends of a number would change its type, or be most of it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from policy_middleware.model.policy import FieldMask, MaskOperator

REDACTED_TEXT: Final = "[REDACTED]"
NULL: Final = "null"
_STAR: Final = "*"
_TYPED_PLACEHOLDERS: Final = {"t": "false", "f": "false", "n": NULL}
_NUMBER_PLACEHOLDER: Final = "0"

_RANK: Final = {operator: rank for rank, operator in enumerate(MaskOperator)}


@dataclass(frozen=True, slots=True)
class Treatment:
    """What is done to one place; `shown` holds (first, last) of every `partial` that meets there."""

    operator: MaskOperator
    shown: frozenset[tuple[int, int]] = frozenset()

    @classmethod
    def of(cls, field: FieldMask) -> Treatment:
        """Return what `field` asks for at the places its path names."""
        if field.operator is MaskOperator.PARTIAL:
            return cls(field.operator, frozenset({(field.show_first, field.show_last)}))
        return cls(field.operator)

    def __or__(self, other: Treatment) -> Treatment:
        """Return the stricter treatment: drop > nullify > redact > partial; two partials both hold."""
        mine, theirs = _RANK[self.operator], _RANK[other.operator]
        if mine != theirs:
            return self if mine > theirs else other
        return Treatment(self.operator, self.shown | other.shown)

    @property
    def drops(self) -> bool:
        """True when the member or element itself is removed."""
        return self.operator is MaskOperator.DROP

    @property
    def replaces_whole(self) -> bool:
        """True when a container is treated as one value, not leaf by leaf."""
        return self.operator in (MaskOperator.NULLIFY, MaskOperator.DROP)

    def literal(self, literal: str) -> str:
        """Return the JSON literal to write in place of a scalar's `literal`; ASCII only."""
        if self.replaces_whole:
            return NULL
        if literal[0] != '"':
            return _TYPED_PLACEHOLDERS.get(literal[0], _NUMBER_PLACEHOLDER)
        text = literal[1:-1] if "\\" not in literal else json.loads(literal)
        return json.dumps(_TEXT_OPERATORS[self.operator](text, self))


def _redact(_text: str, _treatment: Treatment) -> str:
    return REDACTED_TEXT


def _partial(text: str, treatment: Treatment) -> str:
    first, last = len(text), len(text)
    for show_first, show_last in treatment.shown:
        # Half of the text must stay hidden, else the rest is guessed; so a short text shows nothing.
        fits = (show_first + show_last) * 2 <= len(text)
        first = min(first, show_first if fits else 0)
        last = min(last, show_last if fits else 0)
    return text[:first] + _STAR * (len(text) - first - last) + text[len(text) - last :]


_TEXT_OPERATORS: Final[Mapping[MaskOperator, Callable[[str, Treatment], str]]] = {
    MaskOperator.REDACT: _redact,
    MaskOperator.PARTIAL: _partial,
}
