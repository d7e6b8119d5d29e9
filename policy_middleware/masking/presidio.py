"""Presidio as a further detector, for what no pattern finds: names of people and places.

It is slow (about 6 ms per kilobyte with patterns alone, more with a language model, and more than linear), so
it has a cap on the text and never belongs on an event loop: `recognize` blocks, `recognize_in_thread` does
not. It is a detector for code of your own; a policy document cannot name its entities, because whole texts
are what it needs and streams have none.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final, Protocol

from policy_middleware.masking.recognition import Span
from policy_middleware.model.errors import MaskError, SettingsError

MOST_CHARACTERS: Final = 20_000


class Result(Protocol):
    """One finding of Presidio's analyzer."""

    entity_type: str
    start: int
    end: int
    score: float


class Analyzer(Protocol):
    """What is used of `presidio_analyzer.AnalyzerEngine`."""

    def analyze(self, text: str, language: str, entities: list[str] | None = None) -> Sequence[Result]: ...


class PresidioRecognizer:
    """Finds entities by a Presidio analyzer; blocking, and refused for long texts."""

    __slots__ = ("_analyzer", "_entities", "_language", "_most_characters", "_threshold")

    def __init__(
        self,
        entities: Sequence[str] | None = None,
        *,
        analyzer: Analyzer | None = None,
        language: str = "en",
        threshold: float = 0.4,
        most_characters: int = MOST_CHARACTERS,
    ) -> None:
        """Use `analyzer`, by default a new AnalyzerEngine, which loads a language model (seconds).

        Raises SettingsError when none is given and the extra `presidio` is not installed.
        """
        self._analyzer = _new_analyzer() if analyzer is None else analyzer
        self._entities = None if entities is None else list(entities)
        self._language = language
        self._threshold = threshold
        self._most_characters = most_characters

    def recognize(self, text: str) -> list[Span]:
        """Return what Presidio finds in `text`; raises MaskError for a text that is too long. Blocks."""
        if len(text) > self._most_characters:
            raise MaskError(
                f"a text of {len(text)} characters; Presidio is given {self._most_characters} at most"
            )
        found = self._analyzer.analyze(text, self._language, self._entities)
        return sorted(
            (
                Span(result.entity_type, result.start, result.end, result.score)
                for result in found
                if result.score >= self._threshold
            ),
            key=lambda span: (span.start, span.end, span.entity),
        )

    async def recognize_in_thread(self, text: str) -> list[Span]:
        """Return what `recognize` does, in a worker thread of asyncio."""
        return await asyncio.to_thread(self.recognize, text)


def _new_analyzer() -> Analyzer:
    try:
        from presidio_analyzer import AnalyzerEngine  # type: ignore[import-not-found]
    except ImportError:
        raise SettingsError(
            "recognising by Presidio needs it: pip install 'policy-middleware[presidio]'"
        ) from None
    analyzer: Analyzer = AnalyzerEngine()
    return analyzer
