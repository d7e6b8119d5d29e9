"""What authors write below `mask` and `recognizers`, as pydantic models."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from difflib import get_close_matches
from types import MappingProxyType
from typing import Annotated, Final, Literal

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Discriminator,
    Field,
    PlainValidator,
    Tag,
    WithJsonSchema,
    model_validator,
)

from policy_middleware.model.authored_model import AuthoredModel
from policy_middleware.model.field_paths import parse_field_path
from policy_middleware.model.json_reading import JSON, kind_of, shown
from policy_middleware.model.policy import (
    EntityMask,
    FieldMask,
    HeaderMask,
    MaskOperator,
    MaskSpec,
    Operation,
    OwnRecognizer,
)

BY_NAME: Final = "(name)"
BY_OPTIONS: Final = "(options)"
"""Tags of the two ways to write an operator; pydantic puts them into paths, where no author wrote them."""

ENTITY_NAME: Final = re.compile(r"[A-Z][A-Z0-9_]{0,63}")
HEADER_NAME: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,200}")  # RFC 9110 section 5.6.2
LONGEST_PATTERN: Final = 1000
MOST_PATTERNS: Final = 64
"""Patterns that one document may bring: recognizers and those of one mask, each."""
SCAN: Final = "scan"

_SHOWN_BY_DEFAULT: Final = 4
_SHIFTED_BY_DEFAULT: Final = 365
_SHORT_FORMS: Final[Mapping[str, Operation]] = MappingProxyType(
    {
        **{operator.value: Operation(operator) for operator in MaskOperator},
        "partial": Operation(MaskOperator.PARTIAL, show_last=_SHOWN_BY_DEFAULT),
        "show_last_4": Operation(MaskOperator.PARTIAL, show_last=4),
        "show_first_4": Operation(MaskOperator.PARTIAL, show_first=4),
        "generalize": Operation(MaskOperator.GENERALIZE, to="year"),
        "date_shift": Operation(MaskOperator.DATE_SHIFT, days=_SHIFTED_BY_DEFAULT),
    }
)
"""Operators by name alone, with the parameters they then have."""
_OPERATORS: Final = {operator.value: operator for operator in MaskOperator}

_PARAMETERS: Final[Mapping[MaskOperator, frozenset[str]]] = MappingProxyType(
    {
        MaskOperator.PARTIAL: frozenset({"show_first", "show_last", "as_text"}),
        MaskOperator.REPLACE: frozenset({"text", "as_text"}),
        MaskOperator.HASH: frozenset({"as_text"}),
        MaskOperator.TOKENIZE: frozenset({"as_text"}),
        MaskOperator.ENCRYPT: frozenset({"as_text"}),
        MaskOperator.GENERALIZE: frozenset({"to", "bucket"}),
        MaskOperator.DATE_SHIFT: frozenset({"days"}),
        MaskOperator.CUSTOM: frozenset({"function", "as_text"}),
    }
)
_OF_WHOLE_VALUES: Final = frozenset({MaskOperator.NULLIFY, MaskOperator.DROP})
"""Operators that mean a value of a document and not a piece of text."""


def _operation_by_name(value: JSON) -> Operation:
    if not isinstance(value, str):
        raise ValueError(f"must be the name of an operator, not {kind_of(value)}")
    if value == MaskOperator.CUSTOM:
        raise ValueError('custom needs the name of its function: {"operator": "custom", "function": "..."}')
    found = _SHORT_FORMS.get(value)
    if found is None:
        raise ValueError(_unknown_operator(value, _SHORT_FORMS))
    return found


def _operator(value: JSON) -> MaskOperator:
    if not isinstance(value, str):
        raise ValueError(f"must be the name of an operator, not {kind_of(value)}")
    found = _OPERATORS.get(value)
    if found is None:
        raise ValueError(_unknown_operator(value, _OPERATORS))
    return found


def _unknown_operator(value: str, known: Mapping[str, object]) -> str:
    close = get_close_matches(value, known, 1)
    if close:
        return f"operator {shown(value)} is unknown; did you mean {close[0]!r}?"
    return f"operator {shown(value)} is unknown; there are {', '.join(known)}"


def _field_path(value: str) -> str:
    parse_field_path(value)
    return value


def _entity_name(value: str) -> str:
    if ENTITY_NAME.fullmatch(value) is None:
        raise ValueError(
            f"{shown(value)} is not the name of an entity; write up to 64 capital letters, digits and '_'"
        )
    return value


def _header_name(value: str) -> str:
    if HEADER_NAME.fullmatch(value) is None:
        raise ValueError(f"{shown(value)} is not the name of a header")
    return value


def _pattern(value: str) -> str:
    if not value:
        raise ValueError("is empty; write a pattern in RE2 syntax")
    if len(value) > LONGEST_PATTERN:
        raise ValueError(f"has {len(value)} characters; at most {LONGEST_PATTERN} are accepted")
    return value


def _bucket(value: float) -> float:
    if not math.isfinite(value) or value <= 0:
        raise ValueError(f"is {shown(value)}; write a number above 0")
    return value


def _way_of_masking(value: object) -> str:
    return BY_NAME if isinstance(value, str) else BY_OPTIONS


def _way_of_masking_a_header(value: object) -> str:
    return SCAN if value == SCAN else _way_of_masking(value)


FieldPathText = Annotated[str, AfterValidator(_field_path)]
EntityName = Annotated[str, AfterValidator(_entity_name)]
HeaderName = Annotated[str, AfterValidator(_header_name)]
PatternText = Annotated[
    str,
    AfterValidator(_pattern),
    WithJsonSchema({"type": "string", "minLength": 1, "maxLength": LONGEST_PATTERN}),
]
Shown = Annotated[int, Field(ge=0, le=100)]
_MEANINGS: Final = (
    "From weak to strict. keep: stays; custom: a function of the application; date_shift: dates move; "
    "generalize: a date becomes its year or month, a number a range; email_mask: XXXXX@domain; "
    "partial (show_last_4, show_first_4): some characters stay; encrypt: can be decrypted with the key; "
    "tokenize, hash: a pseudonym; replace: the name of what was found; redact: a fixed text; nullify: null; "
    "drop: the key goes."
)
OperationName = Annotated[
    Operation,
    PlainValidator(_operation_by_name),
    WithJsonSchema(
        {"enum": [name for name in _SHORT_FORMS if name != MaskOperator.CUSTOM], "description": _MEANINGS}
    ),
]
OperatorName = Annotated[
    MaskOperator,
    PlainValidator(_operator),
    WithJsonSchema({"enum": [*_OPERATORS], "description": _MEANINGS}),
]


class FieldMaskModel(AuthoredModel):
    """An operator with parameters."""

    operator: OperatorName
    show_first: Shown = Field(0, description="Characters that `partial` leaves readable at the beginning.")
    show_last: Shown = Field(
        0, description=f"... and at the end ({_SHOWN_BY_DEFAULT} when neither of the two is given)."
    )
    text: Annotated[str, Field(max_length=200)] = Field(
        "", description="What `replace` writes; else the name of what was found, such as <EMAIL_ADDRESS>."
    )
    to: Literal["year", "month"] = Field(
        "year", description="What is left of a date that is generalized (`generalize`)."
    )
    bucket: Annotated[
        float,
        BeforeValidator(lambda value: float(value) if type(value) is int else value),
        AfterValidator(_bucket),
    ] = Field(
        0.0,
        description="The width of the ranges that numbers fall into (`generalize`): its lower end is left.",
        json_schema_extra={"exclusiveMinimum": 0},
    )
    days: Annotated[int, Field(ge=1, le=36_500)] = Field(
        _SHIFTED_BY_DEFAULT, description="The most days by which `date_shift` moves dates, either way."
    )
    function: Annotated[str, Field(min_length=1, max_length=100)] = Field(
        "", description="The name under which the application registered the function of `custom`."
    )
    as_text: bool = Field(
        False, description="Numbers and booleans become text too; else they become 0 and false."
    )

    @model_validator(mode="after")
    def _consistent(self) -> FieldMaskModel:
        given = self.model_fields_set
        foreign = given - _PARAMETERS.get(self.operator, frozenset()) - {"operator", "pattern"}
        if foreign:
            name = min(foreign)
            owners = [owner.value for owner, names in _PARAMETERS.items() if name in names]
            raise ValueError(f"{name} belongs to {', '.join(owners)}, not to {self.operator}")
        if self.operator is MaskOperator.CUSTOM and not self.function:
            raise ValueError("custom needs the name of its function")
        if given & {"show_first", "show_last"} and self.show_first == self.show_last == 0:
            raise ValueError("shows no character at all; write redact instead")
        return self

    def operation(self) -> Operation:
        """Return what is written as a value."""
        operator, given = self.operator, self.model_fields_set
        default = _SHORT_FORMS[operator.value]
        partial = given & {"show_first", "show_last"}
        return Operation(
            operator,
            show_first=self.show_first if partial else default.show_first,
            show_last=self.show_last if partial else default.show_last,
            text=self.text if "text" in given else None,
            to=self.to if "to" in given or ("bucket" not in given and default.to) else None,
            bucket=self.bucket or None,
            days=self.days if operator is MaskOperator.DATE_SHIFT else 0,
            function=self.function or None,
            as_text=self.as_text,
        )


class PatternModel(FieldMaskModel):
    """A pattern of the author's own, and what is done to what it finds."""

    pattern: PatternText = Field(description="What is looked for, in RE2 syntax.")


