"""What has to be tidied up: rules that are over, reasons of no use, approvals that nobody can give."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from policy_middleware.authoring.draft import Draft
from policy_middleware.authoring.findings import Code, Remark
from policy_middleware.authoring.implication import Reading, alternatives, can_count
from policy_middleware.authoring.value_states import Asked
from policy_middleware.model.conditions import ALWAYS, Condition, Operator
from policy_middleware.model.effect import Effect
from policy_middleware.model.policy import Rule
from policy_middleware.model.times import format_time
from policy_middleware.model.vocabulary import INCIDENT, ROOTS, SINGLE_ATTRIBUTES

SOON_SECONDS: Final = 7 * 86400.0
_NAMING: Final = frozenset({Operator.EQ, Operator.IN})

_GROUPS: Final = "|".join(sorted(ROOTS - SINGLE_ATTRIBUTES))
_INTERNALS: Final = re.compile(
    r"\b(?:regexp?|json|redis|not_in|contains_all|first_match|require_approval|"
    r"(?:this|deny|allow|default|matching)\s+rule|rule\s+#?\d+|rule\s*(?:id|engine)|policy\s*engine)\b"
    rf"|\b(?:{_GROUPS})\.(?!\s)[a-z_]+\b",
    re.IGNORECASE,
)


def upkeep_remarks(draft: Draft) -> Iterator[Remark]:
    """Yield what can be said of each rule apart from its condition."""
    ids = {rule.id for rule in draft.document.rules if not rule.id.isalpha()}
    for index, rule in enumerate(draft.document.rules):
        yield from _validity(draft, index, rule)
        yield from _reason(draft, index, rule, ids)
        yield from _approval(draft, index, rule)


def _validity(draft: Draft, index: int, rule: Rule) -> Iterator[Remark]:
    until = rule.valid_until
    if until is not None and until <= draft.now:
        yield Remark(
            Code.EXPIRED,
            draft.path(index, "valid_until"),
            f"Rule {rule.id!r} has been off since {format_time(until)}.",
            "Remove it, or extend valid_until.",
            rule.id,
        )
    elif until is not None and until < draft.now + SOON_SECONDS and draft.document.name != INCIDENT:
        yield Remark(
            Code.ENDS_SOON,
            draft.path(index, "valid_until"),
            f"Rule {rule.id!r} ends within seven days, on {format_time(until)}.",
            "Extend valid_until if it is still needed then.",
            rule.id,
        )
    if not rule.enabled:
        yield Remark(
            Code.SWITCHED_OFF,
            draft.path(index, "enabled"),
            f"Rule {rule.id!r} is switched off.",
            f"Run `policyctl rule enable {rule.id}`, or remove the rule if it is no longer needed.",
            rule.id,
        )


def _reason(draft: Draft, index: int, rule: Rule, ids: set[str]) -> Iterator[Remark]:
    path = draft.path(index, "reason")
    if _letters(rule.reason) == _letters(rule.id):
        yield Remark(
            Code.REASON_REPEATS_ID,
            path,
            f"The reason of rule {rule.id!r} only repeats its id.",
            "Say in a sentence what is not possible and why; clients read it.",
            rule.id,
        )
    elif _too_short(rule.reason):
        yield Remark(
            Code.REASON_TOO_SHORT,
            path,
            f"The reason of rule {rule.id!r}, {rule.reason!r}, tells a client nothing.",
            "Say in a sentence what is not possible and why.",
            rule.id,
        )
    internal = _internals(rule.reason, ids)
    if internal is not None:
        yield Remark(
            Code.REASON_TELLS_INTERNALS,
            path,
            f"The reason of rule {rule.id!r} shows clients the inside of the policy: {internal!r}.",
            "Say it in the words of the people who use the application; keep the rest in the note.",
            rule.id,
        )


def _letters(text: str) -> str:
    return re.sub(r"[\W_]+", "", text).casefold()


def _too_short(reason: str) -> bool:
    # Scripts without blanks between words say a lot in few letters.
    return reason.isascii() and len(reason.split()) < 2


def _internals(reason: str, ids: set[str]) -> str | None:
    found = _INTERNALS.search(reason)
    if found is not None:
        return found[0]
    words = re.findall(r"[\w.:-]*[\w-]", reason)
    return next((word for word in words if word in ids), None)


def _approval(draft: Draft, index: int, rule: Rule) -> Iterator[Remark]:
    spec = rule.approval
    if rule.effect is not Effect.REQUIRE_APPROVAL or spec is None:
        return
    path = draft.path(index, "approval", "approvers")
    if spec.approvers == ALWAYS:
        yield Remark(
            Code.ANYONE_APPROVES,
            draft.path(index),
            f"Rule {rule.id!r} names no approvers, so anyone but the requester may approve.",
            'Name them: "approval": {"approvers": {"role": "..."}}.',
            rule.id,
        )
        return
    people = _people(spec.approvers)
    if not can_count(spec.approvers, Reading.HOLDS):
        message = f"Nobody can approve what rule {rule.id!r} asks for: its approvers exclude themselves."
    elif people is not None and people < spec.required:
        message = (
            f"Rule {rule.id!r} asks for {spec.required} approvals, but only "
            f"{'one person' if people == 1 else f'{people} people'} may give one."
        )
    else:
        return
    yield Remark(
        Code.NOBODY_APPROVES, path, message, "Name more approvers, or a role instead of people.", rule.id
    )


def _people(approvers: Condition) -> int | None:
    """Return how many different people may approve, when the condition names them."""
    names: set[object] = set()
    for alternative in alternatives(approvers) or (None,):
        named: set[object] | None = None
        for literal in alternative.get("subject.id", ()) if alternative is not None else ():
            what = literal.asked
            if literal.positive and isinstance(what, Asked) and what.leaf.operator in _NAMING:
                operand = what.leaf.operand
                listed: set[object] = {*operand} if isinstance(operand, tuple) else {operand}
                named = listed if named is None else named & listed
        if named is None:
            return None
        names |= named
    return len(names)
