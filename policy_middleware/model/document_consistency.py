"""What must agree within a document: effects and their obligations, ids, guardrails, validity windows.

Works on what the author wrote, not on the validated models: a document that also has other faults still
learns of these.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from types import MappingProxyType
from typing import Final

from policy_middleware.model.effect import Effect
from policy_middleware.model.findings import Finding
from policy_middleware.model.json_reading import JSON, Path
from policy_middleware.model.policy import ApprovalSpec
from policy_middleware.model.times import duration_seconds, moment_seconds
from policy_middleware.model.vocabulary import GUARDRAILS, INCIDENT

BELONGS_TO: Final = MappingProxyType(
    {"mask": Effect.MASK, "approval": Effect.REQUIRE_APPROVAL, "limit": Effect.ALLOW}
)
"""Keys of a rule that belong to one effect only."""
_EFFECTS: Final = MappingProxyType({effect.value: effect for effect in Effect})


def contradictions(document: Mapping[str, JSON], name: str) -> Iterator[Finding]:
    """Yield everything in the document called `name` that does not go together."""
    guardrail = name in GUARDRAILS
    if guardrail and "default" in document:
        yield (
            ("default",),
            f"does not belong into {name}, which only restricts what a tenant's document allows",
        )
    if not guardrail and "default" not in document:
        yield ("default",), "is missing; write allow or deny, which applies when no rule decides"
    rules = document.get("rules")
    ids = [rule.get("id") for rule in rules if isinstance(rule, dict)] if isinstance(rules, list) else []
    first_place: dict[str, int] = {}
    for index, rule in enumerate(rules if isinstance(rules, list) else ()):
        if not isinstance(rule, dict):
            continue
        path: Path = ("rules", index)
        rule_id = rule.get("id")
        if isinstance(rule_id, str) and first_place.setdefault(rule_id, index) != index:
            yield (*path, "id"), f"{rule_id!r} is the id of rule {first_place[rule_id]} already"
        yield from _obligations(rule, path)
        key = "when" if "when" in rule else "conditions"
        yield from _counted_rules(rule.get(key), (*path, key), rule_id, ids)
        yield from _window(rule, path)
        if guardrail:
            yield from _guardrail(rule, path, name)


def _obligations(rule: Mapping[str, JSON], path: Path) -> Iterator[Finding]:
    _, effect = _effect_of(rule)
    if effect is None:
        return
    for key, owner in BELONGS_TO.items():
        if key in rule and effect is not owner:
            yield (*path, key), f"belongs to effect {owner}, not to {effect}"
    yield from _escalation(rule.get("approval"), (*path, "approval"))
    if effect is Effect.MASK and "mask" not in rule:
        yield (*path, "mask"), 'is missing; say what is masked, such as {"fields": {"**.email": "redact"}}'


def _escalation(approval: JSON, path: Path) -> Iterator[Finding]:
    second = approval.get("escalate") if isinstance(approval, dict) else None
    if not isinstance(approval, dict) or not isinstance(second, dict) or "after" not in second:
        return
    try:
        after = duration_seconds(second["after"])
        expires_in = duration_seconds(approval["expires_in"]) if "expires_in" in approval else None
    except ValueError:
        return  # reported where it stands
    if after >= (ApprovalSpec().expires_in if expires_in is None else expires_in):
        yield (*path, "escalate", "after"), "is not before the question expires, so nobody would be asked"


def _counted_rules(when: JSON, path: Path, own: JSON, ids: Collection[JSON]) -> Iterator[Finding]:
    """Yield the counts whose rule there is none of, or that would count what a count leaves out."""
    if isinstance(when, list):
        for index, part in enumerate(when):
            yield from _counted_rules(part, (*path, index), own, ids)
    if not isinstance(when, dict):
        return
    for key in ("all", "any", "not"):
        yield from _counted_rules(when.get(key), (*path, key), own, ids)
    count = when.get("count")
    name = count.get("rule") if isinstance(count, dict) else None
    if not isinstance(name, str) or not name:
        return
    if name == own:
        yield (*path, "count", "rule"), "is the rule's own id; what a rule decided does not count for itself"
    elif name not in ids:
        yield (*path, "count", "rule"), f"{name!r} is no rule of this document"


def _window(rule: Mapping[str, JSON], path: Path) -> Iterator[Finding]:
    if "valid_from" not in rule or "valid_until" not in rule:
        return
    try:
        opens, closes = moment_seconds(rule["valid_from"]), moment_seconds(rule["valid_until"])
    except ValueError:
        return  # reported where it stands
    if opens >= closes:
        yield (*path, "valid_until"), "is not after valid_from, so the rule would never be on"


def _guardrail(rule: Mapping[str, JSON], path: Path, name: str) -> Iterator[Finding]:
    key, effect = _effect_of(rule)
    if effect is Effect.ALLOW:
        yield (*path, key), f"cannot be allow in {name}, whose rules only restrict"
    if name == INCIDENT and "valid_until" not in rule:
        yield (*path, "valid_until"), "is missing; an emergency rule says when it ends"


def _effect_of(rule: Mapping[str, JSON]) -> tuple[str, Effect | None]:
    """Return the key that the author gave the effect under, and the effect when there is such a one."""
    key = "effect" if "effect" in rule else "action"
    effect = rule.get(key)
    return key, _EFFECTS.get(effect) if isinstance(effect, str) else None