def _of_text(written: Operation | FieldMaskModel) -> Operation | FieldMaskModel:
    operator = written.operator
    if operator in _OF_WHOLE_VALUES:
        raise ValueError(f"{operator} means a whole value, and this is a piece of text; write redact")
    return written


def _not_nullify(written: Operation | FieldMaskModel) -> Operation | FieldMaskModel:
    if written.operator is MaskOperator.NULLIFY:
        raise ValueError("nullify means a value of a body; write redact or drop")
    return written


OperationText = Annotated[
    Annotated[OperationName, Tag(BY_NAME)] | Annotated[FieldMaskModel, Tag(BY_OPTIONS)],
    Discriminator(_way_of_masking),
]
TextOperation = Annotated[OperationText, AfterValidator(_of_text)]
PatternMask = Annotated[PatternModel, AfterValidator(_of_text)]
HeaderOperation = Annotated[
    Annotated[Literal["scan"], Tag(SCAN)]
    | Annotated[OperationName, AfterValidator(_not_nullify), Tag(BY_NAME)]
    | Annotated[FieldMaskModel, AfterValidator(_not_nullify), Tag(BY_OPTIONS)],
    Discriminator(_way_of_masking_a_header),
]


class RecognizerModel(AuthoredModel):
    """Something of the tenant's own that is looked for in text."""

    pattern: PatternText = Field(description="What it looks like, in RE2 syntax.")
    description: str = Field("", description="What it is, for colleagues.")
    examples: list[str] = Field(
        default_factory=list, description="Texts that the pattern has to find; checked when published."
    )

    def named(self, entity: str) -> OwnRecognizer:
        """Return what is written as a value."""
        return OwnRecognizer(entity, self.pattern, tuple(self.examples))


