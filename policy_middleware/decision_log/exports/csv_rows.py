"""Records as rows for a spreadsheet (RFC 4180), which must not take a value for a formula."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Mapping
from typing import Any, Final

from policy_middleware.decision_log.reading import ReadRecord, asked_of, clean
from policy_middleware.model.errors import short_revision
from policy_middleware.model.printing import UNSAFE

_FORMULA: Final = ("=", "+", "-", "@", "\uff1d", "\uff0b", "\uff0d", "\uff20")
"""What a cell that is calculated begins with, in full width too (OWASP, CSV injection)."""
_TOLD: Final = frozenset(
    {"event", "decision_id", "timestamp", "labels", "tenant", "writer", "seq", "prev", "key", "mac"}
)
"""Members of an event that have columns, or that nobody reads in a spreadsheet."""


def _asked(name: str) -> Callable[[ReadRecord], object]:
    return lambda record: asked_of(record).get(name)


def _member(name: str) -> Callable[[ReadRecord], object]:
    return lambda record: record.get(name)


def _observed(record: ReadRecord) -> object:
    rules = record.get("observed")
    if not isinstance(rules, list):
        return None
    return [f"{rule.get('rule')}: {rule.get('effect')}" for rule in rules if isinstance(rule, dict)]


def _revisions(record: ReadRecord) -> object:
    bundles = record.get("bundles")
    if not isinstance(bundles, dict):
        return None
    return [
        f"{name} {short_revision(str(bundle.get('revision')))}"
        for name, bundle in bundles.items()
        if isinstance(bundle, dict)
    ]


def _details(record: ReadRecord) -> object:
    if record.get("event") == "decision":
        return None
    told = {name: value for name, value in record.items() if name not in _TOLD}
    return json.dumps(clean(told), ensure_ascii=False) if told else None


_COLUMNS: Final[Mapping[str, Callable[[ReadRecord], Any]]] = {
    "timestamp": _member("timestamp"),
    "event": _member("event"),
    "decision_id": _member("decision_id"),
    "tenant": _member("tenant"),
    "effect": _member("effect"),
    "document": _member("document"),
    "rule": _member("rule"),
    "matched": _member("matched"),
    "reason": _member("reason"),
    "subject": _asked("subject.id"),
    "roles": _asked("subject.roles"),
    "action": _asked("action"),
    "resource_type": _asked("resource.type"),
    "resource_id": _asked("resource.id"),
    "method": _asked("http.method"),
    "path": _asked("http.path"),
    "ip": _member("requested_by"),
    "enforced": _member("enforced"),
    "indeterminate": _member("indeterminate"),
    "refusal": _member("refusal"),
    "approval": _member("approval"),
    "observed": _observed,
    "revisions": _revisions,
    "trace_id": _member("trace_id"),
    "writer": _member("writer"),
    "seq": _member("seq"),
    "details": _details,
}


def _line(cells: list[str]) -> str:
    written = io.StringIO()
    csv.writer(written, lineterminator="").writerow(cells)
    return written.getvalue()


HEADER: Final = _line([*_COLUMNS])


def row(record: ReadRecord) -> str:
    """Return a record as one row; a text that looks like a formula begins with an apostrophe."""
    return _line([_cell(column(record)) for column in _COLUMNS.values()])


def _cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, list):
        value = ", ".join(map(str, value))
    text = UNSAFE.sub(" ", str(value))
    return f"'{text}" if text.lstrip().startswith(_FORMULA) else text
