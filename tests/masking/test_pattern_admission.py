"""Which patterns of operators are admitted, and what their authors are told otherwise."""

from __future__ import annotations

import re

import pytest

from policy_middleware.masking import pattern_admission
from policy_middleware.masking.pattern_admission import MOST_PATTERNS, admit, custom_recognizer
from policy_middleware.masking.recognition import RecognizerError
from policy_middleware.masking.scanner import scanner_of


@pytest.mark.parametrize(
    ("pattern", "told"),
    [
        (r"EMP\d+", "write an upper bound such as {1,64}"),
        (r"a*", "matches the empty text"),
        (r"(a)\1", "not linear"),
        (r"(?=a)b", "not linear"),
        (r"[[:alpha:]]{3}", "cannot be read"),
        (r"\bKäse\d{2}", "knows only ASCII letters"),
        (r"^a", "anchors"),
        (r"(a", "missing )"),
        (r"\pL", "bad escape"),
        (r"[\u4e00-\u9fff]{2}", "range outside ASCII"),
        (r"(?:[a-z.@]{1,60}x){1,16}", "instructions"),
        ("a" * 1001, "more than 1000 characters"),
    ],
)
def test_a_pattern_that_is_not_admitted_is_refused_with_a_sentence(pattern: str, told: str) -> None:
    with pytest.raises(RecognizerError, match=rf"^X: .*{re.escape(told)}"):
        custom_recognizer("X", pattern)


@pytest.mark.parametrize(
    ("pattern", "value"),
    [
        (r"EMP-\d{6}", "EMP-123456"),
        (r"(?i:käse)-\d{2,3}", "KÄSE-12"),
        (r"患者番号\d{3,8}", "患者番号12345"),
        (r"K\d{2,4}", "K\uff11\uff12"),
        (r"\w{3}#\d", "äöü#1"),
    ],
)
def test_patterns_see_every_script_in_normalised_text(pattern: str, value: str) -> None:
    scanner = scanner_of((custom_recognizer("X", pattern, examples=[value]),))
    view = scanner.alphabet.view(f"({value})")

    found = scanner.scan(view.data)

    assert [(view.start(one.start), view.end(one.end)) for one in found] == [(1, 1 + len(value))]


def test_a_pattern_that_misses_its_own_example_is_refused() -> None:
    with pytest.raises(RecognizerError, match="does not match its own example 'EMP-1'"):
        custom_recognizer("EMPLOYEE", r"EMP-\d{6}", examples=["EMP-1"])


def test_a_name_that_is_none_is_refused() -> None:
    with pytest.raises(RecognizerError, match="write it like EMPLOYEE_NUMBER"):
        custom_recognizer("employee number", "a")


def test_context_words_have_to_stand_before_the_value() -> None:
    scanner = scanner_of((custom_recognizer("X", r"\d{6}", context=["Badge"]),))

    assert len(scanner.scan(b"badge 123456")) == 1
    assert scanner.scan(b"123456 badge") == []


def test_too_many_patterns_are_refused() -> None:
    with pytest.raises(RecognizerError, match=f"at most {MOST_PATTERNS}"):
        admit([custom_recognizer(f"X{number}", "abc") for number in range(MOST_PATTERNS + 1)])


def test_patterns_that_are_slow_together_are_refused_and_the_slowest_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(
        pattern_admission, "probe_milliseconds", lambda one: {"A": 20.0, "B": 40.0}[one.entity]
    )

    with pytest.raises(RecognizerError, match=r"take 60 ms .* The slowest is B \(40 ms\)"):
        admit([custom_recognizer("A", "abc"), custom_recognizer("B", "abd")])


def test_modest_patterns_are_admitted() -> None:
    admit([custom_recognizer("EMPLOYEE", r"EMP-\d{6}"), custom_recognizer("BADGE", r"B\d{4}")])
    admit([])
