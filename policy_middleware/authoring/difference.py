"""What has changed between two revisions of a document, rule by rule and in sentences."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

from policy_middleware.authoring import access
from policy_middleware.authoring.access import Access
from policy_middleware.authoring.wording import compact
from policy_middleware.model.documents import (
    DEFAULT_MAX_DOCUMENT_BYTES,
    RawDocument,
    canonical_document,
    parse_document,
)
from policy_middleware.model.json_reading import JSON
from policy_middleware.model.policy import Combine, PolicyDocument, Rule
from policy_middleware.model.vocabulary import GUARDRAILS


class Kind(StrEnum):
    """What can happen to a rule or to the document around it."""

    ADDED = "added"
    REMOVED = "removed"
    CHANGED = "changed"
    MOVED = "moved"


@dataclass(frozen=True, slots=True)
class FieldChange:
    """One key with its values before and after; None: the key was, or is, not there."""

    name: str
    before: JSON
    after: JSON


@dataclass(frozen=True, slots=True)
class Change:
    """One change: to the rule with the id `rule`, or (None) to the document itself."""

    kind: Kind
    rule: str | None
    access: Access
    message: str
    fields: tuple[FieldChange, ...] = ()

    def as_dict(self) -> dict[str, object]:
        """Return plain JSON data."""
        return {
            "kind": self.kind.value,
            "rule": self.rule,
            "access": self.access.value,
            "message": self.message,
            "fields": {one.name: {"before": one.before, "after": one.after} for one in self.fields},
        }


@dataclass(frozen=True, slots=True)
class Difference:
    """All changes from one document to another, and what they do to access together."""

    changes: tuple[Change, ...]
    access: Access

    def __bool__(self) -> bool:
        return bool(self.changes)

    def as_dict(self) -> dict[str, object]:
        """Return plain JSON data."""
        return {"access": self.access.value, "changes": [change.as_dict() for change in self.changes]}

    def lines(self) -> Iterator[str]:
        """Yield the difference as text: a sentence for each change, and below it what has another value."""
        for change in self.changes:
            yield f"{_SIGNS[change.kind]} {change.message}{_CONSEQUENCES[change.access]}"
            for one in change.fields:
                if one.before is not None:
                    yield f"    - {one.name}: {compact(one.before)}"
                if one.after is not None:
                    yield f"    + {one.name}: {compact(one.after)}"
        if self.changes:
            yield _TOGETHER[self.access]


_SIGNS: Final = {Kind.ADDED: "+", Kind.REMOVED: "-", Kind.CHANGED: "~", Kind.MOVED: "^"}
_CONSEQUENCES: Final = {
    Access.SAME: " Nobody's access changes.",
    Access.WIDER: " Access can only become wider.",
    Access.NARROWER: " Access can only become narrower.",
    Access.UNCERTAIN: " Whether access becomes wider or narrower depends on the request.",
}
_TOGETHER: Final = {
    Access.SAME: "Together: nobody's access changes.",
    Access.WIDER: "Together: access can only become wider.",
    Access.NARROWER: "Together: access can only become narrower.",
    Access.UNCERTAIN: "Together: whether access becomes wider or narrower depends on the request.",
}
_ASSUMED: Final[Mapping[str, JSON]] = {
    "enabled": True,
    "mode": "enforce",
    "combine": "first_match",
    "note": "",
}
"""What a key means when it is not there; writing it down changes nothing."""
_ABOUT_THE_DOCUMENT: Final = ("$schema", "schema", "description", "metadata")


def compare_documents(
    before: RawDocument | None,
    after: RawDocument | None,
    *,
    name: str,
    max_bytes: int = DEFAULT_MAX_DOCUMENT_BYTES,
) -> Difference:
    """Return what changes from one document to another; None stands for no document.

    Both are read as the document `name`. Raises DocumentError when one of them is not valid.
    """
    if before is None or after is None:
        return _whole(before, after, name, max_bytes)
    old, new = _read(before, name, max_bytes), _read(after, name, max_bytes)
    renamed = _renamed(old, new)
    changes = (*_document_changes(old, new), *_rule_changes(old, new, renamed), *_moves(old, new, renamed))
    return Difference(changes, access.together(change.access for change in changes))


@dataclass(frozen=True, slots=True)
class _Version:
    """A document as what it says and as canonical JSON, both with the rules by id."""

    document: PolicyDocument
    tree: Mapping[str, JSON]
    rules: Mapping[str, Rule]
    written: Mapping[str, Mapping[str, JSON]]


def _read(raw: RawDocument, name: str, max_bytes: int) -> _Version:
    document = parse_document(raw, name=name, max_bytes=max_bytes)
    tree = canonical_document(raw, name=name, max_bytes=max_bytes)
    rules = tree["rules"]
    written = (
        {str(one["id"]): one for one in rules if isinstance(one, dict)} if isinstance(rules, list) else {}
    )
    return _Version(document, tree, {rule.id: rule for rule in document.rules}, written)


def _whole(before: RawDocument | None, after: RawDocument | None, name: str, max_bytes: int) -> Difference:
    there = after if before is None else before
    if there is None:
        return Difference((), Access.SAME)
    document = parse_document(there, name=name, max_bytes=max_bytes)
    # What holds for a tenant without a document is a setting of each application.
    effect = Access.NARROWER if name in GUARDRAILS else Access.UNCERTAIN
    rules = f"{len(document.rules)} {'rule' if len(document.rules) == 1 else 'rules'}"
    if before is None:
        change = Change(Kind.ADDED, None, effect, f"The document {name!r} is new, with {rules}.")
    else:
        effect = effect.reverse
        change = Change(Kind.REMOVED, None, effect, f"The document {name!r} with {rules} is gone.")
    return Difference((change,), effect)


def _document_changes(old: _Version, new: _Version) -> Iterator[Change]:
    if old.document.default is not new.document.default:
        before, after = old.tree.get("default"), new.tree.get("default")
        yield Change(
            Kind.CHANGED,
            None,
            access.default_changed(old.document.default, new.document.default),
            f"The default becomes {after}; it was {before}.",
            (FieldChange("default", before, after),),
        )
    if old.document.combine is not new.document.combine:
        strict = new.document.combine is Combine.MOST_RESTRICTIVE
        yield Change(
            Kind.CHANGED,
            None,
            access.combine_changed(old.document.combine, new.document.combine),
            "The strictest of all rules that hold decides now, no longer the first one."
            if strict
            else "The first rule that holds decides now, no longer the strictest of all.",
            (FieldChange("combine", old.document.combine.value, new.document.combine.value),),
        )
    fields = _fields(old.tree, new.tree, _ABOUT_THE_DOCUMENT)
    if fields:
        yield Change(Kind.CHANGED, None, Access.SAME, "What the document says about itself changes.", fields)


def _renamed(old: _Version, new: _Version) -> dict[str, str]:
    """Return the rules that only got another id: new id to old id."""
    gone = {
        _content(old.written[rule_id]): rule_id
        for rule_id in reversed([*old.rules])
        if rule_id not in new.rules
    }
    found: dict[str, str] = {}
    for rule_id, written in new.written.items():
        if rule_id not in old.rules and (earlier := gone.pop(_content(written), None)) is not None:
            found[rule_id] = earlier
    return found


def _content(written: Mapping[str, JSON]) -> str:
    return compact({key: value for key, value in written.items() if key != "id"})


def _rule_changes(old: _Version, new: _Version, renamed: Mapping[str, str]) -> Iterator[Change]:
    documents = (old.document, new.document)
    kept = set(renamed.values())
    for rule_id, rule in old.rules.items():
        if rule_id not in new.rules and rule_id not in kept:
            effect = access.rule_added(rule, *documents).reverse
            yield Change(Kind.REMOVED, rule_id, effect, f"Rule {rule_id!r} ({_what(rule)}) is gone.")
    for rule_id, rule in new.rules.items():
        earlier = renamed.get(rule_id, rule_id)
        if earlier not in old.rules:
            effect = access.rule_added(rule, *documents)
            yield Change(Kind.ADDED, rule_id, effect, f"Rule {rule_id!r} ({_what(rule)}) is new.")
            continue
        if earlier != rule_id:
            yield Change(
                Kind.CHANGED,
                rule_id,
                Access.SAME,
                f"Rule {earlier!r} is called {rule_id!r} now.",
                (FieldChange("id", earlier, rule_id),),
            )
        fields = _fields(old.written[earlier], new.written[rule_id], ())
        if fields:
            before = replace(old.rules[earlier], id=rule_id)
            yield Change(
                Kind.CHANGED,
                rule_id,
                access.rule_changed(before, rule, *documents),
                _sentence(before, rule, fields),
                fields,
            )


def _what(rule: Rule) -> str:
    return rule.effect.value + (", off" if not rule.enabled else ", observed" if rule.observe else "")


def _sentence(before: Rule, after: Rule, fields: Sequence[FieldChange]) -> str:
    names = {one.name for one in fields}
    if names <= {"enabled", "note"} and "enabled" in names:
        return f"Rule {after.id!r} ({after.effect.value}) is switched {'on' if after.enabled else 'off'}."
    if names <= {"mode", "note"} and "mode" in names:
        done = "only observed now" if after.observe else "enforced now, no longer only observed"
        return f"Rule {after.id!r} ({after.effect.value}) is {done}."
    if before.effect is not after.effect:
        return f"Rule {after.id!r} changes from {before.effect.value} to {after.effect.value}."
    return f"Rule {after.id!r} ({_what(after)}) changes."


def _fields(
    before: Mapping[str, JSON], after: Mapping[str, JSON], names: Sequence[str]
) -> tuple[FieldChange, ...]:
    found = []
    for key in names or dict.fromkeys([*before, *after]):
        old, new = before.get(key, _ASSUMED.get(key)), after.get(key, _ASSUMED.get(key))
        if key != "id" and compact(old) != compact(new):
            found.append(FieldChange(key, before.get(key), after.get(key)))
    return tuple(found)


def _moves(old: _Version, new: _Version, renamed: Mapping[str, str]) -> Iterator[Change]:
    """Yield the fewest rules whose moves explain the new order."""
    before = [one for one in old.rules if one in new.rules or one in renamed.values()]
    after = [renamed.get(one, one) for one in new.rules if renamed.get(one, one) in old.rules]
    places = {rule_id: place for place, rule_id in enumerate(before)}
    fixed = {before[place] for place in _longest_rise([places[one] for one in after])}
    combines = {old.document.combine, new.document.combine}
    combine = Combine.FIRST_MATCH if Combine.FIRST_MATCH in combines else Combine.MOST_RESTRICTIVE
    current = {earlier: rule_id for rule_id, earlier in renamed.items()}
    for earlier in after:
        if earlier in fixed:
            continue
        rule = new.rules[current.get(earlier, earlier)]
        above_before = [one for one in before[: before.index(earlier)] if one in fixed]
        above_after = [one for one in after[: after.index(earlier)] if one in fixed]
        up = len(above_after) < len(above_before)
        place = f"below {current.get(above_after[-1], above_after[-1])!r}" if above_after else "to the top"
        yield Change(
            Kind.MOVED,
            rule.id,
            access.rule_moved(rule, combine, up=up),
            f"Rule {rule.id!r} ({_what(rule)}) moves {'up' if up else 'down'}, {place}.",
        )


def _longest_rise(numbers: Sequence[int]) -> list[int]:
    """Return the longest increasing subsequence of different numbers."""
    ends: list[int] = []  # the least number that a rise of each length can end with
    previous: dict[int, int | None] = {}
    for number in numbers:
        length = bisect_left(ends, number)
        previous[number] = ends[length - 1] if length else None
        ends[length : length + 1] = [number]
    found: list[int] = []
    last = ends[-1] if ends else None
    while last is not None:
        found.append(last)
        last = previous[last]
    return found[::-1]
