"""What every kind of counters does alike."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from policy_middleware.counters import Counters
from policy_middleware.evaluation.counting import NO_BOUND, Entry, Premise, Question

from .conftest import Place

HOUR = 3600.0


def told(name: str = "a", within: float = HOUR, cap: int = 10) -> list[Entry]:
    return [Entry(name, within, cap)]


def count(counters: Counters, name: str = "a", within: float = HOUR, tenant: str = "acme") -> int:
    [number] = counters.read(tenant, [Question(name, within)])
    return number


def fewer_than(limit: int, name: str = "a") -> list[Premise]:
    return [Premise(Question(name, HOUR), 0, limit - 1)]


def test_a_counter_nothing_was_written_to_is_at_nought(counters: Counters) -> None:
    assert counters.read("acme", [Question("a", HOUR), Question("b", 1.0)]) == [0, 0]


def test_each_entry_counts_once_however_often_it_is_sent(counters: Counters) -> None:
    for entry_id in ("1", "2", "2", "1", "3"):
        assert counters.write("acme", entry_id, told()) is None
    assert count(counters) == 3


def test_one_write_goes_to_every_counter_named(counters: Counters) -> None:
    counters.write("acme", "1", [*told("a"), *told("b")])
    assert counters.read("acme", [Question("a", HOUR), Question("b", HOUR), Question("c", HOUR)]) == [1, 1, 0]


def test_tenants_are_counted_apart(counters: Counters) -> None:
    counters.write("acme", "1", told())
    assert (count(counters, tenant="acme"), count(counters, tenant="globex")) == (1, 0)


def test_a_window_slides(place: Place) -> None:
    place.counters.write("acme", "1", told())
    place.pass_time(1800)
    place.counters.write("acme", "2", told())
    place.pass_time(1799)
    assert count(place.counters) == 2
    place.pass_time(2)
    assert count(place.counters) == 1
    assert count(place.counters, within=60.0) == 0


def test_a_counter_remembers_no_more_than_it_can_be_asked_for(place: Place) -> None:
    for number in range(20):
        place.counters.write("acme", str(number), told(cap=4))
        place.pass_time(1)
    assert count(place.counters) == 4
    assert count(place.counters, within=2.5) == 2


def test_entries_older_than_the_window_are_forgotten(place: Place) -> None:
    for number in range(3):
        place.counters.write("acme", str(number), told(cap=100))
    place.pass_time(HOUR)
    place.counters.write("acme", "last", told(cap=100))
    assert count(place.counters, within=3 * HOUR) == 1


def test_nothing_is_written_when_a_premise_fails(counters: Counters) -> None:
    counters.write("acme", "1", told())
    assert counters.write("acme", "2", [*told(), *told("b")], fewer_than(1)) == [1]
    assert (count(counters), count(counters, "b")) == (1, 0)
    assert counters.write("acme", "2", [*told(), *told("b")], fewer_than(2)) is None
    assert (count(counters), count(counters, "b")) == (2, 1)


def test_a_premise_bounds_from_below_as_well(counters: Counters) -> None:
    at_least_one = [Premise(Question("a", HOUR), 1, NO_BOUND)]
    assert counters.write("acme", "1", told("b"), at_least_one) == [0]
    counters.write("acme", "2", told())
    assert counters.write("acme", "1", told("b"), at_least_one) is None


def test_what_was_written_stays_written_when_it_is_sent_again(counters: Counters) -> None:
    """A client that saw no answer sends again; by then its own entry has filled the limit."""
    assert counters.write("acme", "1", told(cap=1), fewer_than(1)) is None
    assert counters.write("acme", "1", told(cap=1), fewer_than(1)) is None
    assert counters.write("acme", "2", told(cap=1), fewer_than(1)) == [1]


def test_an_id_that_one_counter_knows_still_needs_a_place_in_the_others(counters: Counters) -> None:
    """A request that waited for its approval was counted when it was parked; its limit was not."""
    counters.write("acme", "other", told("limit"))
    counters.write("acme", "1", told("parked"))
    both = [*told("parked"), *told("limit")]
    assert counters.write("acme", "1", both, fewer_than(1, "limit")) == [1]
    assert counters.write("acme", "1", both, fewer_than(2, "limit")) is None
    assert counters.read("acme", [Question("parked", HOUR), Question("limit", HOUR)]) == [1, 2]


def test_an_entry_can_be_withdrawn(counters: Counters) -> None:
    counters.write("acme", "1", [*told(), *told("b")])
    counters.write("acme", "2", told())
    counters.withdraw("acme", "1", [*told(), *told("b"), *told("never written")])
    counters.withdraw("acme", "1", told())
    assert (count(counters), count(counters, "b")) == (1, 0)


def test_a_hundred_at_once_find_exactly_five_places(counters: Counters) -> None:
    with ThreadPoolExecutor(20) as pool:
        answers = pool.map(
            lambda number: counters.write("acme", str(number), told(cap=5), fewer_than(5)), range(100)
        )
    assert sorted(answer is None for answer in answers) == [False] * 95 + [True] * 5
    assert count(counters) == 5


def test_to_write_to_no_counter_is_a_mistake(counters: Counters) -> None:
    with pytest.raises(ValueError, match="no counter"):
        counters.write("acme", "1", [])