Recognizers = Mapping[str, RecognizerModel]


class MaskModel(AuthoredModel):
    """What of a response is masked: places, what is found in text, headers."""

    fields_: dict[FieldPathText, OperationText] = Field(
        default_factory=dict,
        alias="fields",
        description="Field path (`customers[*].email`, `**.ssn`, `$..iban`) to operator.",
        examples=[{"customers[*].email": "redact", "**.iban": {"operator": "partial", "show_last": 4}}],
    )
    entities: dict[EntityName, TextOperation] = Field(
        default_factory=dict,
        description="What is looked for in all text (`policyctl mask recognizers` lists it) to operator.",
        examples=[{"EMAIL_ADDRESS": "replace", "CREDIT_CARD": "show_last_4"}],
    )
    patterns: Annotated[dict[EntityName, PatternMask], Field(max_length=MOST_PATTERNS)] = Field(
        default_factory=dict,
        description="Patterns of this rule's own, by the name under which finds are reported.",
        examples=[{"EMPLOYEE_ID": {"pattern": "\\bE-[0-9]{6}\\b", "operator": "tokenize"}}],
    )
    headers: dict[HeaderName, HeaderOperation] = Field(
        default_factory=dict,
        description="Response header to operator, or to `scan`: only what is found in it is masked.",
        examples=[{"X-Customer": "redact", "X-Note": "scan"}],
    )

    @model_validator(mode="after")
    def _names_something(self) -> MaskModel:
        if not (self.fields_ or self.entities or self.patterns or self.headers):
            raise ValueError("names nothing; write fields, entities, patterns or headers")
        lower = [name.lower() for name in self.headers]
        if len({*lower}) < len(lower):
            raise ValueError("names a header twice; their case does not count")
        return self

    def spec(self, recognizers: Recognizers) -> MaskSpec:
        """Return what is masked as a value; `recognizers` are those of the document."""
        return MaskSpec(
            tuple(FieldMask(path, _operation(written)) for path, written in self.fields_.items()),
            (
                *(
                    EntityMask(name, _operation(written), _own_pattern(recognizers, name))
                    for name, written in self.entities.items()
                ),
                *(
                    EntityMask(name, written.operation(), written.pattern)
                    for name, written in self.patterns.items()
                ),
            ),
            tuple(
                HeaderMask(name.lower(), None if isinstance(written, str) else _operation(written))
                for name, written in self.headers.items()
            ),
        )


def _operation(written: Operation | FieldMaskModel) -> Operation:
    return written.operation() if isinstance(written, FieldMaskModel) else written


def _own_pattern(recognizers: Recognizers, name: str) -> str | None:
    own = recognizers.get(name)
    return None if own is None else own.pattern
