"""From the entities and patterns of a mask to the masker of texts."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from policy_middleware.masking.operators import Operators
from policy_middleware.model.errors import MaskError
from policy_middleware.model.policy import EntityMask, MaskOperator, Operation

if TYPE_CHECKING:
    from policy_middleware.masking.recognition import Recognizer
    from policy_middleware.masking.text_masking import TextMasker


def text_masker(entities: Iterable[EntityMask], operators: Operators) -> TextMasker | None:
    """Return what masks texts, None when nothing is looked for.

    Where several masks look for one entity the strictest operator holds. Raises MaskError for an entity that
    nobody knows, a pattern that is not accepted, and a replacement that would be found itself.
    """
    asked: dict[str, set[Operation]] = {}
    patterns: dict[str, dict[str | None, None]] = {}
    for mask in entities:
        asked.setdefault(mask.entity, set()).add(mask.operation)
        patterns.setdefault(mask.entity, {})[mask.pattern] = None
    if not asked:
        return None
    from policy_middleware.masking.recognition import RecognizerError
    from policy_middleware.masking.text_masking import TextMasker

    rules = {entity: operators.of(frozenset(operations)) for entity, operations in asked.items()}
    try:
        own = [_recognizer(entity, list(named)) for entity, named in patterns.items() if any(named)]
        masker = TextMasker(rules, own)
    except RecognizerError as error:
        raise MaskError(str(error)) from None
    except ValueError as error:
        raise MaskError(f"a pattern is not accepted: {error}") from None
    for entity, operations in asked.items():
        for operation in operations:
            written = operation.text or ""
            if operation.operator is MaskOperator.REPLACE and masker.mask(written).findings:
                raise MaskError(f"what {entity} is replaced by would be found itself; write another text")
    return masker


def _recognizer(entity: str, patterns: Iterable[str | None]) -> Recognizer:
    """Return the recogniser of an entity with the author's patterns, and the built-in one if asked."""
    from policy_middleware.masking.pattern_admission import custom_recognizer
    from policy_middleware.masking.recognition import Recognizer, Shape, recognizer_of

    shapes: list[Shape] = []
    for pattern in patterns:
        recognizer = recognizer_of(entity) if pattern is None else custom_recognizer(entity, pattern)
        shapes += recognizer.shapes
    return Recognizer(entity, "a pattern of the policy", (), tuple(shapes))
