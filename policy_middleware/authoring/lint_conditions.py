"""Conditions that cannot be what their author meant, each by itself."""

from __future__ import annotations

import re
from collections.abc import Iterator
from types import MappingProxyType
from typing import Final

from policy_middleware.authoring.draft import Draft, WrittenComparison, written_comparisons
from policy_middleware.authoring.findings import Code, Remark
from policy_middleware.authoring.implication import (
    Reading,
    can_count,
    impossible_attributes,
    unknown_when_missing,
)
from policy_middleware.authoring.wording import listed
from policy_middleware.model.effect import Effect
from policy_middleware.model.policy import Rule
from policy_middleware.model.vocabulary import RESERVED_ATTRIBUTES

_LISTING: Final = frozenset({"eq", "ne", "in", "not_in", "contains_all"})
_OFTEN_MISSING: Final = frozenset({"subject.id", "resource.id", "environment.ip", "http.route"})
"""Attributes of our own that some requests lack: anonymous ones, collections, unix sockets, no route."""
_PROMISED: Final = RESERVED_ATTRIBUTES - _OFTEN_MISSING

_CONSEQUENCES: Final = MappingProxyType(
    {
        Effect.DENY: "denied",
        Effect.REQUIRE_APPROVAL: "sent to approval",
        Effect.MASK: "answered with a masked response",
    }
)


def condition_remarks(draft: Draft) -> Iterator[Remark]:
    """Yield what can be said of each condition without looking at other rules."""
    for index, rule in enumerate(draft.document.rules):
        when = draft.when(index)
        comparisons = list(written_comparisons(draft.written[index][str(when[-1])], when))
        yield from _stars(comparisons, rule)
        approval = draft.written[index].get("approval")
        if isinstance(approval, dict):
            path = draft.path(index, "approval", "approvers")
            yield from _stars(list(written_comparisons(approval.get("approvers"), path)), rule)
        if not can_count(rule.when, Reading.HOLDS):
            yield _never_holds(rule, comparisons, draft.when(index))
        elif not draft.over(rule):
            yield from _missing(rule, comparisons, when)
            yield from _denies_whom_it_names(rule, comparisons)


def _stars(comparisons: list[WrittenComparison], rule: Rule) -> Iterator[Remark]:
    for comparison in comparisons:
        starred = [text for text in comparison.texts() if "*" in text]
        if comparison.operator not in _LISTING or not starred:
            continue
        head = starred[0].rstrip("*")
        meant = (
            f'Write {{"prefix": "{head}"}} if everything that begins with it is meant.'
            if head and "*" not in head
            else "Write prefix or matches if a pattern is meant."
        )
        yield Remark(
            Code.STAR_IN_EQUALITY,
            comparison.path,
            f"{starred[0]!r} is compared letter by letter: the star stands for itself.",
            meant,
            rule.id,
        )


def _never_holds(rule: Rule, comparisons: list[WrittenComparison], when: tuple[str | int, ...]) -> Remark:
    attributes = impossible_attributes(rule.when)
    place = next((one.path for one in comparisons if one.attribute in attributes), when)
    what = listed([repr(one) for one in attributes])
    message = f"Rule {rule.id!r} never holds: what it asks of {what} excludes itself."
    if rule.effect.restricts and can_count(rule.when, Reading.MAY_HOLD):
        unknown = [repr(one) for one in unknown_when_missing(rule.when) if one not in _PROMISED]
        which = (
            f"a request without {listed(unknown, 'or')}"
            if unknown
            else "a request with other kinds of values"
        )
        message += f" Yet {which} is {_CONSEQUENCES[rule.effect]}, because the rule cannot be evaluated."
    return Remark(
        Code.NEVER_HOLDS,
        place,
        message,
        'All entries of a condition have to hold; put what may hold instead into "any".',
        rule.id,
    )


def _missing(
    rule: Rule, comparisons: list[WrittenComparison], when: tuple[str | int, ...]
) -> Iterator[Remark]:
    if not rule.effect.restricts:
        return
    for attribute in unknown_when_missing(rule.when):
        if attribute in _PROMISED:
            continue
        place = next((one.path for one in comparisons if one.attribute == attribute), when)
        yield Remark(
            Code.MISSING_ATTRIBUTE,
            place,
            f"A request without {attribute!r} is {_CONSEQUENCES[rule.effect]} as well, "
            f"because rule {rule.id!r} cannot be evaluated for it.",
            'If the rule is only for requests that have it, add "exists": true beside the comparison.',
            rule.id,
        )


def _denies_whom_it_names(rule: Rule, comparisons: list[WrittenComparison]) -> Iterator[Remark]:
    """Yield a remark where the reason says "only admins" and the rule denies the admins."""
    if rule.effect is not Effect.DENY:
        return
    for one in comparisons:
        if one.negated or one.nested or one.operator not in ("eq", "in"):
            continue
        if not one.attribute.startswith("subject."):
            continue
        named = next((text for text in one.texts() if _reserved_for(text, rule.reason)), None)
        if named is not None:
            opposite = "ne" if one.operator == "eq" else "not_in"
            yield Remark(
                Code.DENIES_WHOM_IT_NAMES,
                one.path,
                f"The reason speaks of what only {named!r} may do, "
                f"but rule {rule.id!r} denies exactly {named!r}.",
                f"Write {opposite!r} instead of {one.operator!r} to deny everybody else.",
                rule.id,
            )


def _reserved_for(name: str, reason: str) -> bool:
    word = rf"(?:the\s+|an?\s+)?{re.escape(name)}s?\b"
    return bool(
        re.search(
            rf"\bonly\s+(?:for\s+)?{word}|\bfor\s+{word}\s+only\b|\breserved\s+(?:for|to)\s+{word}",
            reason,
            re.IGNORECASE,
        )
    )
