"""What a policy document is once it has been validated: frozen values, ready to be compiled."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from policy_middleware.model.conditions import ALWAYS, AllOf, Condition, Count, Operator
from policy_middleware.model.effect import Effect


class Combine(StrEnum):
    """How the rules of one document meet."""

    FIRST_MATCH = "first_match"
    MOST_RESTRICTIVE = "most_restrictive"


class MaskOperator(StrEnum):
    """What happens to a value that is masked, in rising strictness."""

    PARTIAL = "partial"
    REDACT = "redact"
    NULLIFY = "nullify"
    DROP = "drop"


@dataclass(frozen=True, slots=True)
class FieldMask:
    """One masked place of a JSON body.

    `path` is a dotted path with `[*]`, `[3]`, `*` (one segment) and `**` (any depth). `show_first` and
    `show_last` count the characters that `partial` leaves readable at either end.
    """

    path: str
    operator: MaskOperator
    show_first: int = 0
    show_last: int = 0


@dataclass(frozen=True, slots=True)
class MaskSpec:
    """Everything a mask obligation covers; `|` unites two of them."""

    fields: tuple[FieldMask, ...] = ()

    def __or__(self, other: MaskSpec) -> MaskSpec:
        return MaskSpec(tuple(dict.fromkeys(self.fields + other.fields)))


@dataclass(frozen=True, slots=True)
class EscalationSpec:
    """Who may agree as well, once the question has stood for `after` seconds."""

    after: float
    approvers: Condition


@dataclass(frozen=True, slots=True)
class ApprovalSpec:
    """Who must agree, and for how long the question and the answer stand (seconds).

    `host_verified`: only people count whom the host application has authenticated.
    """

    approvers: Condition = ALWAYS
    required: int = 1
    expires_in: float = 4 * 3600.0
    use_within: float = 3600.0
    host_verified: bool = False
    escalation: EscalationSpec | None = None


@dataclass(frozen=True, slots=True)
class LimitSpec:
    """At most `max` allowed requests per combination of `per` attributes within `within` seconds."""

    per: tuple[str, ...]
    within: float
    max: int
    owner: str = ""
    """The rule it belongs to, as `document/rule id`."""

    @property
    def room(self) -> Count:
        """The condition that one more request may pass."""
        return Count(self.per, self.within, Operator.LT, self.max, owner=self.owner)


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule of a document; times are seconds since the epoch, None where open-ended.

    `digest` is the SHA-256 hex digest of the rule's canonical JSON: two rules with one digest are the same.
    """

    id: str
    when: Condition
    effect: Effect
    reason: str
    digest: str
    note: str | None = None
    enabled: bool = True
    observe: bool = False
    valid_from: float | None = None
    valid_until: float | None = None
    mask: MaskSpec | None = None
    approval: ApprovalSpec | None = None
    limit: LimitSpec | None = None

    @property
    def condition(self) -> Condition:
        """All that has to hold for the rule to count: its `when`, and room left by its limit."""
        return self.when if self.limit is None else AllOf((self.when, self.limit.room))

    def active_at(self, now: float) -> bool:
        """True when the rule is switched on at `now` (`valid_from` inclusive, `valid_until` exclusive)."""
        return (
            self.enabled
            and (self.valid_from is None or self.valid_from <= now)
            and (self.valid_until is None or now < self.valid_until)
        )


@dataclass(frozen=True, slots=True)
class PolicyDocument:
    """All rules of one tenant, or a guardrail for every tenant (then `default` is None).

    `warnings` are the validator's remarks on a document that is valid nevertheless.
    """

    name: str
    rules: tuple[Rule, ...]
    default: Effect | None
    combine: Combine = Combine.FIRST_MATCH
    description: str | None = None
    metadata: Mapping[str, object] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
