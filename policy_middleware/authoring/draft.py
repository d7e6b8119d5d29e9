"""A valid document beside the text it was read from, as the checks look at it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from policy_middleware.authoring.implication import Reading, can_count
from policy_middleware.model.json_reading import JSON, Path
from policy_middleware.model.operands import OPERANDS
from policy_middleware.model.policy import PolicyDocument, Rule
from policy_middleware.model.vocabulary import canonical_attribute


@dataclass(frozen=True, slots=True)
class KnownNames:
    """What an application knows; None: that is not known, so nothing is said about it."""

    actions: frozenset[str] | None = None
    tags: frozenset[str] | None = None
    roles: frozenset[str] | None = None


@dataclass(frozen=True, slots=True)
class Draft:
    """A document under examination at the moment `now` (seconds since the epoch).

    `written` holds the rules as their author wrote them; `bare` says that they were a bare list.
    """

    document: PolicyDocument
    written: Sequence[Mapping[str, JSON]]
    bare: bool
    now: float
    known: KnownNames = field(default_factory=KnownNames)

    def path(self, index: int, *inner: str | int) -> Path:
        """Return the path of a rule, or of something inside it."""
        return (index, *inner) if self.bare else ("rules", index, *inner)

    def when(self, index: int) -> Path:
        """Return the path of a rule's condition, under the key its author chose."""
        return self.path(index, "when" if "when" in self.written[index] else "conditions")

    def over(self, rule: Rule) -> bool:
        """True when a rule will never be on again by itself."""
        return not rule.enabled or (rule.valid_until is not None and rule.valid_until <= self.now)

    def living(self) -> Iterator[tuple[int, Rule]]:
        """Yield the rules that are on, or will be, and can count."""
        for index, rule in enumerate(self.document.rules):
            reading = Reading.MAY_HOLD if rule.effect.restricts else Reading.HOLDS
            if not self.over(rule) and can_count(rule.when, reading):
                yield index, rule


@dataclass(frozen=True, slots=True)
class WrittenComparison:
    """One comparison as its author wrote it; `negated` when it stands below an odd number of `not`."""

    path: Path
    attribute: str
    operator: str
    operand: JSON
    negated: bool
    nested: bool

    def texts(self) -> list[str]:
        """Return the texts it compares with."""
        operands = self.operand if isinstance(self.operand, list) else [self.operand]
        return [one for one in operands if isinstance(one, str)]


def written_comparisons(
    when: JSON, path: Path, *, negated: bool = False, nested: bool = False
) -> Iterator[WrittenComparison]:
    """Yield the comparisons of a valid condition; `nested` ones stand below `any` or `not`."""
    for key, value in when.items() if isinstance(when, dict) else ():
        inner = (*path, key)
        if key == "not":
            yield from written_comparisons(value, inner, negated=not negated, nested=True)
        elif key in ("all", "any"):
            for index, item in enumerate(value if isinstance(value, list) else ()):
                yield from written_comparisons(
                    item, (*inner, index), negated=negated, nested=nested or key == "any"
                )
        elif (attribute := canonical_attribute(key)) is not None:
            if not isinstance(value, dict):
                yield WrittenComparison(inner, attribute, "eq", value, negated, nested)
                continue
            for operator, operand in value.items():
                if operator in OPERANDS:
                    yield WrittenComparison((*inner, operator), attribute, operator, operand, negated, nested)
