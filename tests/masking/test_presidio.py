"""Presidio as a further detector, by the interface of its analyzer."""

from __future__ import annotations

import asyncio
import sys
from dataclasses import dataclass

import pytest

from policy_middleware.masking.presidio import PresidioRecognizer
from policy_middleware.masking.recognition import Span
from policy_middleware.model.errors import MaskError, SettingsError


@dataclass
class Found:
    """What presidio_analyzer.RecognizerResult has."""

    entity_type: str
    start: int
    end: int
    score: float


class RecordedAnalyzer:
    """Answers as AnalyzerEngine.analyze does, and keeps what it was asked."""

    def __init__(self, *found: Found) -> None:
        self.found = found
        self.asked: list[tuple[str, str, list[str] | None]] = []

    def analyze(self, text: str, language: str, entities: list[str] | None = None) -> list[Found]:
        self.asked.append((text, language, entities))
        return list(self.found)


def test_findings_become_spans_in_the_order_of_the_text() -> None:
    analyzer = RecordedAnalyzer(Found("LOCATION", 12, 17, 0.85), Found("PERSON", 0, 3, 0.9))
    recognizer = PresidioRecognizer(["PERSON", "LOCATION"], analyzer=analyzer, language="de")
    spans = recognizer.recognize("Ana lives in Paris.")
    assert spans == [Span("PERSON", 0, 3, 0.9), Span("LOCATION", 12, 17, 0.85)]
    assert analyzer.asked == [("Ana lives in Paris.", "de", ["PERSON", "LOCATION"])]


def test_findings_below_the_threshold_are_left_out() -> None:
    analyzer = RecordedAnalyzer(Found("PERSON", 0, 3, 0.39), Found("PERSON", 4, 7, 0.4))
    assert PresidioRecognizer(analyzer=analyzer).recognize("Ana Bea") == [Span("PERSON", 4, 7, 0.4)]


def test_a_text_over_the_cap_is_refused_before_the_analyzer_sees_it() -> None:
    analyzer = RecordedAnalyzer()
    with pytest.raises(MaskError, match="11 characters; Presidio is given 10 at most"):
        PresidioRecognizer(analyzer=analyzer, most_characters=10).recognize("x" * 11)
    assert analyzer.asked == []


def test_the_event_loop_is_left_alone() -> None:
    recognizer = PresidioRecognizer(analyzer=RecordedAnalyzer(Found("PERSON", 0, 3, 0.9)))
    assert asyncio.run(recognizer.recognize_in_thread("Ana")) == [Span("PERSON", 0, 3, 0.9)]


def test_without_presidio_the_error_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "presidio_analyzer", None)
    with pytest.raises(SettingsError, match=r"policy-middleware\[presidio\]"):
        PresidioRecognizer()
