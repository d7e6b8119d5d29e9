"""Records as CloudEvents 1.0 in the JSON format (structured mode, one a line)."""

from __future__ import annotations

import re
from hashlib import sha256
from typing import Final
from urllib.parse import quote

from policy_middleware.decision_log.exports.json_text import original_line
from policy_middleware.decision_log.reading import ReadRecord, moment_of

_TYPE: Final = "dev.policy_middleware.{}.v1"
_NOT_IN_A_TYPE: Final = re.compile(r"[^a-z0-9_]")
_TRACE: Final = re.compile("[0-9a-f]{32}")
_SPAN: Final = re.compile("[0-9a-f]{16}")
_SAMPLED: Final = "01"


def cloud_event(record: ReadRecord) -> dict[str, object]:
    """Return a record as a CloudEvent: `source` is the process, `subject` what the event is about.

    `id` is the record's place in its chain, so that a record read twice is the same event. With a trace the
    event has the extension `traceparent` (Distributed Tracing).
    """
    event: dict[str, object] = {
        "specversion": "1.0",
        "id": _id(record),
        "source": f"/policy-middleware/{quote(_process(record), safe=':')}",
        "type": _TYPE.format(_NOT_IN_A_TYPE.sub("_", str(record.get("event")).lower())),
        "datacontenttype": "application/json",
        "data": dict(record),
    }
    subject = _subject(record)
    if subject:
        event["subject"] = subject
    if moment_of(record) is not None:
        event["time"] = record["timestamp"]
    trace, span = record.get("trace_id"), record.get("span_id")
    if isinstance(trace, str) and isinstance(span, str) and _TRACE.fullmatch(trace) and _SPAN.fullmatch(span):
        event["traceparent"] = f"00-{trace}-{span}-{_SAMPLED}"
    return event


def _id(record: ReadRecord) -> str:
    writer, seq = record.get("writer"), record.get("seq")
    if isinstance(writer, str) and writer and isinstance(seq, int):
        return f"{writer}/{seq}"
    return sha256(original_line(record).encode()).hexdigest()


def _process(record: ReadRecord) -> str:
    labels = record.get("labels")
    name = labels.get("id") if isinstance(labels, dict) else None
    return name.encode(errors="replace").decode() if isinstance(name, str) and name else "unknown"


def _subject(record: ReadRecord) -> str:
    tenant, decision = record.get("tenant"), record.get("decision_id")
    parts = (f"tenant/{tenant}" if tenant else "", f"decision/{decision}" if decision else "")
    return "/".join(filter(None, parts))
