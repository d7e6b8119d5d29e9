from __future__ import annotations

import csv
import io
import json
import re
from typing import Any

import pytest

from policy_middleware.decision_log.exports import EXPORTS
from policy_middleware.decision_log.reading import LoggedRecord, moment_of, record_of
from policy_middleware.decision_log.record import decision_record, event_record, gap_record, json_line
from policy_middleware.model.decision import ObservedRule
from policy_middleware.model.effect import Effect
from tests.decision_log.decisions import NOW, asked, decided
from tests.decision_log.sealed import sealed


def record(
    effect: Effect = Effect.ALLOW, changed: dict[str, object] | None = None, **attributes: object
) -> LoggedRecord:
    built = decision_record(decided("d-1", effect), asked(**attributes), NOW)
    read = record_of(json_line({**built, **(changed or {}), "writer": "h:1:ab", "seq": 7}).encode())
    assert read is not None
    return read


def lines(name: str, *records: LoggedRecord) -> list[Any]:
    found = [EXPORTS[name].line(each) for each in records]
    return [json.loads(line) for line in found if line is not None]


def cells(found: LoggedRecord) -> dict[str, str]:
    text = f"{EXPORTS['csv'].header}\n{EXPORTS['csv'].line(found)}\n"
    (row,) = csv.DictReader(io.StringIO(text))
    return row


HOSTILE = 'x\ud800"\x1b[31m\n\u202e\x7f\U0001f600é'


def test_jsonl_gives_lines_as_they_were_written() -> None:
    for line in sealed(3):
        read = record_of(line)
        assert read is not None
        assert EXPORTS["jsonl"].line(read) == line.decode().rstrip("\n")


def test_a_line_that_is_not_printable_ascii_is_encoded_again() -> None:
    read = record_of('{"event":"x","a":"\x7fé\u2028"}'.encode())
    assert read is not None
    text = EXPORTS["jsonl"].line(read)
    assert text is not None
    assert text.isascii()
    assert text.isprintable()
    assert json.loads(text) == {"event": "x", "a": "\x7fé\u2028"}


@pytest.mark.parametrize("name", [*EXPORTS])
def test_every_format_is_one_line_of_safe_text_whatever_a_record_holds(name: str) -> None:
    odd = LoggedRecord(
        {
            "event": "decision",
            "decision_id": HOSTILE,
            "timestamp": 7,
            "labels": [],
            "tenant": HOSTILE,
            "effect": "rejected",
            "input": {"action": HOSTILE, "subject.id": 5, "subject.roles": [HOSTILE], "resource.tags": {}},
            "observed": [3, {"rule": HOSTILE}],
            "bundles": {"a": 3},
            "seq": "x",
            "writer": 5,
            "requested_by": [],
        },
        b"\xff",
    )
    for each in (odd, LoggedRecord({"event": HOSTILE}, b"\xff"), LoggedRecord({}, b"\xff")):
        text = EXPORTS[name].line(each)
        assert text is None or not re.search("[\x00-\x1f\x7f-\x9f\u202e\ud800-\udfff]", text)


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", " =1", "\t=1", "\r=1", "\n=1", "\uff1d1"])
def test_csv_cells_are_never_formulas(text: str) -> None:
    found = cells(record(**{"subject.id": text, "resource.id": text}))
    assert found["subject"].startswith("'")
    assert found["resource_id"].startswith("'")


def test_csv_has_a_row_for_spreadsheets() -> None:
    found = cells(record(Effect.DENY, **{"subject.roles": ("viewer", "guest"), "resource.id": 'a,"b"'}))
    assert (found["effect"], found["roles"], found["resource_id"]) == ("deny", "viewer, guest", 'a,"b"')
    assert (found["enforced"], found["seq"], found["revisions"]) == (
        "true",
        "7",
        "acme aaaaaaaaaaaa, _global bbbbbbbbbbbb",
    )


OCSF_REQUIRED = {"activity_id", "category_uid", "class_uid", "metadata", "severity_id", "time", "type_uid"}


