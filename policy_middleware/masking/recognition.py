"""What is recognised: the built-in entities, and where they occur in a text."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from policy_middleware.masking.recognizers import RECOGNIZERS
from policy_middleware.masking.recognizers.recognizer import Recognizer, RecognizerError, Shape
from policy_middleware.masking.scanner import scanner_of

__all__ = ["RECOGNIZERS", "Recognizer", "RecognizerError", "Shape", "Span", "recognize", "recognizer_of"]


@dataclass(frozen=True, slots=True)
class Span:
    """A recognised value: `text[start:end]`. `score` is 1.0 for checked values, less for mere shapes."""

    entity: str
    start: int
    end: int
    score: float


def recognizer_of(entity: str) -> Recognizer:
    """Return the built-in recogniser of `entity`; raises RecognizerError naming those there are."""
    try:
        return RECOGNIZERS[entity]
    except KeyError:
        raise RecognizerError(
            f"{entity!r} is not a known entity; known: {', '.join(sorted(RECOGNIZERS))}"
        ) from None


def recognize(text: str, entities: Iterable[str] | None = None) -> list[Span]:
    """Return the values of `entities` (default: of all) in `text`, by beginning.

    Values of one entity never overlap; those of different entities may. Raises RecognizerError for an
    unknown entity and SettingsError when the extra `mask` is not installed.
    """
    wanted = sorted(RECOGNIZERS) if entities is None else sorted(set(entities))
    scanner = scanner_of(tuple(recognizer_of(entity) for entity in wanted))
    view = scanner.alphabet.view(text)
    last: dict[int, Span] = {}
    spans: list[Span] = []
    for found in scanner.scan(view.data):
        start, end = view.start(found.start), view.end(found.end)
        known = last.get(found.recognizer)
        if known is not None and start < known.end:
            spans.remove(known)
            span = Span(known.entity, known.start, max(end, known.end), max(found.score, known.score))
        else:
            span = Span(wanted[found.recognizer], start, end, found.score)
        last[found.recognizer] = span
        spans.append(span)
    return sorted(spans, key=lambda span: (span.start, span.end, span.entity))
