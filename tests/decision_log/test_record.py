"""What a record says, and that anything a request brings can be recorded."""

from __future__ import annotations

import json
import math
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from policy_middleware.decision_log.plain_data import MAX_CHARACTERS, MAX_ITEMS, MAX_TEXT, Shortener
from policy_middleware.decision_log.record import (
    decision_record,
    event_record,
    gap_record,
    json_line,
    timestamp,
)
from policy_middleware.model.context import RequestContext
from policy_middleware.model.decision import ObservedRule
from policy_middleware.model.effect import Effect
from tests.decision_log.decisions import NOW, asked, decided


def test_a_record_has_the_names_of_opas_decision_log():
    record = decision_record(decided(), asked(), NOW)
    assert record["decision_id"] == "d-1"
    assert record["timestamp"] == "2026-05-28T20:26:40.250000Z"
    assert record["path"] == "policy/acme"
    assert record["requested_by"] == "10.0.0.9"
    assert record["bundles"] == {"acme": {"revision": "a" * 64}, "_global": {"revision": "b" * 64}}
    assert record["result"] == {"allowed": True, "effect": "allow"}
    assert set(record["labels"]) == {"id", "version"}


def test_a_record_says_what_decided_and_why():
    observed = ObservedRule("acme", "trial", Effect.DENY, "Soon.", indeterminate=True)
    record = decision_record(
        decided(effect=Effect.REQUIRE_APPROVAL, observed=(observed,)),
        asked(),
        NOW,
        enforced=False,
        approval_id="ap-1",
    )
    expected = {
        "event": "decision",
        "tenant": "acme",
        "effect": "require_approval",
        "rule": "staff-reads",
        "document": "acme",
        "reason": "Staff may read.",
        "matched": "rule",
        "indeterminate": False,
        "approval": "ap-1",
        "enforced": False,
        "observed": [
            {"document": "acme", "rule": "trial", "effect": "deny", "reason": "Soon.", "indeterminate": True}
        ],
    }
    assert {name: record[name] for name in expected} == expected
    assert "refusal" not in record


def test_the_input_asked_again_is_the_same_question():
    context = asked(
        **{"resource.tags": ("pii", "eu"), "resource.rows": 1000, "context.flag": True, "context.rate": 0.5}
    )
    record = decision_record(decided(), context, NOW)
    again = RequestContext.from_mapping(json.loads(json_line(record))["input"])
    assert again.now == context.now
    for name, value in context.attributes.items():
        assert again.attributes[name] == value


def test_a_refusal_before_any_decision_is_recorded_without_a_tenant():
    record = decision_record(decided(), RequestContext("", {}, NOW), NOW, refusal="tenant-missing")
    assert (record["tenant"], record["refusal"], record["requested_by"]) == (None, "tenant-missing", None)
    record = decision_record(decided(), None, NOW)
    assert (record["tenant"], record["input"]) == (None, {})


awkward = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(),
        st.floats(),
        st.text(max_size=20),
        st.sampled_from(
            ["\ud800", "\x00\x1b[31m\x7f\u2028\u202e", 1 << 2000, -(1 << 2000), math.nan, b"bytes", object()]
        ),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4), st.tuples(inner), st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=10,
)


@settings(max_examples=150, deadline=None)
@given(st.dictionaries(st.text(max_size=10), awkward, max_size=6))
def test_anything_becomes_one_line_of_printable_ascii_that_is_strict_json(values):
    for record in (decision_record(decided(), asked(**values), NOW), event_record("e", "d-1", NOW, values)):
        line = json_line(record)
        assert line.isascii()
        assert line.isprintable()
        assert json.loads(line, parse_constant=pytest.fail) == record


def test_long_values_are_cut_and_the_record_says_which():
    context = asked(
        **{
            "context.long": "x" * 5000,
            "context.many": tuple(range(5000)),
            "context.huge": 10**5000,
            "context.fine": "x" * MAX_TEXT,
        }
    )
    record = decision_record(decided(reason="y" * 5000), context, NOW)
    assert record["input"]["context.long"] == "x" * MAX_TEXT
    assert len(record["input"]["context.many"]) == MAX_ITEMS
    assert record["shortened"] == ["context.long", "context.many", "context.huge"]
    assert len(record["reason"]) == MAX_TEXT


def test_the_size_of_a_record_is_bounded_whatever_a_request_brings():
    values = {f"context.a{number}": ("z" * 10_000,) * 500 for number in range(500)}
    record = decision_record(decided(), asked(**values), NOW)
    assert len(json_line(record)) < 2 * MAX_CHARACTERS
    assert "context.a499" in record["shortened"] or len(record["shortened"]) >= MAX_ITEMS


def test_thousands_of_observed_rules_are_cut_and_it_is_said():
    observed = tuple(ObservedRule("acme", f"r{number}", Effect.DENY, "no") for number in range(3000))
    record = decision_record(decided(observed=observed), asked(), NOW)
    assert len(record["observed"]) == MAX_ITEMS
    assert record["shortened"] == ["observed"]


def test_an_event_cannot_disguise_itself():
    record = event_record("masked", "d-1", NOW, {"event": "decision", "decision_id": "d-2", "count": 3})
    assert (record["event"], record["decision_id"], record["count"]) == ("masked", "d-1", 3)


def test_a_gap_says_how_much_is_missing_and_since_when():
    record = gap_record(NOW - 1, NOW, 17)
    assert (record["event"], record["lost"], record["since"]) == ("gap", 17, "2026-05-28T20:26:39.250000Z")


@given(st.floats(min_value=0, max_value=4e9))
def test_a_timestamp_is_what_the_calendar_says(now):
    expected = datetime.fromtimestamp(now, UTC).isoformat(timespec="microseconds")
    assert timestamp(now) == expected.replace("+00:00", "Z")


@given(
    st.dictionaries(
        st.text(max_size=10),
        st.text(max_size=10) | st.floats(allow_nan=False, allow_infinity=False) | st.integers(),
    )
)
def test_a_line_is_the_same_json_whichever_serializer_wrote_it(values):
    assert json.loads(json_line(values)) == json.loads(json.dumps(values))


@given(st.dictionaries(st.text(max_size=10), st.none() | st.booleans() | st.text() | st.tuples(st.text())))
def test_short_values_are_recorded_whole(values):
    shortener = Shortener()
    kept = shortener.mapping(values)
    assert shortener.shortened == []
    assert kept == {name: [*value] if isinstance(value, tuple) else value for name, value in values.items()}


def test_a_record_says_what_had_been_counted():
    known = decided()._replace(facts={"count of effect deny per subject.id within 1h": 3, "another": None})
    assert decision_record(known, asked(), NOW)["facts"] == known.facts
    assert "facts" not in decision_record(decided(), asked(), NOW)
