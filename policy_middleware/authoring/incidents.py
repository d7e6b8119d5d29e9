"""Emergency rules: what `_incident` holds for every tenant while something is on fire.

Documents that begin here combine by `most_restrictive`, so that no emergency rule can hide another. In one
that somebody wrote to be decided by its first match, a rule is placed where it takes nothing away.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from policy_middleware.authoring.implication import Reading, can_count_together
from policy_middleware.authoring.rule_edits import UnknownRule
from policy_middleware.authoring.text_edits import add_item, remove, replace_value
from policy_middleware.authoring.wording import listed
from policy_middleware.model.documents import (
    DEFAULT_MAX_DOCUMENT_BYTES,
    canonical_json,
    parse_document,
)
from policy_middleware.model.effect import Effect
from policy_middleware.model.errors import DocumentError, PolicyError
from policy_middleware.model.json_reading import JSON, Path, read_json
from policy_middleware.model.policy import Combine, PolicyDocument, Rule
from policy_middleware.model.times import format_time
from policy_middleware.model.vocabulary import INCIDENT

_NEW_DOCUMENT: Final[dict[str, JSON]] = {
    "schema": 1,
    "description": "Emergency rules for every tenant, beside their own: policyctl incident on, off, list.",
    "combine": Combine.MOST_RESTRICTIVE.value,
    "rules": [],
}
_LONGEST_SLUG: Final = 60
_META: Final = re.compile(r"[\\.+*?()|\[\]{}^$]")
"""Characters that mean something in a regular expression; the engine takes no other behind a backslash."""


class EditRefused(PolicyError):
    """An edit would not do what was asked for; the message says what would."""


@dataclass(frozen=True, slots=True)
class Emergency:
    """What is to be restricted: actions by a pattern in which `*` stands for anything, until a moment.

    `until` is in seconds since the epoch; `tenants` limits it to some (empty: every tenant). Who approves
    (`approver_roles`) belongs to `require_approval`, what is masked (`fields`) to `mask`.
    """

    actions: str
    effect: Effect
    until: float
    reason: str
    note: str | None = None
    tenants: tuple[str, ...] = ()
    approver_roles: tuple[str, ...] = ()
    fields: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class SwitchedOn:
    """The document with an emergency rule in it, and the rule's id."""

    body: bytes
    rule_id: str


def switch_on(
    raw: bytes | None, emergency: Emergency, *, max_bytes: int = DEFAULT_MAX_DOCUMENT_BYTES
) -> SwitchedOn:
    """Return `_incident` with a rule for an emergency; None stands for no document.

    A rule about the same actions and tenants is replaced, so that saying it again extends or changes it.
    Raises EditRefused, and DocumentError for an emergency that makes no valid rule.
    """
    raw = canonical_json(_NEW_DOCUMENT, name=INCIDENT) if raw is None else raw
    document = _stored(raw, max_bytes)
    text = raw.decode()
    when = _when(emergency)
    tree = read_json(text, max_bytes)
    rules: Path = () if isinstance(tree, list) else ("rules",)
    written = tree if isinstance(tree, list) else tree["rules"] if isinstance(tree, dict) else []
    same = [
        index
        for index, one in enumerate(written if isinstance(written, list) else ())
        if isinstance(one, dict) and one.get("when", one.get("conditions")) == when
    ]
    rule_id = document.rules[same[0]].id if same else _free_id(emergency.actions, document)
    for index in reversed(same):
        text = remove(text, (*rules, index))
    body = _rule(rule_id, when, emergency)
    [rule] = parse_document({**_NEW_DOCUMENT, "rules": [body]}, name=INCIDENT).rules
    index = _place(rule, parse_document(text, name=INCIDENT, max_bytes=max_bytes))
    text = add_item(text, rules, index, body)
    parse_document(text, name=INCIDENT, max_bytes=max_bytes)
    return SwitchedOn(text.encode(), rule_id)


def switch_off(
    raw: bytes | None, rule_id: str | None = None, *, max_bytes: int = DEFAULT_MAX_DOCUMENT_BYTES
) -> bytes | None:
    """Return `_incident` without one emergency rule, or without any; None when there is no document.

    To end all of them works on a document that is not valid, too. Raises UnknownRule and EditRefused.
    """
    if raw is None:
        if rule_id is not None:
            raise UnknownRule(f"no emergency rule {rule_id!r} is on, and no other")
        return None
    if rule_id is None:
        return _without_rules(raw, max_bytes)
    ids = [rule.id for rule in _stored(raw, max_bytes).rules]
    if rule_id not in ids:
        there = f"there is {listed([repr(one) for one in ids])}" if ids else "there is none"
        raise UnknownRule(f"no emergency rule {rule_id!r} is on; {there}")
    bare = isinstance(read_json(raw, max_bytes), list)
    place = ids.index(rule_id)
    return remove(raw.decode(), (place,) if bare else ("rules", place)).encode()


