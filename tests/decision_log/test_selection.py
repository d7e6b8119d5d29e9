from __future__ import annotations

import pytest

from policy_middleware.decision_log.record import timestamp
from policy_middleware.decision_log.selection import Selection, decided_by

NOW = 1_800_000_000.0
RECORD = {
    "event": "decision",
    "decision_id": "d-1",
    "timestamp": timestamp(NOW),
    "tenant": "acme",
    "effect": "deny",
    "document": "_global",
    "rule": "no-agents",
    "matched": "rule",
    "input": {"subject.id": "ana", "action": "report.export"},
}


@pytest.mark.parametrize(
    "narrowed",
    [
        {},
        {"tenants": ("acme",)},
        {"effects": ("mask", "deny")},
        {"rules": ("no-agents",)},
        {"rules": ("_global/no-agents",)},
        {"rules": ("_global/*",)},
        {"subjects": ("ana",)},
        {"actions": ("report.*",)},
        {"decisions": ("d-1",)},
        {"events": ("decision",)},
        {"since": NOW, "until": NOW + 1},
    ],
)
def test_a_record_is_taken_by_what_it_says(narrowed: dict[str, object]) -> None:
    assert Selection(**narrowed).takes(RECORD)  # type: ignore[arg-type]  # one of each


@pytest.mark.parametrize(
    "narrowed",
    [
        {"tenants": ("globex",)},
        {"effects": ("allow",)},
        {"rules": ("no-*s", "x")[1:]},
        {"rules": ("default",)},
        {"subjects": ("an",)},
        {"actions": ("report.[e]xport",)},
        {"events": ("masked",)},
        {"since": NOW + 1},
        {"until": NOW},
        {"effects": ("deny",), "subjects": ("bob",)},
    ],
)
def test_a_record_has_to_match_everything(narrowed: dict[str, object]) -> None:
    assert not Selection(**narrowed).takes(RECORD)  # type: ignore[arg-type]  # one of each


def test_what_became_of_a_decision_is_taken_with_it() -> None:
    selection = Selection(subjects=("ana",))
    assert not selection.takes({"event": "masked", "decision_id": "d-1"})
    assert selection.takes(RECORD)
    assert selection.takes({"event": "masked", "decision_id": "d-1"})
    assert not selection.takes({"event": "masked", "decision_id": "d-2"})
    assert not selection.takes({"event": "gap", "decision_id": None})


def test_only_the_kinds_asked_for_are_taken() -> None:
    selection = Selection(subjects=("ana",), events=("approval_*",))
    assert not selection.takes(RECORD)
    assert selection.takes({"event": "approval_requested", "decision_id": "d-1"})


def test_records_of_odd_shapes_are_not_taken_for_others() -> None:
    odd = {"event": 1, "decision_id": [], "input": "x", "tenant": {}, "timestamp": 5}
    assert Selection().takes(odd)
    assert not Selection(tenants=("acme",)).takes(odd)
    assert not Selection(since=1.0).takes(odd)


def test_what_decided_is_named_in_a_word() -> None:
    assert decided_by(RECORD) == "_global/no-agents"
    assert decided_by({**RECORD, "document": "acme"}) == "no-agents"
    assert decided_by({"rule": None, "matched": "default"}) == "default"
    assert decided_by({"rule": None, "matched": "refusal", "refusal": "tenant-missing"}) == "tenant-missing"
