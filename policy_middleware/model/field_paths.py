"""Paths to the fields of a JSON body: `customers[*].email`, `**.ssn`, `[0].name`, `$..iban`."""

from __future__ import annotations

import json
import re
from enum import Enum
from typing import Final, TypeAlias

from policy_middleware.model.json_reading import shown


class Wildcard(Enum):
    """A step that stands for more than one place."""

    ANY_KEY = "*"
    ANY_ITEM = "[*]"
    ANY_DEPTH = "**"


FieldStep: TypeAlias = str | int | Wildcard
"""A key, an index, or a wildcard."""

FIELD_SEGMENT: Final = r"""(?:\*\*|\*|[^.\[\]*"'\\\s$](?:[^.\[\]*"'\\\x00-\x1f\x7f]*[^.\[\]*"'\\\s])?)"""
FIELD_INDEXES: Final = r"(?:\[(?:\*|0|[1-9][0-9]{0,8})\])"

_SEGMENT: Final = re.compile(f"({FIELD_SEGMENT})?({FIELD_INDEXES}*)")
_INDEX: Final = re.compile(r"\[([^\]]+)\]")
_LONGEST: Final = 500

_NAME_FIRST: Final = r"[A-Za-z_\u0080-\ud7ff\ue000-\U0010ffff]"
_ESCAPE: Final = r"\\(?:[bfnrt/\\]|u[0-9a-fA-F]{4})"
_JSON_PATH_SEGMENT: Final = re.compile(
    rf"(?:(?P<descends>\.\.)|\.(?!\[)|(?=\[))"
    rf"(?:(?P<any>\*)|(?P<name>{_NAME_FIRST}(?:{_NAME_FIRST}|[0-9])*)"
    r"|\[[ \t\n\r]*(?:(?P<any_item>\*)|(?P<index>0|[1-9][0-9]{0,8})"
    rf"|(?P<quoted>'(?:[^'\\\x00-\x1f]|{_ESCAPE}|\\')*'"
    rf'|"(?:[^"\\\x00-\x1f]|{_ESCAPE}|\\")*"))[ \t\n\r]*\])'
)
"""One segment of RFC 9535 section 2.5 with a single name, index or wildcard selector."""
_NOT_UNDERSTOOD: Final = (
    (re.compile(r"[^?]*\[[^\]'\"]*\?"), "a filter (?) is not understood; name the places"),
    (re.compile(r"(?:\.\.)?\[[^\]'\"]*:"), "a slice (:) is not understood; write [*] or single indexes"),
    (re.compile(r"(?:\.\.)?\[\s*-"), "an index from the end is not understood; write [*] or count from 0"),
    (
        re.compile(r"(?:\.\.)?\[.*,"),
        "several selectors in one bracket are not understood; write one path each",
    ),
)


def parse_field_path(text: str) -> tuple[FieldStep, ...]:
    """Split a field path into its steps, or raise ValueError with a sentence about `text`."""
    if not text or len(text) > _LONGEST:
        raise ValueError(f"a field path has 1 to {_LONGEST} characters, such as items[*].email")
    if text.startswith("$"):
        return parse_json_path(text)
    steps: list[FieldStep] = []
    for number, segment in enumerate(text.split(".")):
        found = _SEGMENT.fullmatch(segment)
        if found is None or not segment or (found[1] is None and number > 0):
            raise ValueError(
                f"{shown(text)} is not a field path; "
                "write keys with dots, [3] or [*] for items, * for any key and ** for any depth"
            )
        steps.extend(_steps_of(found[1], found[2]))
    for step, following in zip(steps, [*steps[1:], None], strict=True):
        if (
            step is Wildcard.ANY_DEPTH
            and not isinstance(following, str)
            and following is not Wildcard.ANY_KEY
        ):
            raise ValueError(f"{shown(text)} has a ** that no key follows; write for example **.email")
    return tuple(steps)


def parse_json_path(text: str) -> tuple[FieldStep, ...]:
    """Split a JSONPath (RFC 9535) into its steps, or raise ValueError with a sentence about `text`.

    Names, indexes, wildcards and `..` are understood. What picks by counting from the end, by comparing or by
    listing several (slices, negative indexes, filters, unions) is refused: which values it means may only be
    known once the whole body is read.
    """
    steps: list[FieldStep] = []
    position = 1
    while position < len(text):
        segment = _JSON_PATH_SEGMENT.match(text, position)
        if segment is None:
            raise ValueError(f"{shown(text)} is no JSONPath that can be masked: {_why_not(text[position:])}")
        if segment["descends"]:
            steps.append(Wildcard.ANY_DEPTH)
        steps.append(_json_path_step(segment))
        position = segment.end()
    if not steps:
        raise ValueError("'$' is the whole body; write '$.*' for everything in it")
    return tuple(steps)


def _json_path_step(segment: re.Match[str]) -> FieldStep:
    if segment["any"] or segment["any_item"]:
        return Wildcard.ANY_KEY
    if segment["index"]:
        return int(segment["index"])
    if segment["name"]:
        return segment["name"]
    quoted: str = segment["quoted"]
    body = quoted[1:-1]
    if quoted[0] == "'":
        body = body.replace("\\'", "'").replace('"', '\\"')
    name: str = json.loads(f'"{body}"')
    return name


def _why_not(rest: str) -> str:
    for start, sentence in _NOT_UNDERSTOOD:
        if start.match(rest):
            return sentence
    return f"it cannot be read from {shown(rest)} on"


def _steps_of(name: str | None, indexes: str) -> list[FieldStep]:
    steps: list[FieldStep] = []
    if name in ("*", "**"):
        steps.append(Wildcard(name))
    elif name is not None:
        steps.append(name)
    steps += [Wildcard.ANY_ITEM if index == "*" else int(index) for index in _INDEX.findall(indexes)]
    return steps
