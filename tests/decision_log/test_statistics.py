from __future__ import annotations

import pytest

from policy_middleware.decision_log.record import timestamp
from policy_middleware.decision_log.statistics import Durations, Ranking, statistics_of

NOW = 1_800_000_000.0


def _decision(second: float = 0, **members: object) -> dict[str, object]:
    return {
        "event": "decision",
        "decision_id": "d",
        "timestamp": timestamp(NOW + second),
        "tenant": "acme",
        "effect": "allow",
        "rule": "readers",
        "document": "acme",
        "matched": "rule",
        "input": {"subject.id": "ana", "action": "document.read"},
        "writer": "w",
        **members,
    }


def test_the_story_of_a_log() -> None:
    told = statistics_of(
        [
            _decision(1, metrics={"timer_policy_evaluation_ns": 2000}),
            {**_decision(1.5), "input": {"http.route": "/c/{id}", "http.method": "GET"}},
            _decision(2, effect="deny", rule=None, matched="default"),
            _decision(3, effect="deny", matched="refusal", rule=None, refusal="tenant-missing", tenant=None),
            _decision(4, enforced=False, observed=[{"rule": "obs", "effect": "deny"}, "x"]),
            {"event": "masked", "count": 3, "entities": {"EMAIL_ADDRESS": 2}},
            {"event": "mask_failed"},
            {"event": "approval_requested"},
            {"event": "approval_approved"},
            {"event": "gap", "lost": 7, "since": timestamp(NOW), "timestamp": timestamp(NOW + 5)},
            {"event": "withheld"},
            {"event": "checkpoint"},
            {"event": "log_closed"},
            {"event": "route_mismatch"},
            _decision(0, overridden=True),
        ]
    )
    assert (told.decisions, told.records, told.of_tests) == (5, 15, 1)
    assert told.effects == {"allow": 3, "deny": 2}
    assert told.routes.most_common() == [(("GET /c/{id}", "allow"), 1)]
    assert (told.first, told.last) == (NOW, NOW + 5)
    assert told.rules.most_common(1) == [(("acme", "readers", "allow"), 3)]
    assert told.refused_subjects.most_common() == [("ana", 2)]
    assert told.refusals == {"tenant-missing": 1}
    assert told.observed.most_common() == [(("acme", "obs", "deny"), 1)]
    assert (told.masked_responses, told.masked_values, told.entities) == (1, 3, {"EMAIL_ADDRESS": 2})
    assert (told.lost, told.gaps[0].lost) == (7, 7)
    assert (told.mask_failed, told.withheld, told.closed, told.not_enforced) == (1, 1, 1, 1)
    assert told.approvals == {"requested": 1, "approved": 1}
    assert told.other_events.most_common() == [("route_mismatch", 1)]
    assert told.evaluation.percentile(0.5) == pytest.approx(2000, rel=0.01)


def test_a_clock_that_goes_back_is_noticed_for_each_writer() -> None:
    records = [_decision(100), _decision(50, writer="v"), _decision(99.5), _decision(20), _decision(21)]
    assert statistics_of(records).went_back == 1


def test_records_of_odd_shapes_do_no_harm() -> None:
    odd = [
        _decision(
            effect=None,
            result=True,
            input="x",
            tenant=5,
            bundles=[1],
            metrics={"timer_policy_evaluation_ns": "1"},
        ),
        _decision(
            effect=3, result={"allowed": False}, observed="x", metrics=[], bundles={"acme": 1}, matched={}
        ),
        {"event": "masked", "count": -5, "entities": {"A": "x"}},
        {"event": "gap", "lost": True},
        {"event": "decision", "timestamp": "yesterday", "decision_id": "\ud800"},
        {"event": "\ud800"},
        {},
    ]
    told = statistics_of(odd)
    assert told.effects == {"allow": 1, "deny": 1, "-": 1}
    assert (told.masked_values, told.lost) == (0, 0)


def test_frequent_names_survive_in_bounded_memory() -> None:
    ranking: Ranking[str] = Ranking(capacity=100)
    for number in range(5000):
        ranking.add(f"rare-{number}")
        ranking.add("frequent")
    assert len(ranking) <= 100
    assert ranking.most_common(1) == [("frequent", 5000)]
    assert ranking.given_up > 0


def test_percentiles_are_within_one_per_cent() -> None:
    durations = Durations()
    for number in range(1, 10_001):
        durations.add(number * 100)
    assert durations.percentile(0.5) == pytest.approx(500_000, rel=0.011)
    assert durations.percentile(0.99) == pytest.approx(990_000, rel=0.011)
    assert Durations().percentile(0.5) is None
