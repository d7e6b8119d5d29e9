"""What a record says: the field names of OPA's decision log, and what a policy decision adds to them.

The values are plain JSON data. `input` holds the request's attributes by their dotted paths, as they were
decided on; asked again (`RequestContext.from_mapping`), they give the same answer over the same revisions.
Records hold what was asked and decided, never anything of a response.
"""

from __future__ import annotations

import json
import math
import os
import secrets
import socket
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from itertools import islice
from typing import Final

from pydantic_core import to_json

from policy_middleware.decision_log.plain_data import MAX_ITEMS, Shortener, plain_text
from policy_middleware.decision_log.trace import TraceContext
from policy_middleware.model.context import RequestContext
from policy_middleware.model.decision import Matched, ObservedRule, Outcome, PolicyDecision
from policy_middleware.model.vocabulary import TIME

Record = Mapping[str, object]
"""Plain JSON data; `event` says what kind of record it is. Shared by all sinks: not to be changed."""

DECISION: Final = "decision"
GAP: Final = "gap"
CHECKPOINT: Final = "checkpoint"
LOG_CLOSED: Final = "log_closed"
WITHHELD: Final = "withheld"
"""The event of a decision that was recorded, or not, too late: what it allowed was not run."""
UNREADABLE: Final = "unreadable"
OVERRIDDEN: Final = "overridden"
"""The field that marks what was recorded while a test had put other policies in force."""
STALE: Final = "stale"
INDETERMINATE: Final = "indeterminate"
EVALUATION_TIMER: Final = "timer_policy_evaluation_ns"
_PATH: Final = "policy/"
_BY_POLICY: Final = (Matched.RULE, Matched.DEFAULT)
_CLIENT: Final = "environment.ip"
_DELETE: Final = "\x7f"


def decision_record(
    decision: PolicyDecision,
    context: RequestContext | None,
    now: float,
    enforced: bool = True,
    refusal: str | None = None,
    approval_id: str | None = None,
    trace: TraceContext | None = None,
    stale: bool = False,
) -> dict[str, object]:
    """Build the record of one decision, made at `now` (seconds since the epoch).

    `stale` says that the store was away and the last good documents decided.
    """
    outcome = decision.outcome
    tenant = (context.tenant if context is not None else "") or None
    attributes = context.attributes if context is not None else {}
    shortener = Shortener()
    asked = shortener.mapping(attributes)
    moment = timestamp(now)
    if context is not None:
        asked[TIME] = moment if context.now == now else timestamp(context.now)
    effect = str(outcome.effect)
    record: dict[str, object] = {
        "event": DECISION,
        "decision_id": decision.decision_id,
        "timestamp": moment,
        "labels": labels(os.getpid()),
        "path": _PATH + (tenant or ""),
        "input": asked,
        "result": {"allowed": decision.allowed, "effect": effect},
        "requested_by": asked.get(_CLIENT),
        "bundles": {name: {"revision": revision} for name, revision in decision.revisions.items()},
        "tenant": tenant,
        "effect": effect,
        "rule": outcome.rule_id,
        "document": outcome.document,
        "reason": plain_text(outcome.reason),
        "matched": _matched(outcome, stale),
        "indeterminate": outcome.indeterminate,
        "observed": [_observed(rule) for rule in outcome.observed[:MAX_ITEMS]],
        "approval": approval_id,
        "enforced": enforced,
    }
    if refusal is not None:
        record["refusal"] = plain_text(refusal)
    if decision.facts:
        record["facts"] = dict(islice(decision.facts.items(), MAX_ITEMS))
    if trace is not None:
        record["trace_id"], record["span_id"] = trace
    evaluation_ns = getattr(decision, "evaluation_ns", None)
    if evaluation_ns is not None:
        record["metrics"] = {EVALUATION_TIMER: evaluation_ns}
    if len(outcome.observed) > MAX_ITEMS:
        shortener.shortened.append("observed")
    if shortener.shortened:
        record["shortened"] = shortener.shortened
    return record


