"""What authors write, as pydantic models: unknown keys are refused and nothing is coerced."""

from __future__ import annotations

import re
from difflib import get_close_matches
from typing import Annotated, Final, Literal

from pydantic import (
    AfterValidator,
    AliasChoices,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    PlainValidator,
    Tag,
    WithJsonSchema,
)

from policy_middleware.model.conditions import ALWAYS
from policy_middleware.model.count_parser import MOST_COUNTED, parse_per
from policy_middleware.model.field_paths import parse_field_path
from policy_middleware.model.json_reading import JSON, MAX_NESTING, kind_of, shown
from policy_middleware.model.policy import (
    ApprovalSpec,
    EscalationSpec,
    FieldMask,
    LimitSpec,
    MaskOperator,
    MaskSpec,
)
from policy_middleware.model.times import DURATION, MOMENT_EXAMPLE, duration_seconds, moment_seconds
from policy_middleware.model.when_parser import ParsedWhen, parse_approvers, parse_when

RULE_ID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,127}")
LONGEST_REASON: Final = 1000
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
"""Line breaks, control characters, and those that reorder text on a screen (CVE-2021-42574)."""

BY_NAME: Final = "(name)"
BY_OPTIONS: Final = "(options)"
"""Tags of the two ways to write a field's mask; pydantic puts them into paths, where no author wrote them."""

DEFINITION: Final = "definition"
"""Names a definition that schema.py adds; pydantic accepts references to its own definitions only."""

_DEFAULT_APPROVAL: Final = ApprovalSpec()
_PARTIAL_LAST: Final = 4
_SHOWING: Final = frozenset({"show_first", "show_last"})
_MASK_OPERATORS: Final = {operator.value: operator for operator in MaskOperator}


def _rule_id(value: str) -> str:
    if RULE_ID.fullmatch(value) is None:
        raise ValueError(
            f"{shown(value)} is not an id; write 1-128 letters, digits, '.', '_', ':' or '-', "
            "beginning with a letter or digit"
        )
    return value


def _one_line(value: str) -> str:
    if not value.strip():
        raise ValueError("is empty; say why, in words the client may read")
    if len(value) > LONGEST_REASON:
        raise ValueError(f"has {len(value)} characters; at most {LONGEST_REASON} are accepted")
    if _CONTROL.search(value):
        raise ValueError("holds a line break or control character; write one line of plain text")
    return value


def _known_version(value: int) -> int:
    if value != 1:
        raise ValueError(f"is {value}; this version of the package reads schema 1")
    return value


def _not_null(value: object) -> object:
    if value is None:
        raise ValueError("is null; leave it out instead")
    return value


def _shallow(value: dict[str, object]) -> dict[str, object]:
    level: list[object] = [value]
    for _ in range(MAX_NESTING):
        level = [
            inner
            for outer in level
            if isinstance(outer, (dict, list))
            for inner in (outer.values() if isinstance(outer, dict) else outer)
        ]
        if not level:
            return value
    raise ValueError(f"is nested deeper than {MAX_NESTING} levels")


def _mask_operator(value: JSON) -> MaskOperator:
    if isinstance(value, str) and value in _MASK_OPERATORS:
        return _MASK_OPERATORS[value]
    if not isinstance(value, str):
        raise ValueError(f"must be the name of an operator, not {kind_of(value)}")
    close = get_close_matches(value, _MASK_OPERATORS, 1)
    if close:
        raise ValueError(f"operator {shown(value)} is unknown; did you mean {close[0]!r}?")
    raise ValueError(f"operator {shown(value)} is not built yet; there are {', '.join(_MASK_OPERATORS)}")


def _field_path(value: str) -> str:
    parse_field_path(value)
    return value


def _way_of_masking(value: object) -> str:
    return BY_NAME if isinstance(value, str) else BY_OPTIONS


