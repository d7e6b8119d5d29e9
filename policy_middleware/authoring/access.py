"""Whether a change of a policy lets more through or less, where that is certain without looking at requests.

Every claim holds for each change by itself and for any sequence of changes with the same claim. It is about
what is decided, in the order allow, mask, require_approval, deny.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from enum import StrEnum

from policy_middleware.authoring.implication import Reading, follows
from policy_middleware.model.conditions import Condition
from policy_middleware.model.effect import Effect
from policy_middleware.model.policy import (
    ApprovalSpec,
    Combine,
    LimitSpec,
    MaskOperator,
    MaskSpec,
    Operation,
    PolicyDocument,
    Rule,
)


class Access(StrEnum):
    """What a change does to access."""

    SAME = "same"
    WIDER = "wider"
    NARROWER = "narrower"
    UNCERTAIN = "uncertain"

    @property
    def reverse(self) -> Access:
        """What undoing the change does."""
        return _REVERSE.get(self, self)


_REVERSE = {Access.WIDER: Access.NARROWER, Access.NARROWER: Access.WIDER}


def together(changes: Iterable[Access]) -> Access:
    """Return what several changes do at once."""
    kinds = set(changes) - {Access.SAME}
    if len(kinds) > 1:
        return Access.UNCERTAIN
    return kinds.pop() if kinds else Access.SAME


def default_changed(before: Effect | None, after: Effect | None) -> Access:
    """Return what another default does."""
    return _by_size(_strictness(before), _strictness(after))


def combine_changed(before: Combine, after: Combine) -> Access:
    """Return what another way of combining does: when every matching rule counts, nothing gets weaker."""
    if before is after:
        return Access.SAME
    return Access.NARROWER if after is Combine.MOST_RESTRICTIVE else Access.WIDER


def rule_added(rule: Rule, before: PolicyDocument, after: PolicyDocument) -> Access:
    """Return what a further rule does; both documents are needed for what else there is and was."""
    return _more_requests(rule, before, after) if in_force(rule) else Access.SAME


def rule_moved(rule: Rule, combine: Combine, *, up: bool) -> Access:
    """Return what it does to move a rule past others."""
    if combine is Combine.MOST_RESTRICTIVE or not in_force(rule):
        return Access.SAME
    if rule.effect is Effect.DENY:
        return Access.NARROWER if up else Access.WIDER
    if rule.effect is Effect.ALLOW:
        return Access.WIDER if up else Access.NARROWER
    return Access.UNCERTAIN


def rule_changed(old: Rule, new: Rule, before: PolicyDocument, after: PolicyDocument) -> Access:
    """Return what it does to replace a rule where it stands."""
    if not in_force(old):
        return rule_added(new, before, after)
    if not in_force(new):
        return rule_added(old, before, after).reverse
    # One step after the other: first which requests the rule is about, then what it does to them.
    steps = [_reach(old, new, before, after), _by_size(old.effect.strictness, new.effect.strictness)]
    if old.effect is new.effect is Effect.MASK:
        steps.append(_masks(old.mask or MaskSpec(), new.mask or MaskSpec()))
    if old.effect is new.effect is Effect.REQUIRE_APPROVAL:
        steps.append(_approvals(old.approval or ApprovalSpec(), new.approval or ApprovalSpec()))
    return together(steps)


def in_force(rule: Rule) -> bool:
    """True for a rule that is enforced (now, or while it is valid)."""
    return rule.enabled and not rule.observe


def _by_size(before: float, after: float) -> Access:
    """Return what it does when something that restricts becomes larger or smaller."""
    if before == after:
        return Access.SAME
    return Access.NARROWER if after > before else Access.WIDER


def _strictness(effect: Effect | None) -> int:
    return -1 if effect is None else effect.strictness


def _more_requests(rule: Rule, before: PolicyDocument, after: PolicyDocument) -> Access:
    """Return what it does when a rule concerns further requests."""
    if rule.effect is Effect.ALLOW:
        return Access.WIDER
    others = [one.effect for document in (before, after) for one in document.rules if one.id != rule.id]
    defaults = [document.default for document in (before, after)]
    # Where nothing else is as strict, the rule can only replace something weaker.
    if all(_strictness(one) < rule.effect.strictness for one in (*others, *defaults)):
        return Access.NARROWER
    return Access.NARROWER if rule.effect is Effect.DENY else Access.UNCERTAIN


def _reach(old: Rule, new: Rule, before: PolicyDocument, after: PolicyDocument) -> Access:
    more = _more_requests(replace(old, id=new.id), before, after)
    steps = []
    for fewer_before, further in (
        (_at_least(new.valid_from, old.valid_from), _at_least(old.valid_from, new.valid_from)),
        (_at_most(new.valid_until, old.valid_until), _at_most(old.valid_until, new.valid_until)),
        (_within(new.when, old.when, old.effect), _within(old.when, new.when, old.effect)),
    ):
        if fewer_before and further:
            steps.append(Access.SAME)
        elif further:
            steps.append(more)
        else:
            steps.append(more.reverse if fewer_before else Access.UNCERTAIN)
    return together([*steps, _room(old.limit, new.limit)])


def _room(old: LimitSpec | None, new: LimitSpec | None) -> Access:
    """Return what it does when an allow rule gets, loses or changes its limit."""
    if old is None or new is None:
        return _by_size(old is not None, new is not None)
    if (old.per, old.within) != (new.per, new.within):
        return Access.UNCERTAIN
    return _by_size(new.max, old.max)


def _at_least(late: float | None, early: float | None) -> bool:
    return early is None or (late is not None and late >= early)


def _at_most(early: float | None, late: float | None) -> bool:
    return late is None or (early is not None and early <= late)


def _within(small: Condition, large: Condition, effect: Effect) -> bool:
    """True when a rule with the condition `large` counts wherever one with `small` does."""
    readings = {
        Effect.ALLOW: (Reading.HOLDS,),
        Effect.DENY: (Reading.MAY_HOLD,),
    }.get(effect, (Reading.HOLDS, Reading.MAY_HOLD))
    return all(follows(small, large, reading, reading) for reading in readings)


def _masks(old: MaskSpec, new: MaskSpec) -> Access:
    before, after = _places(old), _places(new)
    steps = [Access.NARROWER] * bool(after.keys() - before.keys())
    steps += [Access.WIDER] * bool(before.keys() - after.keys())
    steps += [_operation(before[place], after[place]) for place in before.keys() & after.keys()]
    return together(steps)


def _places(mask: MaskSpec) -> dict[tuple[str, ...], Operation]:
    """Return what happens where; a `keep` masks nothing (that it takes places out of a search is rare)."""
    places: dict[tuple[str, ...], Operation] = {
        **{("field", field.path): field.operation for field in mask.fields},
        **{("entity", entity.entity, entity.pattern or ""): entity.operation for entity in mask.entities},
        **{("header", header.name): header.operation or _SCANNED for header in mask.headers},
    }
    return {
        place: operation for place, operation in places.items() if operation.operator is not MaskOperator.KEEP
    }


_SCANNED = Operation(MaskOperator.CUSTOM, function="scan")
"""Stands for a header of which only what is found is masked."""


def _operation(before: Operation, after: Operation) -> Access:
    if before.operator is not after.operator:
        operators = list(MaskOperator)
        return _by_size(operators.index(before.operator), operators.index(after.operator))
    shown = replace(before, show_first=after.show_first, show_last=after.show_last)
    if shown != after:
        return Access.UNCERTAIN
    return together(
        [_by_size(-before.show_first, -after.show_first), _by_size(-before.show_last, -after.show_last)]
    )


def _approvals(old: ApprovalSpec, new: ApprovalSpec) -> Access:
    fewer = follows(new.approvers, old.approvers, Reading.HOLDS, Reading.HOLDS)
    more = follows(old.approvers, new.approvers, Reading.HOLDS, Reading.HOLDS)
    approvers = Access.NARROWER if fewer else Access.WIDER if more else Access.UNCERTAIN
    return together(
        [
            Access.SAME if fewer and more else approvers,
            _by_size(old.required, new.required),
            _by_size(-old.expires_in, -new.expires_in),
            _by_size(-old.use_within, -new.use_within),
            _by_size(old.host_verified, new.host_verified),
            Access.SAME if old.escalation == new.escalation else Access.UNCERTAIN,
        ]
    )
