from __future__ import annotations

import pytest

from policy_middleware.stores.circuit import CircuitBreaker, CircuitOpen
from tests.waiting import eventually


def test_a_failure_keeps_the_next_callers_away_and_tells_them_why() -> None:
    breaker = CircuitBreaker(open_seconds=60)
    with pytest.raises(CircuitOpen, match="refused"):
        breaker.failed(OSError("refused"))
    with pytest.raises(CircuitOpen, match="refused"):
        breaker.enter()


def test_one_late_answer_is_no_failure_and_two_in_a_row_are() -> None:
    breaker = CircuitBreaker(open_seconds=60)
    breaker.timed_out(TimeoutError("late"))
    breaker.succeeded()
    breaker.timed_out(TimeoutError("late"))
    breaker.enter()
    with pytest.raises(CircuitOpen):
        breaker.timed_out(TimeoutError("late"))
    with pytest.raises(CircuitOpen):
        breaker.enter()


def test_after_a_while_one_caller_may_try_and_success_lets_everybody_in() -> None:
    breaker = CircuitBreaker(open_seconds=0.05)
    with pytest.raises(CircuitOpen):
        breaker.failed(OSError("refused"))

    def admitted() -> bool:
        try:
            breaker.enter()
        except CircuitOpen:
            return False
        return True

    eventually(admitted)
    breaker.succeeded()
    assert admitted()
    assert admitted()


def test_while_one_caller_tries_the_others_stay_out() -> None:
    breaker = CircuitBreaker(open_seconds=0.0)
    with pytest.raises(CircuitOpen):
        breaker.failed(OSError("refused"))
    breaker._open_seconds = 60
    breaker.enter()
    with pytest.raises(CircuitOpen):
        breaker.enter()
