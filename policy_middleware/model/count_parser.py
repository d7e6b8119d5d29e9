"""Reads `count` and the attributes that counts and limits are kept by."""

from __future__ import annotations

from types import MappingProxyType
from typing import Final

from policy_middleware.model.conditions import Count, Operator
from policy_middleware.model.effect import Effect
from policy_middleware.model.findings import Finding, FindingsError
from policy_middleware.model.json_reading import JSON, kind_of, shown
from policy_middleware.model.times import duration_seconds
from policy_middleware.model.vocabulary import canonical_attribute, why_not_an_attribute

COUNTED: Final = ("effect", "rule", "event")
"""What a count can be of; it names exactly one."""
COMPARISONS: Final = MappingProxyType(
    {
        operator.value: operator
        for operator in (Operator.GT, Operator.GTE, Operator.LT, Operator.LTE, Operator.EQ)
    }
)
"""How a count compares with its threshold."""

MOST_COUNTED: Final = 100_000
"""The largest threshold: a counter remembers one entry more than it can be asked for."""

_COUNT_KEYS: Final = frozenset({*COUNTED, *COMPARISONS, "per", "within"})


def parse_per(raw: JSON) -> tuple[str, ...]:
    """Read the attributes something is counted by, as canonical paths, or raise FindingsError."""
    if not isinstance(raw, list) or not raw:
        raise FindingsError([((), 'takes a list of attributes, such as ["subject.id"]')])
    attributes: list[str] = []
    findings: list[Finding] = []
    for index, name in enumerate(raw):
        reason = (
            why_not_an_attribute(name) if isinstance(name, str) else f"is {kind_of(name)}, not an attribute"
        )
        canonical = canonical_attribute(name) if isinstance(name, str) else None
        if reason is not None or canonical is None:
            findings.append(((index,), reason or "is not an attribute"))
        elif canonical in attributes:
            findings.append(((index,), f"names {canonical!r} a second time"))
        else:
            attributes.append(canonical)
    if findings:
        raise FindingsError(findings)
    return tuple(attributes)


def parse_count(raw: JSON) -> Count:
    """Read what is inside `count`, or raise FindingsError."""
    if not isinstance(raw, dict):
        raise FindingsError([((), f"must be an object, not {kind_of(raw)}")])
    findings: list[Finding] = [
        ((key,), f"is an unknown key; count has {', '.join(sorted(_COUNT_KEYS))}")
        for key in raw
        if key not in _COUNT_KEYS
    ]
    counted = _only(raw, COUNTED, "what is counted", findings)
    comparison = _only(raw, tuple(COMPARISONS), "how many there are", findings)
    per, within = _per_and_within(raw, findings)
    what: dict[str, str] = {}
    if counted is not None:
        value = raw[counted]
        if not isinstance(value, str) or not value:
            findings.append(((counted,), f"must be a name, not {kind_of(value)}"))
        elif counted == "effect" and value not in tuple(Effect):
            findings.append(
                ((counted,), f"{shown(value)} is not an effect; write {', '.join(tuple(Effect))}")
            )
        else:
            what[counted] = value
    threshold = raw[comparison] if comparison is not None else None
    if comparison is not None and (
        not isinstance(threshold, int) or isinstance(threshold, bool) or threshold < 0
    ):
        findings.append(((comparison,), "takes a whole number from 0"))
    elif isinstance(threshold, int) and threshold > MOST_COUNTED and comparison is not None:
        findings.append(((comparison,), f"is {threshold}; counters are kept up to {MOST_COUNTED}"))
    if findings or comparison is None or not isinstance(threshold, int):
        raise FindingsError(findings)
    return Count(per, within, COMPARISONS[comparison], threshold, **what)


def _only(raw: dict[str, JSON], keys: tuple[str, ...], meaning: str, findings: list[Finding]) -> str | None:
    given = [key for key in keys if key in raw]
    if len(given) == 1:
        return given[0]
    findings.append(((), f"needs exactly one of {', '.join(keys)} to say {meaning}"))
    return None


def _per_and_within(raw: dict[str, JSON], findings: list[Finding]) -> tuple[tuple[str, ...], float]:
    per: tuple[str, ...] = ()
    within = 0.0
    for key in ("per", "within"):
        try:
            if key not in raw:
                raise FindingsError([((), "is missing")])
            if key == "per":
                per = parse_per(raw[key])
            else:
                within = duration_seconds(raw[key])
        except FindingsError as error:
            findings.extend(((key, *path), message) for path, message in error.findings)
        except ValueError as error:
            findings.append(((key,), str(error)))
    return per, within
