"""Texts with known values, and how well they are recognised."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from typing import Final, NamedTuple

from policy_middleware.masking.recognition import recognize

GOALS: Final = {
    "EMAIL_ADDRESS": (1.0, 0.98),
    "IBAN_CODE": (1.0, 0.98),
    "IP_ADDRESS": (1.0, 0.98),
    "URL": (1.0, 0.98),
    "CREDIT_CARD": (1.0, 0.98),
    "US_SSN": (1.0, 0.98),
    "PHONE_NUMBER": (0.75, 0.93),
    "DATE_TIME": (0.85, 0.93),
}
"""Recall and precision."""
HOSTS: Final = ("EMAIL_ADDRESS", "ORGANIZATION")
"""What may hold the name of a host: `me@example.com`, `Example.com Inc.`"""


class Value(NamedTuple):
    """A value in a text, and what it is."""

    entity: str
    start: int
    end: int


class Sample(NamedTuple):
    """A text and the values in it."""

    text: str
    values: tuple[Value, ...]


def print_scores(title: str, samples: Iterable[Sample]) -> None:
    """Recognise the entities of GOALS in `samples` and print how well, with examples of what went wrong."""
    asked: Counter[str] = Counter()
    found: Counter[str] = Counter()
    said: Counter[str] = Counter()
    right: Counter[str] = Counter()
    hosts = 0
    examples: dict[tuple[str, str], list[str]] = defaultdict(list)
    for text, values in samples:
        spans = recognize(text, GOALS)
        for entity, start, end in values:
            if entity not in GOALS:
                continue
            asked[entity] += 1
            if any(span.entity == entity and span.start <= start and end <= span.end for span in spans):
                found[entity] += 1
            else:
                examples[entity, "missed"].append(text[start:end])
        for span in spans:
            touched = {value.entity for value in values if value.start < span.end and span.start < value.end}
            said[span.entity] += 1
            if span.entity in touched:
                right[span.entity] += 1
            else:
                hosts += span.entity == "URL" and not touched.isdisjoint(HOSTS)
                examples[span.entity, "wrong"].append(text[span.start : span.end])
    print(f"\n{title}\n{'entity':16}{'values':>8}{'recall':>9}{'goal':>6}{'precision':>11}{'goal':>6}")
    for entity, (recall, precision) in GOALS.items():
        print(
            f"{entity:16}{asked[entity]:8}{found[entity] / max(1, asked[entity]):9.3f}{recall:6.2f}"
            f"{right[entity] / max(1, said[entity]):11.3f}{precision:6.2f}"
        )
    print(
        "URL without those inside e-mail addresses and names of companies: precision"
        f" {right['URL'] / max(1, said['URL'] - hosts):.3f}"
    )
    for (entity, what), texts in sorted(examples.items()):
        print(f"{what} {entity}: {len(texts)}, such as {list(dict.fromkeys(texts))[:6]}")
