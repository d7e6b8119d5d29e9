"""Names in a document that the application does not know."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from policy_middleware.authoring.draft import Draft, WrittenComparison, written_comparisons
from policy_middleware.authoring.findings import Code, Remark
from policy_middleware.authoring.wording import did_you_mean

_COMPARED_WITH_NAMES: Final = frozenset({"eq", "ne", "in", "not_in", "contains_all"})
_PLAIN_REQUEST: Final = re.compile(r"[A-Z]+ /[^{]*$")
"""What no route matches is decided on its method and path, which no list of routes can know."""
_KINDS: Final = {
    "action": (Code.UNKNOWN_ACTION, "action"),
    "resource.tags": (Code.UNKNOWN_TAG, "tag"),
    "subject.roles": (Code.UNKNOWN_ROLE, "role"),
}


def name_remarks(draft: Draft) -> Iterator[Remark]:
    """Yield the actions, tags and roles that are not among the known ones."""
    known = {
        "action": draft.known.actions,
        "resource.tags": draft.known.tags,
        "subject.roles": draft.known.roles,
    }
    for index, rule in enumerate(draft.document.rules):
        when = draft.when(index)
        for comparison in written_comparisons(draft.written[index][str(when[-1])], when):
            names = known.get(comparison.attribute)
            if names is not None:
                yield from _unknown(comparison, names, rule.id)


def _unknown(comparison: WrittenComparison, names: frozenset[str], rule: str) -> Iterator[Remark]:
    code, noun = _KINDS[comparison.attribute]
    if comparison.operator in _COMPARED_WITH_NAMES:
        for name in comparison.texts():
            if name not in names and "*" not in name and not _PLAIN_REQUEST.match(name):
                close = did_you_mean(name, sorted(names))
                yield Remark(
                    code,
                    comparison.path,
                    f"The application knows no {noun} {name!r}.",
                    f"Did you mean {close!r}?" if close else f"Compare with the {noun}s of the application.",
                    rule,
                )
    elif comparison.operator == "prefix":
        for name in comparison.texts():
            if not any(one.startswith(name) for one in names) and not _PLAIN_REQUEST.match(name):
                yield Remark(
                    code,
                    comparison.path,
                    f"No {noun} of the application begins with {name!r}.",
                    f"Compare with the {noun}s of the application.",
                    rule,
                )