When = Annotated[
    ParsedWhen, PlainValidator(parse_when), WithJsonSchema({DEFINITION: "when"}, mode="validation")
]
Approvers = Annotated[
    ParsedWhen,
    PlainValidator(parse_approvers),
    WithJsonSchema({DEFINITION: "when"}, mode="validation"),
]
Moment = Annotated[
    float | None,
    PlainValidator(moment_seconds),
    WithJsonSchema({"type": "string", "format": "date-time", "examples": [MOMENT_EXAMPLE]}),
]
Duration = Annotated[
    float,
    PlainValidator(duration_seconds),
    WithJsonSchema(
        {"type": "string", "pattern": f"^{DURATION.pattern}$", "examples": ["90s", "30m", "4h", "7d"]}
    ),
]
Per = Annotated[
    tuple[str, ...],
    PlainValidator(parse_per),
    WithJsonSchema({"type": "array", "items": {DEFINITION: "attribute"}, "minItems": 1, "uniqueItems": True}),
]
MaskOperatorName = Annotated[
    MaskOperator,
    PlainValidator(_mask_operator),
    WithJsonSchema(
        {
            "enum": [*_MASK_OPERATORS],
            "description": "redact: a fixed text; partial: some characters stay; nullify: null; "
            "drop: the key goes.",
        }
    ),
]
FieldPathText = Annotated[str, AfterValidator(_field_path)]
Shown = Annotated[int, Field(ge=0, le=100)]


