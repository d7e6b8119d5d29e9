"""What a recogniser is: an entity, and one or more shapes that values of it have."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from policy_middleware.model.errors import PolicyError

CONTEXT_CHARACTERS: Final = 48

Judge = Callable[[bytes], tuple[int, int] | None]
"""Takes a matched value and returns the part of it (start, end) that is the real thing, None for nothing."""


@dataclass(frozen=True, slots=True)
class Shape:
    """One pattern and what a match of it must be besides.

    `pattern` is written over the normalised view, in which `\\w` holds the letters of all scripts. Its width
    must be bounded; `tail`, a class of characters, extends a match without bound (a long one is masked in
    pieces). `presence` is a simpler pattern without which no match exists; it makes clean text cheap.
    `judge` rejects look-alikes. `context` are words, in lower case, one of which must stand within
    CONTEXT_CHARACTERS before the value, or begin a word of the JSON key that the value has (there `names` are
    asked, where they are given). `not_after` are characters none of which may stand right before it. `inner`
    also tries matches that begin inside another one, at its next group of characters, so that a
    neighbour that merely looks alike cannot swallow the beginning of a value. `apart` demands that no ASCII
    letter or digit stands right before or behind; an underscore may: `card_4111111111111111`.
    """

    pattern: str
    presence: str | None = None
    judge: Judge | None = None
    tail: str | None = None
    context: tuple[bytes, ...] = ()
    names: tuple[str, ...] = ()
    inner: bool = False
    not_after: bytes = b""
    apart: bool = False
    score: float = 1.0


@dataclass(frozen=True, slots=True)
class Recognizer:
    """How one entity is found, and examples of it for people (and tests)."""

    entity: str
    description: str
    examples: tuple[str, ...]
    shapes: tuple[Shape, ...] = field(repr=False)

    @property
    def needs_context(self) -> bool:
        """True when a value is found only beside a word that announces it."""
        return all(shape.context for shape in self.shapes)


class RecognizerError(PolicyError, ValueError):
    """An entity is not known, or a pattern is not admitted; the message says which and why."""
