"""Patterns of `matches`: searched in linear time by the Rust regex engine inside pydantic-core."""

from __future__ import annotations

from typing import Final

from pydantic_core import SchemaError, SchemaValidator, core_schema

LONGEST_PATTERN: Final = 1000
"""Characters a pattern may have; what they compile to is limited by the engine itself (10 MiB)."""

_UNSUPPORTED: Final = {
    "look-around": "look-around is not supported, because searching would no longer take linear time",
    "backreferences": "back-references are not supported, because searching would no longer take linear time",
    "exceeds size limit": "it is too large once its repetitions are written out",
}


def compile_pattern(text: str) -> SchemaValidator:
    """Compile a pattern to a validator of the texts that contain it, or raise ValueError with a sentence."""
    if len(text) > LONGEST_PATTERN:
        raise ValueError(f"is a pattern of {len(text)} characters; at most {LONGEST_PATTERN} are accepted")
    try:
        return SchemaValidator(core_schema.str_schema(pattern=text, regex_engine="rust-regex", strict=True))
    except SchemaError as error:
        raise ValueError(f"is not a usable pattern: {_sentence(str(error))}") from None


def _sentence(error: str) -> str:
    for part, sentence in _UNSUPPORTED.items():
        if part in error:
            return sentence
    return error.rpartition("error: ")[2].strip()
