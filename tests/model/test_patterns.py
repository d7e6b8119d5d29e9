from __future__ import annotations

import pytest

from policy_middleware.model.patterns import LONGEST_PATTERN, compile_pattern


def test_a_pattern_is_searched_for_anywhere_in_the_text() -> None:
    found = compile_pattern(r"secret-\d+").isinstance_python

    assert found("the secret-42 of acme")
    assert not found("no secret")


@pytest.mark.parametrize(
    ("pattern", "sentence"),
    [
        ("(?=a)b", "look-around is not supported, because searching would no longer take linear time"),
        ("(?<!a)b", "look-around is not supported, because searching would no longer take linear time"),
        (r"(a)\1", "back-references are not supported, because searching would no longer take linear time"),
        ("(a{1000}){1000}", "it is too large once its repetitions are written out"),
        ("(a", "unclosed group"),
        ("[z-a]", "invalid character class range, the start must be <= the end"),
    ],
)
def test_patterns_that_the_engine_cannot_search_in_linear_time_are_refused(
    pattern: str, sentence: str
) -> None:
    with pytest.raises(ValueError) as caught:
        compile_pattern(pattern)

    assert str(caught.value) == f"is not a usable pattern: {sentence}"


def test_patterns_have_a_length() -> None:
    compile_pattern("a" * LONGEST_PATTERN)
    with pytest.raises(ValueError, match="is a pattern of 1001 characters; at most 1000 are accepted"):
        compile_pattern("a" * (LONGEST_PATTERN + 1))
