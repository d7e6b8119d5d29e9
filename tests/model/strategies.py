"""Random valid documents, in both forms and every spelling."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from hypothesis import strategies as st

from policy_middleware.model.vocabulary import ALIASES, canonical_attribute

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
LINES = st.from_regex(r"[A-Za-z0-9äß ]{0,20}\S", fullmatch=True).filter(str.isprintable)
SCALARS = st.one_of(TEXT, st.booleans(), st.integers(-(2**63), 2**63 - 1), st.floats(-1e6, 1e6))
NUMBERS = st.integers(-1000, 1000)
NAMES = ["tenant", "action", "resource.rows", "resource.owner", "context.x-1", "http.path", *ALIASES]
MOMENTS = st.datetimes(datetime(2026, 1, 1), datetime(2026, 12, 31)).map(
    lambda moment: moment.strftime("%Y-%m-%dT%H:%M:%SZ")
)
REFERENCES = st.sampled_from(NAMES).map(lambda name: {"ref": name})
LISTS = st.lists(SCALARS, min_size=1, max_size=3)

_OPERATORS: dict[str, st.SearchStrategy[Any]] = {
    "eq": SCALARS | REFERENCES,
    "ne": SCALARS | REFERENCES,
    "in": LISTS | REFERENCES,
    "not_in": LISTS | REFERENCES,
    "contains_all": LISTS,
    "exists": st.booleans(),
    "gt": NUMBERS | TEXT | REFERENCES,
    "gte": NUMBERS | TEXT,
    "lt": NUMBERS | TEXT,
    "lte": NUMBERS | TEXT,
    "range": st.tuples(NUMBERS, NUMBERS).map(sorted),
    "prefix": st.text("ab*.", min_size=1, max_size=3),
    "matches": st.sampled_from(["^a", "b+c", r"\d{2}"]),
    "cidr": st.sampled_from(["10.0.0.0/8", "2001:db8::/32", "192.0.2.7"]),
}

COMPARISONS = SCALARS | st.fixed_dictionaries({}, optional=_OPERATORS).filter(bool)


def _one_spelling(condition: dict[str, Any]) -> bool:
    paths = [canonical_attribute(name) or name for name in condition]
    return len(set(paths)) == len(paths)


def _entries(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    several = st.lists(inner, min_size=1, max_size=3)
    return st.tuples(
        ATTRIBUTES, st.fixed_dictionaries({}, optional={"all": several, "any": several, "not": inner})
    ).map(lambda halves: halves[0] | halves[1])


ATTRIBUTES = st.dictionaries(st.sampled_from(NAMES), COMPARISONS, max_size=3).filter(_one_spelling)
WHENS: st.SearchStrategy[Any] = st.recursive(ATTRIBUTES, _entries, max_leaves=6)
APPROVERS = st.dictionaries(st.sampled_from(["role", "user", "subject.unit"]), TEXT, max_size=2)
DURATIONS = st.sampled_from(["90s", "30m", "4h", "7d"])
MASKS = st.dictionaries(
    st.sampled_from(["email", "a.b[*].c", "**.ssn", "[0]"]),
    st.sampled_from(["redact", "partial", "drop", "nullify"])
    | st.fixed_dictionaries({"operator": st.just("partial"), "show_first": st.integers(1, 9)}),
    min_size=1,
).map(lambda fields: {"fields": fields})
APPROVALS = st.fixed_dictionaries(
    {},
    optional={
        "approvers": APPROVERS,
        "required": st.integers(1, 5),
        "expires_in": DURATIONS,
        "use_within": DURATIONS,
    },
)


@st.composite
def rules(draw: st.DrawFn, *, with_id: bool) -> dict[str, Any]:
    """Draw a rule, its keys in any order; without an id only where none is needed."""
    effect = draw(st.sampled_from(["allow", "deny", "mask", "require_approval"]))
    rule: dict[str, Any] = {
        draw(st.sampled_from(["when", "conditions"])): draw(WHENS),
        draw(st.sampled_from(["effect", "action"])): effect,
        "reason": draw(LINES),
    }
    if with_id or draw(st.booleans()):
        rule["id"] = draw(st.uuids()).hex
    if effect == "mask":
        rule["mask"] = draw(MASKS)
    if effect == "require_approval" and draw(st.booleans()):
        rule["approval"] = draw(APPROVALS)
    rule |= draw(
        st.fixed_dictionaries(
            {},
            optional={
                "note": TEXT,
                "enabled": st.booleans(),
                "mode": st.sampled_from(["enforce", "observe"]),
                "valid_until": MOMENTS,
            },
        )
    )
    return dict(draw(st.permutations(list(rule.items()))))


@st.composite
def documents(draw: st.DrawFn) -> Any:
    """Draw a valid document of a tenant: the canonical form or the decision record's bare list."""
    if draw(st.booleans()):
        return draw(st.lists(rules(with_id=False), max_size=3))
    document: dict[str, Any] = {
        "default": draw(st.sampled_from(["allow", "deny"])),
        "rules": draw(st.lists(rules(with_id=True), max_size=3, unique_by=lambda rule: rule["id"])),
    }
    document |= draw(
        st.fixed_dictionaries(
            {},
            optional={
                "$schema": TEXT,
                "schema": st.just(1),
                "description": TEXT,
                "metadata": st.dictionaries(TEXT, SCALARS | st.none() | LISTS, max_size=2),
                "combine": st.sampled_from(["first_match", "most_restrictive"]),
            },
        )
    )
    return dict(draw(st.permutations(list(document.items()))))
