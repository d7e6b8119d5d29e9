"""What happens while a decision is made: overtaken by others, or left alone by its counters."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence

import pytest

from policy_middleware.attributes import const
from policy_middleware.counters import Complaints, MemoryCounters
from policy_middleware.enforcer import PolicyEnforcer
from policy_middleware.evaluation.counting import Entry, Premise, Question
from policy_middleware.gate import Gate, build_gate
from policy_middleware.model.context import RequestContext
from policy_middleware.model.effect import Effect
from policy_middleware.model.errors import LogUnavailable, StoreUnavailable
from policy_middleware.steps import Blocking, Proceed, Respond, Step, drive
from tests.requests import FakeRequest
from tests.servers import Server
from tests.waiting import eventually

from .policies import FIVE, LOCK_OUT, LOCKED, STAFF, asking, policy


class Watched(MemoryCounters):
    """Counters that tell what was asked of them, and can be away."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[str] = []
        self.away: set[str] = set()
        self.before_write: Callable[[], object] = lambda: None

    def read(self, tenant: str, questions: Sequence[Question]) -> list[int]:
        self._called("read")
        return super().read(tenant, questions)

    def write(
        self, tenant: str, entry_id: str, entries: Sequence[Entry], premises: Sequence[Premise] = ()
    ) -> list[int] | None:
        self._called("write")
        self.before_write()
        return super().write(tenant, entry_id, entries, premises)

    def _called(self, what: str) -> None:
        self.calls.append(what)
        if what in self.away:
            raise StoreUnavailable("gone")


@pytest.fixture
def counters() -> Watched:
    return Watched()


@pytest.fixture
def enforcer(counters: Watched, monkeypatch: pytest.MonkeyPatch) -> Iterator[PolicyEnforcer]:
    with PolicyEnforcer.from_url("memory://", decision_log=lambda record: None) as enforcer:
        monkeypatch.setattr(enforcer, "_counters", counters)
        yield enforcer


@pytest.fixture
def gate(enforcer: PolicyEnforcer) -> Gate:
    return build_gate(
        {
            "enforcer": enforcer,
            "tenant": const("acme"),
            "subject": const("ann"),
            "exempt": ("/healthz",),
        }
    )


def opened(gate: Gate, path: str = "/docs") -> Step:
    return gate.open(FakeRequest(path=path, route=None))


ONLY_EXPORTS = LOCKED | {
    "when": {"action": "export", "count": {"effect": "deny", "per": ["subject.id"], "within": "1h", "gte": 3}}
}


@pytest.mark.parametrize(
    ("document", "action", "calls"),
    [
        (policy(ONLY_EXPORTS, STAFF), "read", []),
        (policy(ONLY_EXPORTS, STAFF, FIVE), "steal", ["write"]),
        (policy(LOCKED, STAFF), "read", ["read"]),
        (policy(LOCKED, STAFF), "steal", ["read", "write"]),
        (policy(FIVE), "export", ["read", "write"]),
        (policy(FIVE), "read", []),
        (policy(LOCKED, LOCKED | {"id": "b"}, FIVE), "export", ["read", "write"]),
    ],
)
def test_a_decision_takes_no_round_trip_too_many(
    enforcer: PolicyEnforcer, counters: Watched, document: dict[str, object], action: str, calls: list[str]
) -> None:
    enforcer.publish("acme", document)
    enforcer.decide(asking(action))
    assert counters.calls == calls


def test_evaluating_reads_and_writes_nothing(enforcer: PolicyEnforcer, counters: Watched) -> None:
    enforcer.publish("acme", policy(LOCKED, FIVE))
    enforcer.evaluate(asking("export"))
    enforcer.explain(asking("steal"))
    assert counters.calls == ["read", "read"]


def test_a_decision_that_is_overtaken_is_made_anew(enforcer: PolicyEnforcer, counters: Watched) -> None:
    enforcer.publish("acme", LOCK_OUT)
    overtaking = [asking("steal")] * 3

    def overtake() -> None:
        if overtaking:
            enforcer.decide(overtaking.pop())

    counters.before_write = overtake
    decision = enforcer.decide(asking("steal"))
    assert (decision.rule_id, list(decision.facts.values())) == ("locked", [3])


def test_a_decision_that_is_overtaken_for_ever_restricts(
    enforcer: PolicyEnforcer, counters: Watched, caplog: pytest.LogCaptureFixture
) -> None:
    enforcer.publish("acme", policy(FIVE))
    changing = iter(range(1000))
    counters.write = lambda *_: [5 * (next(changing) % 2)]  # type: ignore[method-assign, assignment]
    with caplog.at_level(logging.ERROR, "policy_middleware"):
        decision = enforcer.decide(asking("export"))
    assert decision.effect is Effect.DENY


def test_a_counter_that_cannot_be_read_restricts(enforcer: PolicyEnforcer, counters: Watched) -> None:
    enforcer.publish("acme", policy(LOCKED, STAFF, FIVE))
    counters.away = {"read"}
    for action in ("read", "export"):
        decision = enforcer.decide(asking(action))
        assert (decision.rule_id, decision.indeterminate) == ("locked", True)
        assert None in decision.facts.values()
    enforcer.publish("acme", policy(FIVE))
    assert enforcer.decide(asking("export")).effect is Effect.DENY


