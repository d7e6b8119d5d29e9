"""A field's operator beside the entities of another rule's mask."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from policy_middleware.masking.bodies.rules import TextMasker
from policy_middleware.masking.operator_protocol import MaskingOperator
from policy_middleware.masking.operators import Operators
from policy_middleware.masking.operators.constants import REDACTED_TEXT, placeholder
from policy_middleware.masking.text_rules import text_masker
from policy_middleware.model.policy import EntityMask, Operation


def searched(
    operator: MaskingOperator, operations: Iterable[Operation], names: Iterable[str], operators: Operators
) -> MaskingOperator:
    """Return the operator of some operations as it has to be beside the entities of other masks.

    `names` are those that the value may stand under. Raises what `text_masker` raises.
    """
    beside: tuple[EntityMask, ...] = ()
    for operation in operations:
        beside += operation.beside
    texts = text_masker(tuple(dict.fromkeys(beside)), operators)
    if texts is None:
        return operator
    announcements = {texts.announcement(name) for name in names}
    return _Searched(operator, texts, [*(announcements - {""})] or [""])


class _Searched:
    """Redacts a value in which something is recognised, and leaves others to an operator."""

    def __init__(self, operator: MaskingOperator, texts: TextMasker, announcements: Sequence[str]) -> None:
        self._operator = operator
        self._texts = texts
        self._announcements = announcements

    @property
    def strictness(self) -> int:
        return self._operator.strictness

    def text(self, value: str, entity: str) -> str:
        if value == REDACTED_TEXT or self._is_recognised(value):
            return REDACTED_TEXT
        return self._operator.text(value, entity)

    def scalar(self, literal: str) -> str:
        """Return the JSON literal to write in place of a number's or a boolean's."""
        own = getattr(self._operator, "scalar", None)
        if own is None or self._is_recognised(literal):
            return placeholder(literal)
        written: str = own(literal)
        return written

    def _is_recognised(self, value: str) -> bool:
        return any(self._texts.mask_all([value], announcement) for announcement in self._announcements)
