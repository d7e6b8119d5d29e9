from __future__ import annotations

from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from policy_middleware.stores.second_chance import SecondChanceCache


@dataclass
class Entry:
    used: bool = False
    precious: bool = False


def test_an_entry_used_since_the_last_eviction_outlives_one_that_was_not() -> None:
    cache: SecondChanceCache[Entry] = SecondChanceCache(2)
    cache.put("a", Entry(used=True))
    cache.put("b", Entry())
    assert cache.put("c", Entry()) == ["b"]
    assert set(cache) == {"a", "c"}


def test_precious_entries_leave_last() -> None:
    cache: SecondChanceCache[Entry] = SecondChanceCache(2)
    cache.put("a", Entry(precious=True))
    cache.put("b", Entry(used=True))
    assert cache.put("c", Entry()) == ["b"]


def test_nothing_but_precious_entries_still_keeps_the_bound() -> None:
    cache: SecondChanceCache[Entry] = SecondChanceCache(2)
    for name in "abc":
        cache.put(name, Entry(precious=True))
    assert set(cache) == {"b", "c"}


def test_replacing_an_entry_evicts_nothing() -> None:
    cache: SecondChanceCache[Entry] = SecondChanceCache(1)
    cache.put("a", Entry())
    assert cache.put("a", Entry()) == []


@given(
    st.integers(1, 5),
    st.lists(
        st.tuples(st.sampled_from("abcdefgh"), st.sampled_from(["put", "use", "discard"]), st.booleans())
    ),
)
def test_the_bound_holds_and_every_eviction_is_told(
    capacity: int, steps: list[tuple[str, str, bool]]
) -> None:
    cache: SecondChanceCache[Entry] = SecondChanceCache(capacity)
    present: set[str] = set()
    for key, step, precious in steps:
        if step == "put":
            present -= set(cache.put(key, Entry(precious=precious)))
            present.add(key)
        elif step == "discard":
            cache.discard(key)
            present.discard(key)
        elif key in cache:
            cache[key].used = True
        assert set(cache) == present
        assert len(cache) <= capacity
