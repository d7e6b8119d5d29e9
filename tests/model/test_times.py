from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policy_middleware.model.times import duration_seconds, format_time, moment_seconds


@pytest.mark.parametrize(
    "text",
    [
        "2026-12-01T00:00:00Z",
        "2026-12-01t00:00:00z",
        "2026-12-01T00:00:00.000Z",
        "2026-12-01T01:00:00+01:00",
        "2026-11-30T19:30:00-04:30",
    ],
)
def test_every_spelling_of_a_moment_is_the_same_moment(text: str) -> None:
    assert moment_seconds(text) == datetime(2026, 12, 1, tzinfo=UTC).timestamp()


@given(st.integers(0, 4_000_000_000))
def test_a_moment_that_was_formatted_is_read_back(seconds: int) -> None:
    assert moment_seconds(format_time(seconds)) == seconds


@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        (
            "2026-12-01T00:00:00",
            "'2026-12-01T00:00:00' needs an offset, such as the Z of 2026-12-01T00:00:00Z",
        ),
        ("2026-12-01", "'2026-12-01' is not an RFC 3339 time such as 2026-12-01T00:00:00Z"),
        (
            "2026-12-01 00:00:00Z",
            "'2026-12-01 00:00:00Z' is not an RFC 3339 time such as 2026-12-01T00:00:00Z",
        ),
        (
            "2026-13-01T00:00:00Z",
            "'2026-13-01T00:00:00Z' is not an RFC 3339 time such as 2026-12-01T00:00:00Z",
        ),
        (
            "2026-12-01T00:00:60Z",
            "'2026-12-01T00:00:60Z' is not an RFC 3339 time such as 2026-12-01T00:00:00Z",
        ),
        (
            "0000-12-01T00:00:00Z",
            "'0000-12-01T00:00:00Z' is not an RFC 3339 time such as 2026-12-01T00:00:00Z",
        ),
        ("20261201T000000Z", "'20261201T000000Z' is not an RFC 3339 time such as 2026-12-01T00:00:00Z"),
        (
            "\uff12026-12-01T00:00:00Z",
            "'\uff12026-12-01T00:00:00Z' is not an RFC 3339 time such as 2026-12-01T00:00:00Z",
        ),
        ("", "'' is not an RFC 3339 time such as 2026-12-01T00:00:00Z"),
        (0, "must be a time such as '2026-12-01T00:00:00Z', not a number"),
        (None, "must be a time such as '2026-12-01T00:00:00Z', not null"),
    ],
)
def test_what_is_not_a_moment_is_refused_with_a_sentence(value: object, sentence: str) -> None:
    with pytest.raises(ValueError) as caught:
        moment_seconds(value)

    assert str(caught.value) == sentence


@pytest.mark.parametrize(
    ("text", "seconds"), [("90s", 90), ("30m", 1800), ("4h", 14400), ("7d", 604800), ("366d", 366 * 86400)]
)
def test_durations_are_read_in_seconds(text: str, seconds: int) -> None:
    assert duration_seconds(text) == seconds


@pytest.mark.parametrize("text", ["", "0s", "-1h", "1.5h", "1w", "h", "1h30m", " 1h", "1 h", "1H", "\u0661h"])
def test_other_spellings_of_durations_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not a duration; write a whole number and s, m, h or d"):
        duration_seconds(text)


def test_durations_beyond_a_year_are_refused() -> None:
    with pytest.raises(ValueError, match="'367d' is longer than 366 days"):
        duration_seconds("367d")


def test_a_number_is_not_a_duration() -> None:
    with pytest.raises(ValueError, match="must be a duration such as '30m' or '4h', not a number"):
        duration_seconds(60)
