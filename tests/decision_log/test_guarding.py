"""A log that must not lose records: strict, or refusing while it may lose some."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from policy_middleware import PolicyEnforcer
from policy_middleware.attributes import header
from policy_middleware.decision_log import CallableSink, DecisionLog
from policy_middleware.gate import Gate, build_gate
from policy_middleware.model.errors import LogUnavailable, SettingsError
from policy_middleware.steps import Blocking, FinalStep, Proceed, Respond, drive
from policy_middleware.stores.freshness import Freshness
from tests.counters.policies import LOCK_OUT, asking
from tests.decision_log.decisions import asked, decided
from tests.requests import FakeRequest
from tests.waiting import eventually

POLICY = {
    "schema": 1,
    "default": "deny",
    "rules": [
        {"id": "readers", "when": {"role": "reader"}, "effect": "allow", "reason": "Readers read."},
        {
            "id": "export",
            "when": {"role": "analyst"},
            "effect": "require_approval",
            "reason": "Exports need a second person.",
            "approval": {"approvers": {"role": "dpo"}},
        },
    ],
}
ASKED = {"tenant": "acme", "role": "reader", "action": "document.read"}
Opened = Callable[..., tuple[PolicyEnforcer, Gate]]


class Valve:
    """A sink that takes records, fails, or hangs."""

    def __init__(self) -> None:
        self.records: list[dict[str, Any]] = []
        self.broken = False
        self.flowing = threading.Event()
        self.flowing.set()

    def __call__(self, record: dict[str, Any]) -> None:
        assert self.flowing.wait(30)
        if self.broken:
            raise OSError("disk full")
        self.records.append(record)

    def events(self) -> list[str]:
        return [record["event"] for record in self.records]


@pytest.fixture
def valve() -> Valve:
    return Valve()


@pytest.fixture
def opened(valve: Valve) -> Iterator[Opened]:
    enforcers = []

    def open_gate(**settings: object) -> tuple[PolicyEnforcer, Gate]:
        enforcer = PolicyEnforcer.from_url("memory://", decision_log=valve, **settings)
        enforcer.publish("acme", POLICY)
        enforcer.evaluate(ASKED)
        enforcers.append(enforcer)
        gate = build_gate(
            {
                "enforcer": enforcer,
                "tenant": header("X-Tenant"),
                "subject": header("X-User"),
                "roles": header("X-Roles"),
            }
        )
        return enforcer, gate

    yield open_gate
    valve.flowing.set()
    for enforcer in enforcers:
        enforcer.close()


def _request(role: str = "reader", **headers: str) -> FakeRequest:
    given = {"x-tenant": "acme", "x-user": "bob", "x-roles": role, **headers}
    return FakeRequest(headers=tuple(given.items()))


def _answer(gate: Gate, request: FakeRequest) -> FinalStep:
    return drive(gate.open(request), lambda limit: b"")


def _problem(step: FinalStep) -> tuple[int, str]:
    assert isinstance(step, Respond)
    return step.response.status, json.loads(step.response.body)["type"].rpartition(":")[2]


def test_in_strict_mode_a_handler_runs_only_when_its_record_is_written(valve: Valve, opened: Opened) -> None:
    _, gate = opened(decision_log_strict=True)
    valve.flowing.clear()
    step = gate.open(_request())
    assert isinstance(step, Blocking)  # never on the event loop
    answers: list[FinalStep] = []
    thread = threading.Thread(target=lambda: answers.append(drive(step, lambda limit: b"")))
    thread.start()
    assert not answers
    valve.flowing.set()
    thread.join(10)
    (answer,) = answers
    assert isinstance(answer, Proceed)
    assert answer.decision is not None
    assert valve.records[-1]["decision_id"] == answer.decision.decision_id


def test_in_strict_mode_a_record_that_cannot_be_written_refuses_the_request(
    valve: Valve, opened: Opened
) -> None:
    enforcer, gate = opened(decision_log_strict=True)
    valve.broken = True
    assert _problem(_answer(gate, _request())) == (503, "log-unavailable")
    assert _problem(_answer(gate, _request())) == (503, "log-unavailable")
    valve.broken = False
    enforcer.decision_log.flush()
    eventually(lambda: enforcer.decision_log.accepts or _answer(gate, _request()) is None)
    assert isinstance(_answer(gate, _request()), Proceed)
    enforcer.decision_log.flush()
    assert "gap" in valve.events()


def test_in_strict_mode_a_sink_that_hangs_does_not_hang_requests(
    valve: Valve, opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    enforcer, gate = opened(decision_log_strict=True)
    monkeypatch.setattr(DecisionLog.write, "__kwdefaults__", {**_defaults(), "timeout": 0.05})
    valve.flowing.clear()
    assert _problem(_answer(gate, _request())) == (503, "log-unavailable")
    assert not enforcer.decision_log.accepts  # so the next ones are refused without any wait
    assert _problem(_answer(gate, _request())) == (503, "log-unavailable")
    valve.flowing.set()
    eventually(lambda: enforcer.decision_log.accepts)
    enforcer.decision_log.flush()
    assert "withheld" in valve.events()


def _defaults() -> dict[str, object]:
    return dict(DecisionLog.write.__kwdefaults__)


def test_in_strict_mode_a_denial_waits_for_nothing(valve: Valve, opened: Opened) -> None:
    _, gate = opened(decision_log_strict=True)
    valve.flowing.clear()
    assert _problem(_answer(gate, _request("guest"))) == (403, "denied")


def test_many_strict_requests_are_written_together(valve: Valve, opened: Opened) -> None:
    _, gate = opened(decision_log_strict=True)
    answers: list[FinalStep] = []
    threads = [threading.Thread(target=lambda: answers.append(_answer(gate, _request()))) for _ in range(30)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert all(isinstance(answer, Proceed) for answer in answers)
    assert len(valve.records) == len(answers) == 30


def test_a_refusing_log_refuses_while_its_queue_is_full(valve: Valve, opened: Opened) -> None:
    enforcer, gate = opened(on_log_failure="refuse", decision_log_queue=3)
    valve.flowing.clear()
    answers = [_answer(gate, _request()) for _ in range(10)]
    assert isinstance(answers[0], Proceed)
    assert _problem(answers[-1]) == (503, "log-unavailable")
    allowed = sum(isinstance(answer, Proceed) for answer in answers)
    valve.flowing.set()
    assert enforcer.decision_log.flush()
    assert isinstance(_answer(gate, _request()), Proceed)
    enforcer.decision_log.flush()
    written = [record for record in valve.records if record.get("effect") == "allow"]
    assert len(written) == allowed + 1


def test_a_refusing_log_refuses_while_a_sink_fails_and_finds_back_by_itself(
    valve: Valve, opened: Opened
) -> None:
    enforcer, gate = opened(on_log_failure="refuse")
    valve.broken = True
    assert isinstance(_answer(gate, _request()), Proceed)
    enforcer.decision_log.flush()
    assert _problem(_answer(gate, _request())) == (503, "log-unavailable")
    valve.broken = False
    _answer(gate, _request())
    enforcer.decision_log.flush()
    assert isinstance(_answer(gate, _request()), Proceed)


def test_a_log_that_goes_on_records_the_gap(valve: Valve, opened: Opened) -> None:
    enforcer, gate = opened(decision_log_queue=3)
    valve.flowing.clear()
    assert all(isinstance(_answer(gate, _request()), Proceed) for _ in range(10))
    valve.flowing.set()
    enforcer.decision_log.flush()
    gaps = [record for record in valve.records if record["event"] == "gap"]
    assert sum(gap["lost"] for gap in gaps) + len(valve.records) - len(gaps) == 10


def test_nothing_is_parked_while_the_log_takes_no_records(valve: Valve, opened: Opened) -> None:
    enforcer, gate = opened(on_log_failure="refuse")
    valve.broken = True
    _answer(gate, _request())
    enforcer.decision_log.flush()
    assert _problem(_answer(gate, _request("analyst"))) == (503, "log-unavailable")
    assert not enforcer.approvals.list("acme").tasks


def test_decide_raises_what_must_not_be_acted_upon(valve: Valve, opened: Opened) -> None:
    enforcer, _ = opened(decision_log_strict=True)
    assert enforcer.decide(ASKED).allowed
    valve.broken = True
    with pytest.raises(LogUnavailable):
        enforcer.decide(ASKED)


def test_the_record_names_the_trace_and_how_long_the_evaluation_took(valve: Valve, opened: Opened) -> None:
    enforcer, gate = opened(decision_log_trace="traceparent", decision_log_metrics=True)
    trace = "4bf92f3577b34da6a3ce929d0e0e4736"
    _answer(gate, _request(traceparent=f"00-{trace}-00f067aa0ba902b7-01"))
    enforcer.decision_log.flush()
    (record,) = valve.records
    assert (record["trace_id"], record["span_id"]) == (trace, "00f067aa0ba902b7")
    assert record["metrics"]["timer_policy_evaluation_ns"] > 0


def test_a_decision_that_asks_counters_is_timed_with_their_answer(valve: Valve) -> None:
    settings = {"decision_log": valve, "decision_log_metrics": True}
    with PolicyEnforcer.from_url("memory://", **settings) as enforcer:
        enforcer.publish("acme", LOCK_OUT)
        enforcer.decide(asking())
        enforcer.decision_log.flush()
    assert valve.records[0]["metrics"]["timer_policy_evaluation_ns"] > 0


def test_what_ends_in_order_says_so_and_what_follows_is_another_chain(valve: Valve, opened: Opened) -> None:
    enforcer, _ = opened(decision_log_key=b"k" * 32)
    enforcer.decide(ASKED)
    enforcer.rest()
    enforcer.decide(ASKED)
    enforcer.rest()
    assert valve.events() == ["decision", "log_closed"] * 2
    assert [record["seq"] for record in valve.records] == [1, 2, 1, 2]


@pytest.mark.parametrize(
    "settings",
    [
        {"decision_log_key": "not hex"},
        {"decision_log_key": b"short"},
        {"decision_log_signing_key": b"k" * 32},
        {"decision_log_signing_key": b"k" * 31, "decision_log_key": b"k" * 32},
        {"decision_log_sample": 1.5},
        {"decision_log_erase": "/decision_id"},
        {"on_log_failure": "hope"},
    ],
)
def test_settings_that_cannot_work_are_refused_and_no_secret_is_shown(settings: dict[str, object]) -> None:
    with pytest.raises(SettingsError) as refused:
        PolicyEnforcer.from_url("memory://", **settings)
    assert next(iter(settings)) in str(refused.value)
    assert "not hex" not in str(refused.value)
    assert "kkkk" not in str(refused.value)


def test_a_decision_of_outdated_documents_and_an_unknown_one_are_told_apart() -> None:
    got: list[Any] = []
    freshness = Freshness(30.0, 2.5)
    log = DecisionLog([CallableSink(got.append)], freshness=freshness)
    log.append(decided(), asked())
    freshness.lost("away")
    log.append(decided(), asked())
    log.close()
    assert [record["matched"] for record in got] == ["rule", "stale"]
