"""Switching one rule of a document off and on, or from observing to enforcing and back.

The text stays as its author wrote it but for the one member that says so: switching a rule off and on again
brings back the earlier revision.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from policy_middleware.authoring.text_edits import add_first_member, add_member, remove, replace_value
from policy_middleware.authoring.wording import did_you_mean, listed
from policy_middleware.model.canonical_form import written_document
from policy_middleware.model.documents import DEFAULT_MAX_DOCUMENT_BYTES, parse_document
from policy_middleware.model.errors import PolicyError
from policy_middleware.model.json_reading import JSON, Path, read_json

_MOST_NAMED: Final = 10


class UnknownRule(PolicyError, LookupError):
    """A document has no rule with the id given."""


class Switch(StrEnum):
    """What can be done to a rule without touching what it says."""

    ENABLE = "enable"
    DISABLE = "disable"
    OBSERVE = "observe"
    ENFORCE = "enforce"

    @property
    def opposite(self) -> Switch:
        """The switch that undoes this one."""
        return _OPPOSITES[self]


_OPPOSITES: Final = MappingProxyType(
    {
        Switch.ENABLE: Switch.DISABLE,
        Switch.DISABLE: Switch.ENABLE,
        Switch.OBSERVE: Switch.ENFORCE,
        Switch.ENFORCE: Switch.OBSERVE,
    }
)


@dataclass(frozen=True, slots=True)
class _Member:
    """The key a switch turns, the value it writes, and whether that is what the key's absence means."""

    key: str
    value: JSON
    assumed: bool


_MEMBERS: Final[Mapping[Switch, _Member]] = MappingProxyType(
    {
        Switch.ENABLE: _Member("enabled", True, assumed=True),
        Switch.DISABLE: _Member("enabled", False, assumed=False),
        Switch.OBSERVE: _Member("mode", "observe", assumed=False),
        Switch.ENFORCE: _Member("mode", "enforce", assumed=True),
    }
)


def switch_rule(
    raw: bytes,
    rule_id: str,
    switch: Switch,
    *,
    name: str,
    max_bytes: int = DEFAULT_MAX_DOCUMENT_BYTES,
) -> bytes:
    """Return the document with one rule switched; the same bytes when it is switched like that already.

    Raises UnknownRule, and DocumentError for a document that is not valid.
    """
    document = parse_document(raw, name=name, max_bytes=max_bytes)
    ids = [rule.id for rule in document.rules]
    if rule_id not in ids:
        raise UnknownRule(f"{name!r} has no rule {rule_id!r}; {_suggestion(rule_id, ids)}")
    index = ids.index(rule_id)
    tree = read_json(raw, max_bytes)
    rules = written_document(tree, name)["rules"]
    written = rules[index] if isinstance(rules, list) else None
    owner: Path = (index,) if isinstance(tree, list) else ("rules", index)
    member = _MEMBERS[switch]
    present = written.get(member.key) if isinstance(written, dict) else None
    if present == member.value or (present is None and member.assumed):
        return raw
    text = _with_lasting_id(raw.decode(), owner, tree, rule_id)
    place = (*owner, member.key)
    if present is None:
        text = add_member(text, (*owner, "id"), member.key, member.value)
    else:
        text = remove(text, place) if member.assumed else replace_value(text, place, member.value)
    return text.encode()


def _with_lasting_id(text: str, owner: Path, tree: JSON, rule_id: str) -> str:
    """Write down the id of a rule that has none: it follows from its content, which is about to change."""
    if isinstance(tree, list) and isinstance(index := owner[0], int):
        rule = tree[index]
        if isinstance(rule, dict) and "id" not in rule:
            return add_first_member(text, owner, "id", rule_id)
    return text


def _suggestion(rule_id: str, ids: list[str]) -> str:
    if not ids:
        return "it has no rules at all"
    close = did_you_mean(rule_id, ids)
    if close is not None:
        return f"did you mean {close!r}?"
    if len(ids) > _MOST_NAMED:
        return f"it has {len(ids)} others"
    return f"there {'is' if len(ids) == 1 else 'are'} {listed([repr(one) for one in ids])}"
