"""What a record says: the field names of OPA's decision log, and what a policy decision adds to them.

The values are plain JSON data. `input` holds the request's attributes by their dotted paths, as they were
decided on; asked again (`RequestContext.from_mapping`), they give the same answer over the same revisions.
Records hold what was asked and decided, never anything of a response.
"""

from __future__ import annotations

import json
import os
import secrets
import socket
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from typing import Final

from policy_middleware.decision_log.plain_data import MAX_ITEMS, Shortener, plain_text
from policy_middleware.model.context import RequestContext
from policy_middleware.model.decision import ObservedRule, PolicyDecision
from policy_middleware.model.vocabulary import TIME

Record = Mapping[str, object]
"""Plain JSON data; `event` says what kind of record it is. Shared by all sinks: not to be changed."""

DECISION: Final = "decision"
GAP: Final = "gap"
UNREADABLE: Final = "unreadable"
OVERRIDDEN: Final = "overridden"
"""The field that marks what was recorded while a test had put other policies in force."""
_PATH: Final = "policy/"
_CLIENT: Final = "environment.ip"
_DELETE: Final = "\x7f"


def decision_record(
    decision: PolicyDecision,
    context: RequestContext | None,
    now: float,
    enforced: bool = True,
    refusal: str | None = None,
    approval_id: str | None = None,
) -> Record:
    """Build the record of one decision, made at `now` (seconds since the epoch)."""
    outcome = decision.outcome
    tenant = (context.tenant if context is not None else "") or None
    attributes = context.attributes if context is not None else {}
    shortener = Shortener()
    asked = shortener.mapping(attributes)
    if context is not None:
        asked[TIME] = timestamp(context.now)
    record: dict[str, object] = {
        "event": DECISION,
        "decision_id": decision.decision_id,
        "timestamp": timestamp(now),
        "labels": labels(os.getpid()),
        "path": _PATH + (tenant or ""),
        "input": asked,
        "result": {"allowed": decision.allowed, "effect": outcome.effect.value},
        "requested_by": asked.get(_CLIENT),
        "bundles": {name: {"revision": revision} for name, revision in decision.revisions.items()},
        "tenant": tenant,
        "effect": outcome.effect.value,
        "rule": outcome.rule_id,
        "document": outcome.document,
        "reason": plain_text(outcome.reason),
        "matched": outcome.matched.value,
        "indeterminate": outcome.indeterminate,
        "observed": [_observed(rule) for rule in outcome.observed[:MAX_ITEMS]],
        "approval": approval_id,
        "enforced": enforced,
    }
    if refusal is not None:
        record["refusal"] = plain_text(refusal)
    if len(outcome.observed) > MAX_ITEMS:
        shortener.shortened.append("observed")
    if shortener.shortened:
        record["shortened"] = shortener.shortened
    return record


def event_record(event: str, decision_id: str | None, now: float, details: Mapping[str, object]) -> Record:
    """Build the record of what happened to a decision later; `details` cannot replace its own fields."""
    shortener = Shortener()
    own: dict[str, object] = {
        "event": event,
        "decision_id": decision_id,
        "timestamp": timestamp(now),
        "labels": labels(os.getpid()),
    }
    record = own | shortener.mapping(details) | own
    if shortener.shortened:
        record["shortened"] = shortener.shortened
    return record


def overridden_record(build: Callable[..., Record], arguments: tuple[object, ...]) -> Record:
    """Build a record and mark that it speaks of policies which no store holds."""
    return {**build(*arguments), OVERRIDDEN: True}


def gap_record(since: float, until: float, lost: int) -> Record:
    """Build the record that stands for `lost` ones that did not fit into the queue, between two moments."""
    return event_record(GAP, None, until, {"lost": lost, "since": timestamp(since)})


def unreadable_record(decision_id: str | None, error: Exception, now: float) -> Record:
    """Build the record that stands for one that could not be built; names the kind of error only."""
    return event_record(UNREADABLE, decision_id, now, {"error": type(error).__name__})


def json_line(record: Record) -> str:
    """Return a record as one line of ASCII JSON: no control character, no escape sequence, no line break."""
    return json.dumps(record, ensure_ascii=True, allow_nan=False, separators=(",", ":")).replace(
        _DELETE, "\\u007f"
    )


def timestamp(now: float) -> str:
    """Return seconds since the epoch as RFC 3339 in UTC, to the microsecond."""
    return datetime.fromtimestamp(now, UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


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


def _observed(rule: ObservedRule) -> dict[str, object]:
    return {
        "document": rule.document,
        "rule": rule.rule_id,
        "effect": rule.effect.value,
        "reason": plain_text(rule.reason),
        "indeterminate": rule.indeterminate,
    }
