"""What pydantic finds wrong, said in the words of someone who writes policies."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from difflib import get_close_matches
from types import MappingProxyType
from typing import Any, Final

from pydantic import AliasChoices, BaseModel, ValidationError

from policy_middleware.model.document_models import (
    ApprovalModel,
    DocumentModel,
    EscalationModel,
    LimitModel,
    RuleModel,
)
from policy_middleware.model.findings import Finding, FindingsError
from policy_middleware.model.json_reading import Path, kind_of, shown
from policy_middleware.model.mask_models import (
    BY_NAME,
    BY_OPTIONS,
    SCAN,
    FieldMaskModel,
    MaskModel,
    PatternModel,
    RecognizerModel,
)

_OWNERS: Final[Mapping[str, type[BaseModel]]] = MappingProxyType(
    {
        "": DocumentModel,
        "rules": RuleModel,
        "mask": MaskModel,
        "approval": ApprovalModel,
        "escalate": EscalationModel,
        "limit": LimitModel,
        BY_OPTIONS: FieldMaskModel,
    }
)
"""The model at the end of a path, by the last key in it."""

_OWNERS_BY_NAME: Final[Mapping[str, type[BaseModel]]] = MappingProxyType(
    {"patterns": PatternModel, "recognizers": RecognizerModel}
)
"""The model of what stands under names of the author's own choice, by the key above these."""

_SAME_MEANING: Final = MappingProxyType(
    {"conditions": "when", "when": "conditions", "action": "effect", "effect": "action"}
)
_TAGS: Final = frozenset({BY_NAME, BY_OPTIONS, SCAN, "[key]"})

MISSING_KEY: Final = "is missing"
"""How a finding about a key that has to be there begins."""
_UNKNOWN_KEY: Final = "is an unknown key"
_NEAR: Final = 0.6
"""How alike two keys are of which one may be the other, misspelt (`difflib`'s ratio)."""

_MISSING: Final = MappingProxyType(
    {
        "id": "is missing; every rule needs an id of its own",
        "when": "is missing; a rule that always holds is written with {}",
        "effect": "is missing; write allow, deny, mask or require_approval",
        "reason": "is missing; say why, in words the client may read",
        "rules": "is missing; a document without rules is written with []",
        "pattern": "is missing; write what is looked for, in RE2 syntax",
    }
)

_SENTENCES: Final[Mapping[str, Callable[[Mapping[str, Any], object], str]]] = MappingProxyType(
    {
        "string_type": lambda _, value: f"must be text, not {kind_of(value)}",
        "bool_type": lambda _, value: f"must be true or false, not {kind_of(value)}",
        "int_type": lambda _, value: f"must be a whole number, not {shown(value)}",
        "list_type": lambda _, value: f"must be a list, not {kind_of(value)}",
        "dict_type": lambda _, value: f"must be an object, not {kind_of(value)}",
        "model_type": lambda _, value: f"must be an object, not {kind_of(value)}",
        "literal_error": lambda ctx, value: f"{shown(value)} is not accepted; write {ctx['expected']}",
        "greater_than_equal": lambda ctx, value: f"is {shown(value)}; the least is {ctx['ge']}",
        "less_than_equal": lambda ctx, value: f"is {shown(value)}; the most is {ctx['le']}",
        "string_too_short": lambda _, value: "is empty",
        "string_too_long": lambda ctx, value: (
            f"is too long; at most {ctx['max_length']} characters are accepted"
        ),
        "too_long": lambda ctx, value: f"has too many entries; at most {ctx['max_length']} are accepted",
        "too_short": lambda ctx, value: "is empty; name at least one",
    }
)


def findings_of(error: ValidationError) -> Iterator[Finding]:
    """Yield a path from the document and a sentence for everything a validation error holds."""
    for detail in error.errors(include_url=False):
        loc = detail["loc"]
        path: Path = tuple(part for part in loc if part not in _TAGS)
        kind = detail["type"]
        context: Mapping[str, Any] = detail.get("ctx", {})
        cause = context.get("error")
        if isinstance(cause, FindingsError):
            yield from (((*path, *inner), message) for inner, message in cause.findings)
        elif cause is not None:
            yield path, str(cause)
        elif kind == "missing":
            yield path, _MISSING.get(str(path[-1]), "is missing")
        elif kind == "extra_forbidden":
            yield path, _unknown_key(loc)
        elif kind in _SENTENCES:
            yield path, _SENTENCES[kind](context, detail["input"])
        else:
            yield path, detail["msg"]


def without_echoes(findings: Iterable[Finding]) -> list[Finding]:
    """Leave out that a key is missing where it is there, misspelt: the finding about that says it all."""
    found = list(findings)
    unknown = [path for path, message in found if path and message.startswith(_UNKNOWN_KEY)]
    meant = {(*path[:-1], _nearest_key(path)) for path in unknown}
    return [
        (path, message) for path, message in found if path not in meant or not message.startswith(MISSING_KEY)
    ]


def _nearest_key(loc: Path) -> str | None:
    close = get_close_matches(str(loc[-1]), list(_keys_of(_owner_of(loc))), 1, _NEAR)
    return close[0] if close else None


def _owner_of(loc: Path) -> type[BaseModel]:
    if len(loc) > 2 and loc[-3] in _OWNERS_BY_NAME:
        return _OWNERS_BY_NAME[str(loc[-3])]
    owner = next((part for part in reversed(loc[:-1]) if isinstance(part, str)), "")
    return _OWNERS.get(owner, DocumentModel)


def _unknown_key(loc: Path) -> str:
    owner = next((part for part in reversed(loc[:-1]) if isinstance(part, str)), "")
    key = str(loc[-1])
    if owner == "rules" and key in _SAME_MEANING:
        return f"means the same as {_SAME_MEANING[key]!r} beside it; keep one"
    near = _nearest_key(loc)
    if near is not None:
        return f"{_UNKNOWN_KEY}; did you mean {near!r}?"
    return f"{_UNKNOWN_KEY}; there are {', '.join(_keys_of(_owner_of(loc)))}"


def _keys_of(model: type[BaseModel]) -> Iterator[str]:
    for name, described in model.model_fields.items():
        alias = described.validation_alias
        yield str(alias.choices[0]) if isinstance(alias, AliasChoices) else str(alias or name)