def test_what_an_outage_decided_is_not_counted(enforcer: PolicyEnforcer, counters: Watched) -> None:
    other = LOCKED | {"id": "other", "when": {"count": LOCKED["when"]["count"] | {"gte": 1}}}
    enforcer.publish("acme", policy(LOCKED, STAFF))
    counters.away = {"read"}
    for _ in range(5):
        enforcer.decide(asking("steal"))
    counters.away = set()
    enforcer.publish("acme", policy(other, STAFF))
    assert enforcer.decide(asking("read")).effect is Effect.ALLOW


def test_a_counter_that_cannot_be_written_restricts_those_who_ask_it(
    enforcer: PolicyEnforcer, counters: Watched, caplog: pytest.LogCaptureFixture
) -> None:
    enforcer.publish("acme", policy(LOCKED, STAFF, FIVE))
    counters.away = {"write"}
    assert enforcer.decide(asking("export")).rule_id == "locked"
    assert enforcer.decide(asking("read")).effect is Effect.ALLOW  # needs no write, and reading works
    assert "decisions are not counted" in caplog.text


def test_an_answer_that_asks_nothing_stands_though_it_is_not_counted(
    enforcer: PolicyEnforcer, counters: Watched
) -> None:
    enforcer.publish("acme", policy(ONLY_EXPORTS, STAFF))
    counters.away = {"write"}
    decision = enforcer.decide(asking("steal"))
    assert (decision.effect, decision.rule_id, decision.indeterminate) == (Effect.DENY, None, False)


def test_an_event_that_cannot_be_counted_is_said_to_the_application(
    enforcer: PolicyEnforcer, counters: Watched
) -> None:
    failed = LOCKED | {"when": {"count": {"event": "login", "per": ["subject.id"], "within": "1h", "gte": 3}}}
    enforcer.publish("acme", policy(failed))
    counters.away = {"write"}
    with pytest.raises(StoreUnavailable):
        enforcer.record("login", {"tenant": "acme", "user": "ann"})


def test_a_request_that_takes_no_counter_does_not_leave_the_event_loop(
    gate: Gate, enforcer: PolicyEnforcer, counters: Watched
) -> None:
    only_exports = {"http.path": {"prefix": "/export"}, "count": LOCKED["when"]["count"]}
    enforcer.publish("acme", policy(LOCKED | {"when": only_exports}, STAFF | {"when": {}}))
    drive(opened(gate), lambda limit: b"")
    assert isinstance(opened(gate), Proceed)
    assert isinstance(opened(gate, "/export"), Blocking)
    assert isinstance(opened(gate, "/healthz"), Proceed)
    assert counters.calls == []


def test_a_request_is_counted_once(gate: Gate, enforcer: PolicyEnforcer) -> None:
    enforcer.publish("acme", policy(FIVE | {"when": {}}))
    steps = [drive(opened(gate), lambda limit: b"") for _ in range(6)]
    assert [type(step) for step in steps] == [Proceed] * 5 + [Respond]


def test_counters_that_go_away_and_come_back() -> None:
    """The first sentence of every outage is in the log, and nobody passes what a limit held back."""
    with (
        Server(persistent=True) as server,
        PolicyEnforcer.from_url(server.url, decision_log=lambda record: None) as enforcer,
    ):
        enforcer.publish("acme", policy(LOCKED | {"when": {"action": "read", **LOCKED["when"]}}, STAFF, FIVE))
        assert [enforcer.decide(asking("export")).allowed for _ in range(5)] == [True] * 5
        server.kill()
        assert enforcer.decide(asking("export")).allowed is False
        assert enforcer.decide(asking("read")).indeterminate
        server.start()
        eventually(lambda: not enforcer.decide(asking("read")).indeterminate, timeout=10)
        assert enforcer.decide(asking("read")).effect is Effect.ALLOW
        assert enforcer.decide(asking("export")).effect is Effect.DENY


def test_an_outage_is_told_once_a_minute(caplog: pytest.LogCaptureFixture) -> None:
    now = [0.0]
    complaints = Complaints(clock=lambda: now[0])
    for moment in (0.0, 1.0, 59.0, 61.0, 62.0):
        now[0] = moment
        complaints.about("read", StoreUnavailable("gone"))
    complaints.about("written", StoreUnavailable("gone"))
    first, second, written = [record.getMessage() for record in caplog.records]
    assert "rules that ask restrict" in first
    assert "2 more" in second
    assert "not counted" in written


def test_a_decision_that_cannot_be_recorded_gives_its_place_back(
    enforcer: PolicyEnforcer, monkeypatch: pytest.MonkeyPatch
) -> None:
    enforcer.publish("acme", policy(FIVE))
    with monkeypatch.context() as full:
        full.setattr(enforcer.decision_log, "takes", lambda *_: False)
        for _ in range(6):
            with pytest.raises(LogUnavailable):
                enforcer.decide(asking("export"))
    assert enforcer.decide(asking("export")).effect is Effect.ALLOW


def test_a_limit_that_is_no_longer_in_force_is_not_withdrawn_from(enforcer: PolicyEnforcer) -> None:
    enforcer.publish("acme", policy(FIVE, LOCKED))
    decision = enforcer.decide(asking("export"))
    enforcer.publish("acme", policy(LOCKED))
    enforcer.withdraw(decision, RequestContext.from_mapping(asking("export")))