@pytest.mark.parametrize(
    ("effect", "changed", "action", "disposition"),
    [
        (Effect.ALLOW, {}, 1, 1),
        (Effect.ALLOW, {"matched": "approval"}, 1, 8),
        (Effect.DENY, {}, 2, 2),
        (Effect.MASK, {}, 4, 11),
        (Effect.REQUIRE_APPROVAL, {}, 4, 14),
        (Effect.DENY, {"enforced": False}, 3, 17),
        (Effect.DENY, {"effect": "unheard-of"}, 0, 0),
    ],
)
def test_ocsf_api_activity_has_what_its_class_and_profile_require(
    effect: Effect, changed: dict[str, object], action: int, disposition: int
) -> None:
    (event,) = lines("ocsf", record(effect, changed, **{"http.method": "POST", "http.path": "/reports"}))
    assert OCSF_REQUIRED | {"actor", "api", "src_endpoint"} <= event.keys()
    assert (event["class_uid"], event["category_uid"], event["activity_id"]) == (6003, 6, 1)
    assert event["type_uid"] == event["class_uid"] * 100 + event["activity_id"]
    assert (event["action_id"], event["disposition_id"]) == (action, disposition)
    assert event["time"] == int(NOW * 1000)
    assert event["metadata"]["profiles"] == ["security_control"]
    assert event["metadata"]["version"] == "1.6.0"
    assert event["metadata"]["product"]["name"]
    assert event["actor"]["user"]["uid"] == "ann"
    assert event["src_endpoint"] == {"ip": "10.0.0.9"}
    assert event["api"]["operation"] == "document.read"
    assert event["policy"]["uid"] == "acme/staff-reads"
    assert event["policy"]["version"] == "a" * 64


def test_ocsf_tells_rules_that_are_only_observed_and_requests_nobody_is_known_of() -> None:
    seen = (ObservedRule("acme", "obs", Effect.DENY, "No."),)
    built = decision_record(decided(observed=seen), None, NOW)
    (event,) = lines("ocsf", LoggedRecord(built, b"\xff"))
    assert event["authorizations"][1] == {
        "decision": "deny",
        "policy": {"uid": "acme/obs", "name": "obs", "is_applied": False},
    }
    assert event["actor"]["user"]["name"] == "anonymous"
    assert event["src_endpoint"] == {"name": "unknown"}


def test_ocsf_other_records_are_base_events() -> None:
    (event,) = lines("ocsf", LoggedRecord(gap_record(NOW, NOW + 1, 3), b"\xff"))
    assert event.keys() >= OCSF_REQUIRED
    assert (event["class_uid"], event["type_uid"], event["severity_id"]) == (0, 99, 3)
    assert event["unmapped"]["lost"] == 3


def test_cloud_events_have_their_required_attributes_and_the_record_as_data() -> None:
    trace = {"trace_id": "0af7651916cd43dd8448eb211c80319c", "span_id": "b7ad6b7169203331"}
    (event,) = lines("cloudevents", record(Effect.ALLOW, dict(trace)))
    assert {"specversion", "id", "source", "type"} <= event.keys()
    assert (event["specversion"], event["id"], event["type"]) == (
        "1.0",
        "h:1:ab/7",
        "dev.policy_middleware.decision.v1",
    )
    assert event["subject"] == "tenant/acme/decision/d-1"
    assert event["traceparent"] == "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    assert moment_of({"timestamp": event["time"]}) == NOW
    assert event["data"]["effect"] == "allow"
    assert all(re.fullmatch("[a-z0-9]{1,20}", name) for name in event)


def test_a_cloud_event_of_a_record_without_a_place_has_the_same_id_each_time() -> None:
    gap = LoggedRecord(event_record("gap", None, NOW, {"lost": 1}), b'{"event":"gap"}')
    (first,) = lines("cloudevents", gap)
    (second,) = lines("cloudevents", gap)
    assert first["id"] == second["id"]
    assert len(first["id"]) == 64


def test_opa_has_the_members_of_opas_events_and_decisions_only() -> None:
    (event,) = lines("opa", record(), LoggedRecord({"event": "masked"}, b"\xff"))
    assert event.keys() <= {
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
    }
    assert event["bundles"]["acme"]["revision"] == "a" * 64
    assert event["requested_by"] == "10.0.0.9"
