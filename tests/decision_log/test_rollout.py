from __future__ import annotations

from policy_middleware.decision_log.record import timestamp
from policy_middleware.decision_log.rollout import WouldHave, summarise

NOW = 1_800_000_000.0
DAY = 24 * 3600.0


def _record(age: float, **fields: object) -> dict[str, object]:
    return {
        "event": "decision",
        "timestamp": timestamp(NOW - age),
        "tenant": "acme",
        "effect": "allow",
        "enforced": True,
        "input": {"action": "report.export", "subject.id": "ana"},
        "observed": [],
        **fields,
    }


OBSERVED = {"document": "acme", "rule": "big-export", "effect": "deny"}


def test_observed_rules_are_counted_by_tenant_and_action() -> None:
    records = [_record(2 * DAY, observed=[OBSERVED]), _record(60, observed=[OBSERVED]), _record(60)]
    rollout = summarise(records, NOW)
    (what, tally) = next(iter(rollout.tallies.items()))
    assert what == WouldHave("acme", "acme", "big-export", "deny", "report.export")
    assert (rollout.decisions, rollout.total("deny")) == (3, 2)
    assert (tally.count, tally.new, tally.is_new(NOW)) == (2, 1, False)
    assert tally.subjects == {"ana": 2}


def test_an_application_in_observe_mode_counts_its_own_decisions_and_refusals() -> None:
    records = [
        _record(60, effect="deny", enforced=False, document="acme", rule="no-guests", matched="rule"),
        _record(60, effect="deny", enforced=False, matched="default"),
        _record(60, effect="deny", enforced=False, matched="refusal", refusal="tenant-missing", tenant=None),
        _record(60, effect="allow", enforced=False),
        _record(60, effect="deny"),
    ]
    rollout = summarise(records, NOW)
    assert {(what.rule, what.effect, tally.is_new(NOW)) for what, tally in rollout.tallies.items()} == {
        ("no-guests", "deny", True),
        ("default", "deny", True),
        ("tenant-missing", "refusal", True),
    }


def test_records_of_other_kinds_and_shapes_are_passed_over() -> None:
    records = [{"event": "masked"}, {}, _record(1, observed="x", input=5, timestamp=None)]
    rollout = summarise(records, NOW)
    assert (rollout.decisions, rollout.tallies) == (1, {})


def test_what_tests_recorded_under_policies_of_their_own_does_not_count() -> None:
    records = [_record(60, observed=[OBSERVED], overridden=True), _record(60)]
    assert summarise(records, NOW) == summarise([_record(60)], NOW)
