"""A process keeps an eye on what time does to the approvals it has had to do with."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Iterator

import pytest

from policy_middleware.approvals import ApprovalClock, clock
from policy_middleware.model.errors import StoreUnavailable
from tests.waiting import eventually


class Advancing:
    """Records for whom it was called; answers what it was told to, in turn, then None."""

    def __init__(self, *answers: float | Exception | None) -> None:
        self.calls: list[str] = []
        self._answers = list(answers)

    def __call__(self, tenant: str) -> float | None:
        self.calls.append(tenant)
        answer = self._answers.pop(0) if self._answers else None
        if isinstance(answer, Exception):
            raise answer
        return answer


@pytest.fixture
def clocks() -> Iterator[list[ApprovalClock]]:
    made: list[ApprovalClock] = []
    yield made
    for each in made:
        each.close()


def test_a_tenant_is_looked_at_when_something_is_due_and_again_as_long_as_something_is_open(
    clocks: list[ApprovalClock],
) -> None:
    advance = Advancing(0.0, 0.0, None)
    clocks.append(ApprovalClock(advance))
    clocks[0].expect("acme", 0.0)
    eventually(lambda: advance.calls == ["acme"] * 3)


def test_the_soonest_is_looked_at_first(clocks: list[ApprovalClock]) -> None:
    advance = Advancing()
    clocks.append(ApprovalClock(advance))
    clocks[0].expect("late", 3600)
    clocks[0].expect("soon", 0.0)
    eventually(lambda: advance.calls == ["soon"])
    clocks[0].expect("late", 0.0)
    eventually(lambda: advance.calls == ["soon", "late"])


def test_a_queue_that_is_away_is_asked_again_later(
    clocks: list[ApprovalClock], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(clock, "PAUSE_AFTER_FAILURE", 0.0)
    advance = Advancing(StoreUnavailable("away"), None)
    clocks.append(ApprovalClock(advance))
    with caplog.at_level(logging.WARNING):
        clocks[0].expect("acme", 0.0)
        eventually(lambda: advance.calls == ["acme", "acme"])
    assert "could not be looked at: away" in caplog.text


def test_a_closed_clock_stands_still() -> None:
    advance = Advancing()
    stopped = ApprovalClock(advance)
    stopped.expect("acme", 3600)
    stopped.close()
    stopped.expect("acme", 0.0)
    assert advance.calls == []
    assert "policy-approval-clock" not in [thread.name for thread in threading.enumerate()]


def test_a_forked_child_begins_with_a_clock_of_its_own(clocks: list[ApprovalClock]) -> None:
    advance = Advancing()
    clocks.append(ApprovalClock(advance))
    clocks[0].expect("parent", 3600)
    child = os.fork()
    if child == 0:
        clocks[0].expect("child", 0.0)
        try:
            eventually(lambda: advance.calls == ["child"])
        except AssertionError:
            os._exit(1)
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    assert advance.calls == []
