"""Patterns of a policy document: what is admitted, so that no document can make responses slow.

RE2 is linear in the text, but linear is not cheap: a short pattern can need thousands of states and take
seconds per megabyte. So besides limits on size, what a document asks for is timed on adverse text.
"""

from __future__ import annotations

import random
import re
import time
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Final

from policy_middleware.masking.expression import ExpressionError, characters
from policy_middleware.masking.normalized import Alphabet
from policy_middleware.masking.recognizers.recognizer import Recognizer, RecognizerError, Shape
from policy_middleware.masking.scanner import Scanner, scanner_of
from policy_middleware.model.errors import SettingsError

LONGEST_PATTERN: Final = 1000
"""Characters of a pattern's source."""
LARGEST_PROGRAM: Final = 2000
"""Instructions of one compiled pattern."""
LARGEST_TOTAL: Final = 20_000
"""Instructions of all patterns of a document."""
MOST_PATTERNS: Final = 64
PROBE_MILLISECONDS: Final = 50.0
"""CPU time that all patterns of a document together may take on PROBE_CHARACTERS of adverse text."""
PROBE_CHARACTERS: Final = 65_536

_NAME: Final = re.compile(r"[A-Z][A-Z0-9_]{0,63}")
_ADVERSE: Final = "abcxyz019.-@ :/_"


def custom_recognizer(
    name: str,
    pattern: str,
    *,
    description: str = "",
    examples: Iterable[str] = (),
    context: Iterable[str] = (),
) -> Recognizer:
    """Return a recogniser for an operator's own `pattern`, in the syntax that RE2 and Python share.

    The pattern is searched in normalised text: `\\w` holds the letters of every script, `\\b` knows only
    those of ASCII. `context` are words of which one must stand shortly before a value. Raises
    RecognizerError, with a sentence for the author, for a pattern that is not admitted or that misses one of
    its own `examples`; SettingsError when the extra `mask` is not installed.
    """
    if not _NAME.fullmatch(name):
        raise RecognizerError(f"{name!r} is not a name for an entity: write it like EMPLOYEE_NUMBER")
    if len(pattern) > LONGEST_PATTERN:
        raise RecognizerError(f"{name}: the pattern has more than {LONGEST_PATTERN} characters")
    words = tuple(word.lower() for word in context)
    if not all(word.isascii() and word for word in words):
        raise RecognizerError(f"{name}: context words are ASCII and not empty")
    recognizer = _recognizer(name, pattern, description, tuple(examples), tuple(map(str.encode, words)))
    size = program_size([recognizer])
    if size > LARGEST_PROGRAM:
        raise RecognizerError(
            f"{name}: the pattern compiles to {size} instructions; at most {LARGEST_PROGRAM} (bounds such as"
            " {1,500} and wide classes make it large)"
        )
    for example in recognizer.examples:
        scanner = scanner_of((recognizer,))
        if not scanner.scan(scanner.alphabet.view(example).data):
            raise RecognizerError(f"{name}: the pattern does not match its own example {example!r}")
    return recognizer


def admit(recognizers: Sequence[Recognizer]) -> None:
    """Raise RecognizerError when the custom `recognizers` of one document are too many, large or slow.

    The probe is timed, so call this where a person is told (publish, lint), not where a process loads what
    is in force already.
    """
    if not recognizers:
        return
    if len(recognizers) > MOST_PATTERNS:
        raise RecognizerError(f"{len(recognizers)} patterns; at most {MOST_PATTERNS} in one document")
    size = program_size(recognizers)
    if size > LARGEST_TOTAL:
        raise RecognizerError(
            f"the patterns compile to {size} instructions; at most {LARGEST_TOTAL} together"
        )
    taken = {recognizer.entity: probe_milliseconds(recognizer) for recognizer in recognizers}
    if sum(taken.values()) > PROBE_MILLISECONDS:
        slowest = max(taken, key=lambda entity: taken[entity])
        raise RecognizerError(
            f"the patterns take {sum(taken.values()):.0f} ms for {PROBE_CHARACTERS >> 10} KB of adverse text;"
            f" at most {PROBE_MILLISECONDS:.0f} ms. The slowest is {slowest} ({taken[slowest]:.0f} ms): begin"
            " it with a literal, or narrow what is repeated"
        )


def program_size(recognizers: Sequence[Recognizer]) -> int:
    """Return the number of instructions that `recognizers` compile to."""
    return sum(shape.program_size for shape in scanner_of(tuple(recognizers)).shapes)


@lru_cache(maxsize=1024)
def probe_milliseconds(recognizer: Recognizer) -> float:
    """Return the CPU time of searching adverse text: letters and signs at random, also the pattern's own."""
    scanner = scanner_of((recognizer,))
    draw = random.Random(0)  # noqa: S311 (the same text every time)
    own = "".join(sorted({sign for shape in recognizer.shapes for sign in shape.pattern if sign.isalnum()}))
    slowest = 0.0
    for letters in (_ADVERSE, (own or "a") + " "):
        data = scanner.alphabet.view("".join(draw.choices(letters, k=PROBE_CHARACTERS))).data
        slowest = max(slowest, min(_milliseconds(scanner, data) for _ in range(2)))
    return slowest


def _milliseconds(scanner: Scanner, data: bytes) -> float:
    started = time.thread_time_ns()
    scanner.scan(data)
    scanner.hold(data)
    return (time.thread_time_ns() - started) / 1e6


def _recognizer(
    name: str, pattern: str, description: str, examples: tuple[str, ...], context: tuple[bytes, ...]
) -> Recognizer:
    try:
        own = characters(pattern)
        if own and re.search(r"(?<!\\)(?:\\\\)*\\[bB]", pattern):
            raise ExpressionError("\\b knows only ASCII letters; leave it out of a pattern with others")
        Alphabet(own)
        recognizer = Recognizer(name, description, examples, (Shape(pattern, context=context),))
        scanner_of((recognizer,))
    except SettingsError:
        raise
    except ValueError as error:
        raise RecognizerError(f"{name}: {error}") from None
    return recognizer
