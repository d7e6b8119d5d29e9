"""Searching by RE2 is the same by the quick binding and by the public interface."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import re2  # type: ignore[import-untyped]

from policy_middleware.masking import linear_search

TEXT = b"xab abb ab"


@pytest.mark.parametrize("quick", [True, False])
def test_both_ways_find_the_same(quick: bool) -> None:
    compiled = re2.compile(rb"\bab+\b", linear_search._options())
    ways = linear_search._binding(re2, compiled) if quick else linear_search._public(compiled)
    assert ways is not None
    search, match = ways
    assert [search(TEXT, start) for start in (0, 5, 8)] == [(4, 7), (8, 10), (8, 10)]
    assert search(b"zz") is None
    assert [match(TEXT, 4, 7), match(TEXT, 0, 7), match(b"ab abb", 1, 6)] == [(4, 7), None, None]


@pytest.mark.parametrize(
    "compiled",
    [
        SimpleNamespace(),
        SimpleNamespace(_regexp=SimpleNamespace()),
        SimpleNamespace(_regexp=SimpleNamespace(Match=lambda *_: [])),
        SimpleNamespace(_regexp=SimpleNamespace(Match=lambda *_: [("0", "0")])),
    ],
)
def test_a_release_with_another_binding_is_searched_by_the_public_interface(compiled: object) -> None:
    assert linear_search._binding(re2, compiled) is None
