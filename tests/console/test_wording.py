from __future__ import annotations

import pytest

from policy_middleware.console.people import people_of
from policy_middleware.console.wording import counted, duration, moment, size
from policy_middleware.model.when_parser import parse_approvers


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-5, "0 s"),
        (0.9, "0 s"),
        (59.9, "59 s"),
        (60, "1 min"),
        (3599, "59 min"),
        (3600, "1 h"),
        (11_520, "3 h 12 min"),
        (86_400, "1 d"),
        (187_000, "2 d 3 h"),
    ],
)
def test_a_duration_is_its_two_largest_units(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_numbers_and_times_are_written_for_people() -> None:
    assert [counted(1, "vote"), counted(2, "vote")] == ["1 vote", "2 votes"]
    assert [size(1), size(999), size(3400), size(1_200_000)] == ["1 byte", "999 bytes", "3.4 kB", "1.2 MB"]
    assert moment(0) == "1 Jan 1970, 00:00 UTC"


@pytest.mark.parametrize(
    ("condition", "text"),
    [
        ({}, "anybody else who may approve"),
        ({"role": "dpo"}, "somebody with the role dpo"),
        ({"role": {"in": ["dpo", "ciso"]}}, "somebody with one of the roles dpo or ciso"),
        ({"user": "bea"}, "bea"),
        ({"user": {"in": ["bea", "carl"]}}, "one of bea or carl"),
        ({"any": [{"role": "dpo"}, {"user": "bea"}]}, "somebody with the role dpo or bea"),
    ],
)
def test_the_people_whom_a_rule_asks_are_named_in_words(condition: dict[str, object], text: str) -> None:
    assert people_of(parse_approvers(condition).condition) == text


def test_a_condition_without_plainer_words_is_shown_as_it_is_written() -> None:
    said = people_of(parse_approvers({"role": "dpo", "subject.level": {"gte": 3}}).condition)
    assert said.startswith("somebody for whom {")
    assert '"gte": 3' in said