class AuthoredModel(BaseModel):
    """Base of what is read from a document: no unknown key, no conversion."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class FieldMaskModel(AuthoredModel):
    """How one field is masked."""

    operator: MaskOperatorName
    show_first: Shown = Field(0, description="Characters that `partial` leaves readable at the beginning.")
    show_last: Shown = Field(
        0, description=f"... and at the end ({_PARTIAL_LAST} when neither of the two is given)."
    )

    def applied_to(self, path: str) -> FieldMask:
        """Return the mask of the field at `path`."""
        if self.operator is MaskOperator.PARTIAL and not self.model_fields_set & _SHOWING:
            return _by_name(path, self.operator)
        return FieldMask(path, self.operator, self.show_first, self.show_last)


def _by_name(path: str, operator: MaskOperator) -> FieldMask:
    return FieldMask(path, operator, show_last=_PARTIAL_LAST if operator is MaskOperator.PARTIAL else 0)


def _consistent(mask: FieldMaskModel) -> FieldMaskModel:
    if not mask.model_fields_set & _SHOWING:
        return mask
    if mask.operator is not MaskOperator.PARTIAL:
        raise ValueError(f"only partial shows characters; {mask.operator} shows none")
    if mask.show_first == mask.show_last == 0:
        raise ValueError("shows no character at all; write redact instead")
    return mask


FieldMaskText = Annotated[
    Annotated[MaskOperatorName, Tag(BY_NAME)]
    | Annotated[FieldMaskModel, AfterValidator(_consistent), Tag(BY_OPTIONS)],
    Discriminator(_way_of_masking),
]


class MaskModel(AuthoredModel):
    """What of a JSON response is masked."""

    fields_: dict[FieldPathText, FieldMaskText] = Field(
        alias="fields",
        min_length=1,
        description="Field path (`customers[*].email`, `**.ssn`) to operator.",
        examples=[{"customers[*].email": "redact", "**.iban": {"operator": "partial", "show_last": 4}}],
    )

    def spec(self) -> MaskSpec:
        """Return what is masked as a value."""
        return MaskSpec(
            tuple(
                mask.applied_to(path) if isinstance(mask, FieldMaskModel) else _by_name(path, mask)
                for path, mask in self.fields_.items()
            )
        )


class EscalationModel(AuthoredModel):
    """Who may agree as well when nobody has for a while."""

    after: Duration = Field(description="How long the question stands before they are asked too.")
    approvers: Approvers = Field(description="What holds for one of them: role, user, subject.*.")


class ApprovalModel(AuthoredModel):
    """Who has to agree before the request may run."""

    approvers: Approvers = Field(
        default=ParsedWhen(ALWAYS),
        description="What holds for an approver: role, user, subject.*. Absent: anyone but the requester.",
    )
    required: Annotated[int, Field(ge=1, le=100)] = Field(
        _DEFAULT_APPROVAL.required, description="How many different people have to agree."
    )
    expires_in: Duration = Field(
        _DEFAULT_APPROVAL.expires_in, description="How long the question stands (4h)."
    )
    use_within: Duration = Field(
        _DEFAULT_APPROVAL.use_within, description="How long an approval can be used once given (1h)."
    )
    verified: Literal["host", "asserted"] = Field(
        "asserted",
        description="host: only votes count of people whom the application itself has authenticated.",
    )
    escalate: Annotated[EscalationModel | None, BeforeValidator(_not_null)] = Field(
        None, description="Who may agree as well when nobody has for a while."
    )

    def spec(self) -> ApprovalSpec:
        """Return who has to agree as a value."""
        second = self.escalate
        return ApprovalSpec(
            self.approvers.condition,
            self.required,
            self.expires_in,
            self.use_within,
            self.verified == "host",
            None if second is None else EscalationSpec(second.after, second.approvers.condition),
        )


class LimitModel(AuthoredModel):
    """How often an allow rule allows."""

    per: Per = Field(description="Attributes that are counted together.")
    within: Duration = Field(description="The time that is looked back.")
    max: Annotated[int, Field(ge=1, le=MOST_COUNTED)] = Field(
        description="How many requests are allowed in that time."
    )

    def spec(self, owner: str) -> LimitSpec:
        """Return the limit of the rule `owner` (`document/rule id`) as a value."""
        return LimitSpec(self.per, self.within, self.max, owner)


class RuleModel(AuthoredModel):
    """One rule; the first whose `when` holds decides."""

    id: Annotated[str, AfterValidator(_rule_id)] = Field(
        description="Names the rule in decisions, logs and approvals; unique in the document.",
        json_schema_extra={"pattern": f"^{RULE_ID.pattern}$"},
    )
    enabled: bool = Field(True, description="False switches the rule off.")
    mode: Literal["enforce", "observe"] = Field(
        "enforce", description="observe: the rule never decides, what it would have done is recorded."
    )
    valid_from: Moment = Field(None, description="The rule is off before this moment.")
    valid_until: Moment = Field(None, description="The rule is off from this moment on.")
    when: When = Field(
        validation_alias=AliasChoices("when", "conditions"),
        description="All entries have to hold; {} always holds.",
    )
    effect: Literal["allow", "deny", "mask", "require_approval"] = Field(
        validation_alias=AliasChoices("effect", "action"), description="What happens to the request."
    )
    reason: Annotated[str, AfterValidator(_one_line)] = Field(
        description="Why, in one line. Public: the client reads it.", json_schema_extra={"pattern": r"\S"}
    )
    note: str = Field("", description="A remark for colleagues; never sent to clients.")
    mask: Annotated[MaskModel | None, BeforeValidator(_not_null)] = Field(
        None, description="What is masked; belongs to effect mask."
    )
    approval: Annotated[ApprovalModel | None, BeforeValidator(_not_null)] = Field(
        None, description="Who has to agree; belongs to effect require_approval."
    )
    limit: Annotated[LimitModel | None, BeforeValidator(_not_null)] = Field(
        None, description="How often an allow rule allows."
    )


class DocumentModel(AuthoredModel):
    """All rules of one tenant, or a guardrail for every tenant."""

    schema_uri: str = Field("", alias="$schema", description="Where editors find this schema.")
    schema_version: Annotated[int, AfterValidator(_known_version)] = Field(
        1,
        alias="schema",
        description="The version of the document format.",
        json_schema_extra={"const": 1},
    )
    description: str = Field("", description="What this document is for.")
    metadata: Annotated[dict[str, object], AfterValidator(_shallow)] = Field(
        default_factory=dict, description="Anything worth keeping: owner, ticket, ..."
    )
    default: Annotated[Literal["allow", "deny"] | None, BeforeValidator(_not_null)] = Field(
        None, description="What happens when no rule decides. Mandatory, but absent in _global and _incident."
    )
    combine: Literal["first_match", "most_restrictive"] = Field(
        "first_match", description="most_restrictive: every matching rule counts and the strictest wins."
    )
    rules: list[RuleModel] = Field(description="In order: the first rule that holds decides.")
