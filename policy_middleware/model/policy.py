"""What a policy document is once it has been validated: frozen values, ready to be compiled."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Final

from policy_middleware.model.conditions import ALWAYS, AllOf, Condition, Count, Operator
from policy_middleware.model.effect import Effect


class Combine(StrEnum):
    """How the rules of one document meet."""

    FIRST_MATCH = "first_match"
    MOST_RESTRICTIVE = "most_restrictive"


class MaskOperator(StrEnum):
    """What happens to a value that is masked, in rising strictness: the less is left to read, the later."""

    KEEP = "keep"
    CUSTOM = "custom"
    DATE_SHIFT = "date_shift"
    GENERALIZE = "generalize"
    EMAIL_MASK = "email_mask"
    PARTIAL = "partial"
    ENCRYPT = "encrypt"
    TOKENIZE = "tokenize"
    HASH = "hash"
    REPLACE = "replace"
    REDACT = "redact"
    NULLIFY = "nullify"
    DROP = "drop"


KEYED_OPERATORS: Final = frozenset(
    {MaskOperator.DATE_SHIFT, MaskOperator.ENCRYPT, MaskOperator.TOKENIZE, MaskOperator.HASH}
)
"""Operators that need the tenant's mask key."""
REVEALING_OPERATORS: Final = frozenset(
    {
        MaskOperator.KEEP,
        MaskOperator.CUSTOM,
        MaskOperator.DATE_SHIFT,
        MaskOperator.GENERALIZE,
        MaskOperator.EMAIL_MASK,
        MaskOperator.PARTIAL,
    }
)
"""Operators that leave something of a value to read; two of them may each show what the other hides."""


@dataclass(frozen=True, slots=True)
class Operation:
    """An operator and its parameters; each belongs to the operators named.

    `show_first` and `show_last` count the characters that `partial` leaves readable at either end. `text` is
    what `replace` writes (None: the name of what was found). `to` is what dates become under `generalize`,
    `bucket` the width of the ranges numbers fall into. `days` bounds the shift of `date_shift`. `function` is
    the name of a `custom` operator. `as_text` lets an operator that makes text of numbers do so. `beside` are
    entities of other masks that a value which still shows something must not hold; see `MaskSpec.__or__`.
    """

    operator: MaskOperator
    show_first: int = 0
    show_last: int = 0
    text: str | None = None
    to: str | None = None
    bucket: float | None = None
    days: int = 0
    function: str | None = None
    as_text: bool = False
    beside: tuple[EntityMask, ...] = ()


@dataclass(frozen=True, slots=True)
class FieldMask:
    """One masked place of a JSON body.

    `path` is a dotted path with `[*]`, `[3]`, `*` (one segment) and `**` (any depth), or JSONPath (RFC 9535)
    when it starts with `$`.
    """

    path: str
    operation: Operation

    @property
    def operator(self) -> MaskOperator:
        """What happens there."""
        return self.operation.operator


@dataclass(frozen=True, slots=True)
class EntityMask:
    """Something that is looked for in all text: a recogniser's name, or a name and a pattern (RE2) for it."""

    entity: str
    operation: Operation
    pattern: str | None = None


@dataclass(frozen=True, slots=True)
class HeaderMask:
    """A response header by its lower-case name; without an operation its value is searched for entities."""

    name: str
    operation: Operation | None = None


@dataclass(frozen=True, slots=True)
class MaskSpec:
    """Everything a mask obligation covers; `|` unites two of them."""

    fields: tuple[FieldMask, ...] = ()
    entities: tuple[EntityMask, ...] = ()
    headers: tuple[HeaderMask, ...] = ()
    _hash: int = field(init=False, repr=False, compare=False)
    """Known from the beginning: each masked response looks up by its mask the masker that was made of it."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "_hash", hash((self.fields, self.entities, self.headers)))

    def __hash__(self) -> int:
        return self._hash

    @property
    def needs_key(self) -> bool:
        """True when some operator works with the tenant's mask key."""
        operations = [mask.operation for mask in self.fields]
        operations += [mask.operation for mask in self.entities]
        operations += [mask.operation for mask in self.headers if mask.operation is not None]
        return any(operation.operator in KEYED_OPERATORS for operation in operations)

    def __or__(self, other: MaskSpec) -> MaskSpec:
        """Return the mask of both.

        A field takes its place out of the search for entities, but not for those of another mask, unless that
        one says the same of the place: a `keep` goes, and an operator that leaves something of a value to
        read is told what must not be in it.
        """
        return MaskSpec(
            tuple(dict.fromkeys((*self._fields_beside(other), *other._fields_beside(self)))),
            tuple(dict.fromkeys(self.entities + other.entities)),
            tuple(dict.fromkeys((*self._headers_beside(other), *other._headers_beside(self)))),
        )

    def _fields_beside(self, other: MaskSpec) -> Iterator[FieldMask]:
        for mask in self.fields:
            if mask in other.fields:
                yield mask
            elif (operation := _beside(mask.operation, other.entities)) is not None:
                yield mask if operation is mask.operation else FieldMask(mask.path, operation)

    def _headers_beside(self, other: MaskSpec) -> Iterator[HeaderMask]:
        for header in self.headers:
            if header.operation is None or header in other.headers:
                yield header
            elif (operation := _beside(header.operation, other.entities)) is not None:
                yield header if operation is header.operation else HeaderMask(header.name, operation)


def _beside(operation: Operation, entities: tuple[EntityMask, ...]) -> Operation | None:
    """Return what an operation becomes beside the entities of another mask; None: it does not hold."""
    if not entities or operation.operator not in REVEALING_OPERATORS:
        return operation
    if operation.operator is MaskOperator.KEEP:
        return None
    return replace(operation, beside=tuple(dict.fromkeys(operation.beside + entities)))


@dataclass(frozen=True, slots=True)
class EscalationSpec:
    """Who may agree as well, once the question has stood for `after` seconds."""

    after: float
    approvers: Condition


@dataclass(frozen=True, slots=True)
class OwnRecognizer:
    """An entity of a tenant's own: the pattern (RE2) that finds it, and texts that it has to find."""

    entity: str
    pattern: str
    examples: tuple[str, ...] = ()


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
    recognizers: tuple[OwnRecognizer, ...] = ()
