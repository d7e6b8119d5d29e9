"""Rules that other rules, or the way they are combined, leave nothing to decide."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from policy_middleware.authoring.covering import Covering
from policy_middleware.authoring.draft import Draft
from policy_middleware.authoring.findings import Code, Remark
from policy_middleware.authoring.implication import Reading, can_count, follows
from policy_middleware.model.conditions import ALWAYS
from policy_middleware.model.effect import Effect
from policy_middleware.model.policy import Combine, Rule


def order_remarks(draft: Draft) -> Iterator[Remark]:
    """Yield what can be said of rules that meet."""
    living = list(draft.living())
    contents: dict[str, Rule] = {}
    covering = Covering([rule.condition for _, rule in living])
    for position, (index, rule) in enumerate(living):
        candidates = covering.candidates(rule.condition)
        remark = _duplicate(draft, index, rule, contents.get(_content(rule)))
        contents.setdefault(_content(rule), rule)
        if remark is None:
            if draft.document.combine is Combine.FIRST_MATCH:
                above = [living[one][1] for one in candidates if one < position]
                remark = _hidden(draft, index, rule, above)
            else:
                others = [living[one][1] for one in candidates if one != position]
                remark = _overruled(draft, index, rule, others)
        if remark is not None:
            yield remark
    yield from _default_remarks(draft, [rule for _, rule in living])


def _duplicate(draft: Draft, index: int, rule: Rule, twin: Rule | None) -> Remark | None:
    if twin is None:
        return None
    return Remark(
        Code.DUPLICATE,
        draft.path(index),
        f"Rule {rule.id!r} says the same as rule {twin.id!r} above it.",
        "Remove one of the two.",
        rule.id,
    )


def _content(rule: Rule) -> str:
    # Text, because to Python a rule about `true` equals one about `1`.
    return repr(replace(rule, id="", reason="", digest="", note=None))


def _hidden(draft: Draft, index: int, rule: Rule, above: list[Rule]) -> Remark | None:
    counts = Reading.MAY_HOLD if rule.effect.restricts else Reading.HOLDS
    partly: Rule | None = None
    can_hold = can_count(rule.condition, Reading.HOLDS)
    for other in above:
        if other.observe or not _covers(other, rule):
            continue
        # Once an approval is given, every mask rule that holds applies, wherever it stands.
        if rule.effect is Effect.MASK and other.effect is Effect.REQUIRE_APPROVAL:
            continue
        if follows(rule.condition, other.condition, counts, Reading.HOLDS):
            return _hidden_remark(draft, index, rule, other)
        if (
            can_hold
            and partly is None
            and follows(rule.condition, other.condition, Reading.HOLDS, Reading.HOLDS)
        ):
            partly = other
    if partly is None:
        return None
    return Remark(
        Code.DECIDES_WHERE_UNKNOWN,
        draft.path(index),
        f"Wherever rule {rule.id!r} holds, rule {partly.id!r} above it decides first; "
        f"{rule.id!r} counts only where its condition cannot be evaluated.",
        f"Move {rule.id!r} above {partly.id!r}, or narrow the condition of {partly.id!r}.",
        rule.id,
    )


def _hidden_remark(draft: Draft, index: int, rule: Rule, other: Rule) -> Remark:
    weaker = other.effect.strictness < rule.effect.strictness
    never = "is never recorded" if rule.observe else "never decides"
    message = f"Rule {rule.id!r} {never}: wherever it could, rule {other.id!r} above it"
    if weaker:
        message += f" has decided {other.effect.value} already."
        remedy = f"Move {rule.id!r} above {other.id!r}, or narrow the condition of {other.id!r}."
    else:
        message += " has decided already."
        remedy = f"Remove {rule.id!r}, or move it above {other.id!r} if it is an exception."
    if rule.effect is Effect.MASK and other.effect is not Effect.DENY:
        message += " It applies only to requests that somebody approved."
    return Remark(
        Code.HIDDEN_RESTRICTION if weaker else Code.NEVER_DECIDES, draft.path(index), message, remedy, rule.id
    )


def _overruled(draft: Draft, index: int, rule: Rule, others: list[Rule]) -> Remark | None:
    """Return a remark for an exception that has no effect, because here the strictest rule wins."""
    if rule.observe:
        return None
    for other in others:
        if other.observe or not _covers(other, rule) or not _leaves_nothing(other.effect, rule.effect):
            continue
        counts = Reading.MAY_HOLD if rule.effect.restricts else Reading.HOLDS
        # A deny wins even where it only may hold; under a weaker rule that only may hold, the default counts.
        wins = Reading.MAY_HOLD if other.effect is Effect.DENY else Reading.HOLDS
        if follows(rule.condition, other.condition, counts, wins):
            return Remark(
                Code.OVERRULED,
                draft.path(index),
                f"Rule {rule.id!r} changes nothing: wherever it holds, rule {other.id!r} holds too, "
                "and in this document the strictest rule wins, whatever their order.",
                f"If {rule.id!r} is an exception, exclude it in the condition of {other.id!r}, "
                'or combine by "first_match".',
                rule.id,
            )
    return None


def _leaves_nothing(strict: Effect, other: Effect) -> bool:
    return (strict.restricts and other is Effect.ALLOW) or (
        strict is Effect.DENY and other is not Effect.DENY
    )


def _covers(other: Rule, rule: Rule) -> bool:
    """True when `other` is on whenever `rule` is."""
    opens = other.valid_from is None or (rule.valid_from is not None and other.valid_from <= rule.valid_from)
    closes = other.valid_until is None or (
        rule.valid_until is not None and rule.valid_until <= other.valid_until
    )
    return opens and closes


def _default_remarks(draft: Draft, living: list[Rule]) -> Iterator[Remark]:
    default = draft.document.default
    if default is None or not draft.document.rules:
        return
    answers = {rule.effect for rule in living} | {default}
    if len(answers) == 1:
        yield Remark(
            Code.ONE_ANSWER,
            () if draft.bare else ("default",),
            f"This document answers {default.value} to every request: its default and all its rules say so.",
            "Add the rules that are missing, or check that none was switched off by mistake.",
        )
        return
    last = next((rule for rule in living if _always_decides(rule)), None)
    if last is not None:
        yield Remark(
            Code.DEFAULT_UNREACHABLE,
            () if draft.bare else ("default",),
            f"The default {default.value!r} never applies, because rule {last.id!r} holds for every request.",
            f"Let the default say what {last.id!r} says, or narrow the condition of {last.id!r}.",
            last.id,
        )


def _always_decides(rule: Rule) -> bool:
    return (
        not rule.observe
        and rule.valid_from is None
        and rule.valid_until is None
        and follows(ALWAYS, rule.condition, Reading.HOLDS, Reading.HOLDS)
    )
