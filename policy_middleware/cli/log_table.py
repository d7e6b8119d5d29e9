"""A record on one line, or in full, for people."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

import click

from policy_middleware.cli.output import EFFECT_STYLES
from policy_middleware.decision_log.reading import ReadRecord, asked_of, clean, moment_of
from policy_middleware.decision_log.record import DECISION
from policy_middleware.decision_log.selection import decided_by
from policy_middleware.model.errors import short_revision
from policy_middleware.model.printing import UNSAFE

_WIDTHS: Final = (23, 20, 16, 10, 12, 24, 20)
HEADINGS: Final = ("time", "decision", "effect", "tenant", "subject", "action", "decided by", "reason")
_LONGEST: Final = 200
_ABOUT_THE_RECORD: Final = frozenset(
    {"event", "decision_id", "timestamp", "labels", "tenant", "writer", "seq", "prev", "key", "mac", "path"}
)


def heading() -> str:
    """Return the line above the records."""
    return _line(HEADINGS)


def line(record: ReadRecord) -> str:
    """Return a record as one line; what became of a decision later has its event in place of an effect."""
    asked = asked_of(record)
    is_decision = record.get("event") == DECISION
    what = record.get("effect") if is_decision else record.get("event")
    cells = (
        time_of(record),
        record.get("decision_id"),
        what,
        record.get("tenant"),
        asked.get("subject.id") or record.get("actor"),
        asked.get("action") or record.get("action"),
        decided_by(record) if is_decision else None,
        _remark(record) if is_decision else _details(record),
    )
    return _line(cells, EFFECT_STYLES.get(str(what)) if is_decision else None)


def in_full(record: ReadRecord) -> dict[str, object]:
    """Return everything that a record says, by name."""
    fields: dict[str, object] = {"event": record.get("event"), "decision": record.get("decision_id")}
    fields["time"] = time_of(record)
    fields["tenant"] = record.get("tenant")
    for name, value in record.items():
        if name in _ABOUT_THE_RECORD or value in (None, [], {}):
            continue
        if name == "bundles" and isinstance(value, dict):
            value = ", ".join(f"{each} {_revision(bundle)}" for each, bundle in value.items())
        fields[name] = "\n".join(_spread(value)) if isinstance(value, (dict, list)) else _text(value)
    fields["written by"] = (
        f"{record.get('writer')}, number {record.get('seq')}" if "writer" in record else None
    )
    return fields


def time_of(record: ReadRecord) -> str:
    """Return when it was, to the millisecond; as it is written where that is no time."""
    moment = moment_of(record)
    if moment is None:
        return str(record.get("timestamp") or "")
    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%d %H:%M:%S.%f")[:-3]


def _line(cells: tuple[object, ...], style: str | None = None) -> str:
    texts = [
        UNSAFE.sub("\N{REPLACEMENT CHARACTER}", "" if each is None else str(each))[:_LONGEST]
        for each in cells
    ]
    padded = [(text or "-").ljust(width) for text, width in zip(texts, _WIDTHS, strict=False)]
    if style is not None and sys.stdout.isatty() and not os.environ.get("NO_COLOR"):
        padded[2] = click.style(padded[2], fg=style)
    return "  ".join([*padded, texts[-1]]).rstrip()


def _remark(record: ReadRecord) -> str:
    parts = [str(record.get("reason") or "")]
    if record.get("enforced") is False:
        parts.insert(0, "[only observed]")
    if record.get("indeterminate"):
        parts.append("[a rule could not be evaluated]")
    observed = record.get("observed")
    parts += [
        f"[{rule.get('rule')} would {rule.get('effect')}]"
        for rule in (observed if isinstance(observed, list) else ())
        if isinstance(rule, dict)
    ]
    return " ".join(filter(None, parts))


def _details(record: ReadRecord) -> str:
    told = {
        name: value for name, value in record.items() if name not in _ABOUT_THE_RECORD and value is not None
    }
    return ", ".join(f"{name} {_text(value)}" for name, value in told.items())


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(clean(value), ensure_ascii=False)


def _spread(value: Mapping[str, Any] | list[Any]) -> list[str]:
    if isinstance(value, list):
        return [_text(each) for each in value]
    return [f"{name}: {_text(each)}" for name, each in value.items()]


def _revision(bundle: object) -> str:
    return short_revision(str(bundle.get("revision"))) if isinstance(bundle, dict) else "?"
