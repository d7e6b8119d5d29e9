"""Whether the masks of a document can be applied here, asked before it takes effect."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

from policy_middleware.masking.keys import SHORTEST_KEY, MaskKeys
from policy_middleware.masking.masker import Masker
from policy_middleware.model.errors import DocumentError, MaskError, MissingExtra, Problem, SettingsError
from policy_middleware.model.policy import (
    EntityMask,
    MaskOperator,
    MaskSpec,
    Operation,
    OwnRecognizer,
    PolicyDocument,
)
from policy_middleware.model.vocabulary import RESERVED_DOCUMENTS

_ANY_KEY = bytes(SHORTEST_KEY)
"""Stands for the keys of all tenants while a document that they share is compiled."""


def mask_admission(keys: MaskKeys | None, *, probe: bool = False) -> Callable[[PolicyDocument], None]:
    """Return what raises DocumentError for a document whose masks cannot be applied with these keys.

    Without `keys` it is asked where the application is not: then its keys and custom functions are taken
    for granted.

    That is the case for a keyed operator without a key, an unknown entity or function, a pattern that is not
    accepted, an extra that is not installed, and a recognizer that does not find its own examples. With
    `probe` the patterns are timed as well: for people who publish, not for processes that load what is in
    force already.
    """

    def admit(document: PolicyDocument) -> None:
        problems = [*_own_recognizers(document), *_masks(document, keys)]
        if probe and not problems:
            problems += _slow_patterns(document)
        if problems:
            raise DocumentError(problems, document.name)

    return admit


def _masks(document: PolicyDocument, keys: MaskKeys | None) -> Iterator[Problem]:
    for index, rule in enumerate(document.rules):
        if rule.mask is None:
            continue
        problem = _why_not(rule.mask, document.name, keys)
        if problem is not None:
            yield Problem(f"$.rules[{index}].mask", problem)


def _slow_patterns(document: PolicyDocument) -> Iterator[Problem]:
    from policy_middleware.masking.pattern_admission import admit, custom_recognizer
    from policy_middleware.masking.recognition import RecognizerError

    patterns = {
        (mask.entity, mask.pattern)
        for rule in document.rules
        for mask in (rule.mask.entities if rule.mask is not None else ())
        if mask.pattern is not None
    }
    try:
        admit([custom_recognizer(entity, pattern) for entity, pattern in sorted(patterns)])
    except RecognizerError as error:
        yield Problem("$", str(error))


def _own_recognizers(document: PolicyDocument) -> Iterator[Problem]:
    for own in document.recognizers:
        problem = _recognizer_problem(own)
        if problem is not None:
            yield Problem(f"$.recognizers.{own.entity}", problem)


def _recognizer_problem(own: OwnRecognizer) -> str | None:
    from policy_middleware.masking.recognition import RECOGNIZERS

    if own.entity in RECOGNIZERS:
        return "is the name of a built-in recognizer; choose another one"
    mask = MaskSpec(entities=(EntityMask(own.entity, Operation(MaskOperator.REDACT), own.pattern),))
    try:
        masker = Masker.from_spec(mask)
        missed = [example for example in own.examples if not masker.mask_text(example).entities]
    except (MaskError, SettingsError, MissingExtra) as error:
        return str(error)
    return f"does not find its own example {missed[0]!r}" if missed else None


def _why_not(mask: MaskSpec, name: str, keys: MaskKeys | None) -> str | None:
    try:
        key = None
        if keys is None:
            key, mask = _ANY_KEY, _without_functions(mask)
        elif mask.needs_key and keys.configured:
            key = _ANY_KEY if name in RESERVED_DOCUMENTS else keys.of(name)
        Masker.from_spec(mask, tenant_key=key)
    except (MaskError, SettingsError, MissingExtra) as error:
        return str(error)
    return None


def _without_functions(mask: MaskSpec) -> MaskSpec:
    """Return a mask that redacts where the application's own functions are asked for."""

    def known(operation: Operation) -> Operation:
        return Operation(MaskOperator.REDACT) if operation.operator is MaskOperator.CUSTOM else operation

    return replace(
        mask,
        fields=tuple(replace(one, operation=known(one.operation)) for one in mask.fields),
        entities=tuple(replace(one, operation=known(one.operation)) for one in mask.entities),
        headers=tuple(
            one if one.operation is None else replace(one, operation=known(one.operation))
            for one in mask.headers
        ),
    )
