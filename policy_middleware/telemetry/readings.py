"""What a decision record, or the record of what became of a decision, adds to which figure.

Read from records, so that counting costs a request nothing. Every label has few values: effects and the like
are closed sets, and a tenant counts as one only if it has a policy document of its own, because clients can
make up names.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from policy_middleware.decision_log import Record

NANOSECONDS: Final = 1e9
_TIMER: Final = "timer_policy_evaluation_ns"


@dataclass(frozen=True, slots=True)
class Decided:
    """One decision; `seconds` is how long its evaluation took, where that is measured."""

    effect: str
    matched: str
    refusal: str
    enforced: bool
    tenant: str
    seconds: float | None


@dataclass(frozen=True, slots=True)
class Masked:
    """One response that was masked; `entities` tells how many of each kind of personal data."""

    values: int
    entities: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class MaskFailed:
    """One response that had to be masked and could not be."""


Reading = Decided | Masked | MaskFailed


def readings(records: Iterator[Record]) -> Iterator[Reading]:
    """Yield what records add; whatever else they say is passed over."""
    for record in records:
        event = record.get("event")
        if event == "decision":
            yield _decided(record)
        elif event == "masked":
            yield _masked(record)
        elif event == "mask_failed":
            yield MaskFailed()


def _decided(record: Record) -> Decided:
    tenant, documents, metrics = record.get("tenant"), record.get("bundles"), record.get("metrics")
    known = isinstance(tenant, str) and isinstance(documents, Mapping) and tenant in documents
    nanoseconds = metrics.get(_TIMER) if isinstance(metrics, Mapping) else None
    return Decided(
        str(record.get("effect")),
        str(record.get("matched")),
        str(record.get("refusal") or ""),
        record.get("enforced") is not False,
        str(tenant) if known else "",
        nanoseconds / NANOSECONDS if isinstance(nanoseconds, int) else None,
    )


def _masked(record: Record) -> Masked:
    count, entities = record.get("count"), record.get("entities")
    found = entities if isinstance(entities, Mapping) else {}
    return Masked(
        count if isinstance(count, int) else 0,
        {str(name): number for name, number in found.items() if isinstance(number, int)},
    )
