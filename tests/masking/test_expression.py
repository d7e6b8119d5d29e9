"""What is told of a pattern without searching for it."""

from __future__ import annotations

import pytest

from policy_middleware.masking.expression import begins_word


@pytest.mark.parametrize(
    "pattern", [r"\b\d{9}", r"\b[A-Z]?\d", r"\b(?:\d\d|[xy]z)(?:-| )", r"(?i)\bk\d", r"\b(?:a|b)|\bc"]
)
def test_a_boundary_and_a_letter_or_digit_begin_a_word(pattern: str) -> None:
    assert begins_word(pattern, ord)


@pytest.mark.parametrize(
    "pattern",
    ["", r"\d{9}", r"\b", r"\b-\d", r"\b\d{0,3}-", r"\b\d{3}|x", r"\b[A-z]\d", r"\b\w", r"\b(?:|-)a", r"\Ba"],
)
def test_anything_else_is_not_said_to_begin_a_word(pattern: str) -> None:
    assert not begins_word(pattern, ord)
