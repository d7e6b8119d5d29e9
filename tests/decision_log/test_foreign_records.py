"""Nothing that reads a log trusts what it reads: any JSON under the names of a record does no harm."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from policy_middleware.authoring.asking_again import NotAsked, RecordedRequest
from policy_middleware.authoring.past_policies import History, default_without_policy
from policy_middleware.authoring.replay import Replay
from policy_middleware.cli.log_table import in_full, line
from policy_middleware.decision_log.exports import EXPORTS
from policy_middleware.decision_log.reading import record_of
from policy_middleware.decision_log.record import decision_record
from policy_middleware.decision_log.selection import Selection
from policy_middleware.decision_log.statistics import Statistics
from policy_middleware.evaluation.index import CompiledDocument
from policy_middleware.model.documents import parse_document
from policy_middleware.stores.memory import MemoryStore
from tests.cli.running import POLICY, body
from tests.decision_log.decisions import NOW, asked, decided

GENUINE = {**decision_record(decided(), asked(), NOW), "writer": "w", "seq": 1}
MEMBERS = sorted(
    {
        *GENUINE,
        "facts",
        "erased",
        "masked",
        "shortened",
        "refusal",
        "metrics",
        "trace_id",
        "span_id",
        "count",
        "entities",
        "lost",
        "overridden",
    }
)
TEXTS = st.text(max_size=8) | st.sampled_from(
    [
        "\ud800",
        "\x1b[2J",
        "acme",
        "_global",
        "/input/action",
        "subject.id",
        "2026-01-01T00:00:00Z",
        "approval",
        "deny",
    ]
)
SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXTS
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=8,
)
EVENTS = st.sampled_from(["decision", "masked", "gap", "approval_voted"]) | TEXTS
FOREIGN = st.dictionaries(st.sampled_from(MEMBERS), VALUES, max_size=6)
INPUTS = st.dictionaries(
    st.sampled_from(
        [
            "action",
            "subject.id",
            "subject.roles",
            "environment.time",
            "http.method",
            "http.path",
            "resource.tags",
            "tenant",
        ]
    )
    | TEXTS,
    VALUES,
    max_size=4,
)


def harmless(text: str | None) -> bool:
    return text is None or not re.search("[\x00-\x1f\x7f-\x9f\u202e\ud800-\udfff]", text)


@given(EVENTS, FOREIGN, st.none() | INPUTS)
def test_any_json_does_no_harm(
    event: str, foreign: Mapping[str, Any], request: Mapping[str, Any] | None
) -> None:
    changed = {**GENUINE, **foreign, "event": event} | ({} if request is None else {"input": request})
    record = record_of(json.dumps(changed).encode())
    assert record is not None
    for export in EXPORTS.values():
        assert harmless(export.line(record))
    assert harmless(line(record))
    in_full(record)
    Statistics().add(record)
    for selection in (
        Selection(tenants=("acme",)),
        Selection(rules=("a*",), since=1.0),
        Selection(subjects=("x",)),
    ):
        selection.takes(record)
    history = History(MemoryStore())
    Replay(history, CompiledDocument(parse_document(body(POLICY), name="acme"), "0" * 64)).add(record)
    with suppress(NotAsked):
        RecordedRequest.of(record).ask(history.policies_of(record).policies(default_without_policy(record)))