def pattern_condition(actions: str) -> dict[str, JSON]:
    """Return the condition for a pattern of actions in which `*` stands for any text."""
    head, star, tail = actions.partition("*")
    if not star:
        return {"action": actions}
    if not tail.strip("*"):
        return {"action": {"prefix": head}} if head else {}
    parts = (_META.sub(r"\\\g<0>", part) for part in actions.split("*"))
    return {"action": {"matches": f"(?s)^{'.*'.join(parts)}$"}}


def _when(emergency: Emergency) -> dict[str, JSON]:
    when = pattern_condition(emergency.actions)
    tenants: list[JSON] = list(emergency.tenants)
    return {"tenant": {"in": tenants}, **when} if tenants else when


def _rule(rule_id: str, when: dict[str, JSON], emergency: Emergency) -> dict[str, JSON]:
    rule: dict[str, JSON] = {
        "id": rule_id,
        "valid_until": format_time(emergency.until),
        "when": when,
        "effect": emergency.effect.value,
        "reason": emergency.reason,
    }
    if emergency.note is not None:
        rule["note"] = emergency.note
    if emergency.fields:
        rule["mask"] = {"fields": dict.fromkeys(emergency.fields, "redact")}
    if emergency.approver_roles:
        roles: list[JSON] = list(emergency.approver_roles)
        rule["approval"] = {"approvers": {"role": {"in": roles}}}
    return rule


def _free_id(actions: str, document: PolicyDocument) -> str:
    taken = {rule.id for rule in document.rules}
    slug = re.sub(r"[^A-Za-z0-9._:-]+", "-", actions).strip("-._:")[:_LONGEST_SLUG] or "all"
    stem = rule_id = f"incident-{slug}"
    number = 1
    while rule_id in taken:
        number += 1
        rule_id = f"{stem}-{number}"
    return rule_id


def _place(rule: Rule, document: PolicyDocument) -> int:
    """Return where a rule neither hides a stricter one nor is hidden by a weaker one."""
    if document.combine is Combine.MOST_RESTRICTIVE:
        return len(document.rules)
    stricter = [
        index for index, one in enumerate(document.rules) if one.effect.strictness > rule.effect.strictness
    ]
    place = stricter[-1] + 1 if stricter else 0
    for one in document.rules[:place]:
        weaker = one.effect.strictness < rule.effect.strictness and one.enabled and not one.observe
        if weaker and can_count_together(one.when, rule.when, Reading.MAY_HOLD):
            raise EditRefused(
                f"in {INCIDENT} the first rule that holds decides, and {one.id!r} would come before this one;"
                f" use --effect deny, which goes to the top, or end {one.id!r} first"
            )
    return place


def _stored(raw: bytes, max_bytes: int) -> PolicyDocument:
    try:
        return parse_document(raw, name=INCIDENT, max_bytes=max_bytes)
    except DocumentError as error:
        raise EditRefused(
            f"what is stored as {INCIDENT} is not valid ({error.problems[0]}), so none of its rules can be "
            f"edited; `policyctl rollback {INCIDENT} REVISION` puts back an earlier revision "
            f"(`policyctl history {INCIDENT}` lists them), `policyctl incident off` ends all emergency rules"
        ) from None


def _without_rules(raw: bytes, max_bytes: int) -> bytes:
    try:
        rules = parse_document(raw, name=INCIDENT, max_bytes=max_bytes).rules
    except DocumentError:
        return canonical_json(_NEW_DOCUMENT, name=INCIDENT)
    if not rules:
        return raw
    bare = isinstance(read_json(raw, max_bytes), list)
    return replace_value(raw.decode(), () if bare else ("rules",), []).encode()


def rules_of(raw: bytes | None, *, max_bytes: int = DEFAULT_MAX_DOCUMENT_BYTES) -> Sequence[Rule]:
    """Return the emergency rules that are stored; raises DocumentError."""
    return () if raw is None else parse_document(raw, name=INCIDENT, max_bytes=max_bytes).rules
