"""Paths to the fields of a JSON body: `customers[*].email`, `**.ssn`, `[0].name`."""

from __future__ import annotations

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


def parse_field_path(text: str) -> tuple[FieldStep, ...]:
    """Split a field path into its steps, or raise ValueError with a sentence about `text`."""
    if text.startswith("$"):
        raise ValueError(
            f"{shown(text)} is JSONPath, which is not built yet; write a path such as items[*].email"
        )
    if not text or len(text) > _LONGEST:
        raise ValueError(f"a field path has 1 to {_LONGEST} characters, such as items[*].email")
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


def _steps_of(name: str | None, indexes: str) -> list[FieldStep]:
    steps: list[FieldStep] = []
    if name in ("*", "**"):
        steps.append(Wildcard(name))
    elif name is not None:
        steps.append(name)
    steps += [Wildcard.ANY_ITEM if index == "*" else int(index) for index in _INDEX.findall(indexes)]
    return steps
