"""What authors write, as pydantic models: unknown keys are refused and nothing is coerced."""

from __future__ import annotations

import re
from typing import Annotated, Final, Literal

from pydantic import (
    AfterValidator,
    AliasChoices,
    BeforeValidator,
    Field,
    PlainValidator,
    WithJsonSchema,
)

from policy_middleware.model.authored_model import AuthoredModel
from policy_middleware.model.conditions import ALWAYS
from policy_middleware.model.count_parser import MOST_COUNTED, parse_per
from policy_middleware.model.json_reading import MAX_NESTING, shown
from policy_middleware.model.mask_models import MOST_PATTERNS, EntityName, MaskModel, RecognizerModel
from policy_middleware.model.policy import ApprovalSpec, EscalationSpec, LimitSpec
from policy_middleware.model.times import DURATION, MOMENT_EXAMPLE, duration_seconds, moment_seconds
from policy_middleware.model.when_parser import ParsedWhen, parse_approvers, parse_when

RULE_ID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,127}")
LONGEST_REASON: Final = 1000
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
"""Line breaks, control characters, and those that reorder text on a screen (CVE-2021-42574)."""

DEFINITION: Final = "definition"
"""Names a definition that schema.py adds; pydantic accepts references to its own definitions only."""

_DEFAULT_APPROVAL: Final = ApprovalSpec()


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
    recognizers: Annotated[dict[EntityName, RecognizerModel], Field(max_length=MOST_PATTERNS)] = Field(
        default_factory=dict,
        description="What else is looked for in text, by the name that `entities` of a mask call it.",
        examples=[{"EMPLOYEE_ID": {"pattern": "\\bE-[0-9]{6}\\b", "examples": ["E-004711"]}}],
    )
    rules: list[RuleModel] = Field(description="In order: the first rule that holds decides.")