def event_record(
    event: str,
    decision_id: str | None,
    now: float,
    details: Mapping[str, object],
    tenant: str | None = None,
) -> dict[str, object]:
    """Build the record of what happened to a decision later; `details` cannot replace its own fields."""
    shortener = Shortener()
    own: dict[str, object] = {
        "event": event,
        "decision_id": decision_id,
        "timestamp": timestamp(now),
        "labels": labels(os.getpid()),
    }
    if tenant is not None:
        own["tenant"] = tenant
    record = own | shortener.mapping(details) | own
    if shortener.shortened:
        record["shortened"] = shortener.shortened
    return record


def overridden_record(
    build: Callable[..., dict[str, object]], arguments: tuple[object, ...]
) -> dict[str, object]:
    """Build a record and mark that it speaks of policies which no store holds."""
    return {**build(*arguments), OVERRIDDEN: True}


def gap_record(
    since: float, until: float, lost: int, details: Mapping[str, object] | None = None
) -> dict[str, object]:
    """Build the record that stands for `lost` ones between two moments.

    Without details they did not fit into the queue; else `sink` names what failed to take the records from
    `first_seq` to `last_seq`.
    """
    return event_record(GAP, None, until, {"lost": lost, "since": timestamp(since), **(details or {})})


def unreadable_record(decision_id: str | None, error: Exception, now: float) -> dict[str, object]:
    """Build the record that stands for one that could not be built; names the kind of error only."""
    return event_record(UNREADABLE, decision_id, now, {"error": type(error).__name__})


def json_line(record: Record) -> str:
    """Return a record as one line of ASCII JSON: no control character, no escape sequence, no line break.

    Of a record that has its place in the log it is the line that all sinks share.
    """
    line = getattr(record, "line", None)
    return encoded(record) if line is None else str(line)


def encoded(record: Record) -> str:
    """Encode a record, whether it has its place in the log or not."""
    # Pydantic's serializer takes a third of the time, but leaves what is not ASCII as it is.
    line = to_json(record)
    text = (
        line.decode("ascii") if line.isascii() else json.dumps(record, allow_nan=False, separators=(",", ":"))
    )
    return text.replace(_DELETE, "\\u007f")


def timestamp(now: float) -> str:
    """Return seconds since the epoch as RFC 3339 in UTC, to the microsecond."""
    second = math.floor(now)
    microseconds = round((now - second) * 1e6)
    if microseconds == 1_000_000:
        second, microseconds = second + 1, 0
    return f"{_to_the_second(second)}.{microseconds:06d}Z"


# Records come many to a second, and the calendar is most of the work.
@lru_cache(maxsize=8)
def _to_the_second(second: int) -> str:
    return datetime.fromtimestamp(second, UTC).isoformat()[:19]


@lru_cache(maxsize=1)
def labels(pid: int) -> Mapping[str, str]:
    """Return OPA's labels of the process `pid` (this one): a unique id and the package's version."""
    host = plain_text(socket.gethostname())
    return {"id": f"{host}:{pid}:{secrets.token_hex(4)}", "version": _package_version()}


def _package_version() -> str:
    try:
        return version("policy-middleware")
    except PackageNotFoundError:  # run from a source tree that was never installed
        return "unknown"


def _matched(outcome: Outcome, stale: bool) -> str:
    """Return what decided, as one word; `rule` and `indeterminate` are told apart by fields of their own."""
    if outcome.matched not in _BY_POLICY:
        return str(outcome.matched)
    if stale:
        return STALE
    return INDETERMINATE if outcome.indeterminate else str(outcome.matched)


def _observed(rule: ObservedRule) -> dict[str, object]:
    return {
        "document": rule.document,
        "rule": rule.rule_id,
        "effect": str(rule.effect),
        "reason": plain_text(rule.reason),
        "indeterminate": rule.indeterminate,
    }
