"""Decisions as events of OPA's decision log, for pipelines that accept these members and no others.

Source: https://www.openpolicyagent.org/docs/latest/management-decision-logs/
"""

from __future__ import annotations

from typing import Final

from policy_middleware.decision_log.reading import ReadRecord
from policy_middleware.decision_log.record import DECISION

_MEMBERS: Final = (
    "labels",
    "decision_id",
    "trace_id",
    "span_id",
    "bundles",
    "path",
    "input",
    "result",
    "requested_by",
    "timestamp",
    "metrics",
    "erased",
    "masked",
)


def opa_event(record: ReadRecord) -> dict[str, object] | None:
    """Return a decision as OPA's event; None for what is no decision, which OPA's log has no form for."""
    if record.get("event") != DECISION:
        return None
    return {name: record[name] for name in _MEMBERS if record.get(name) is not None}
