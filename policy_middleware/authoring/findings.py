"""What a reader of a valid document would remark: a code that stays, a place, a sentence and a remedy."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from policy_middleware.model.json_reading import Path


class Severity(StrEnum):
    """How sure it is that the author did not mean it."""

    ERROR = "error"
    """It cannot have been meant."""
    WARNING = "warning"
    """It was probably not meant."""
    INFO = "info"
    """It may well be meant, but has a consequence that is easily overlooked."""


class Code(StrEnum):
    """The kinds of findings; a code is never reused.

    PM1: conditions, PM2: order, PM3: upkeep, PM4: words, PM5: approvals, PM6: names of the application.
    """

    IMPLICIT_DEFAULT = "PM001"
    STAR_IN_EQUALITY = "PM101"
    NEVER_HOLDS = "PM102"
    MISSING_ATTRIBUTE = "PM103"
    DENIES_WHOM_IT_NAMES = "PM104"
    HIDDEN_RESTRICTION = "PM201"
    NEVER_DECIDES = "PM202"
    DECIDES_WHERE_UNKNOWN = "PM203"
    OVERRULED = "PM204"
    DUPLICATE = "PM205"
    DEFAULT_UNREACHABLE = "PM206"
    ONE_ANSWER = "PM207"
    EXPIRED = "PM301"
    ENDS_SOON = "PM302"
    SWITCHED_OFF = "PM303"
    REASON_TOO_SHORT = "PM401"
    REASON_REPEATS_ID = "PM402"
    REASON_TELLS_INTERNALS = "PM403"
    ANYONE_APPROVES = "PM501"
    NOBODY_APPROVES = "PM502"
    UNKNOWN_ACTION = "PM601"
    UNKNOWN_TAG = "PM602"
    UNKNOWN_ROLE = "PM603"

    @property
    def severity(self) -> Severity:
        """Every kind has one severity."""
        return _SEVERITIES.get(self, Severity.WARNING)


_SEVERITIES: Final[Mapping[Code, Severity]] = MappingProxyType(
    {
        Code.NEVER_HOLDS: Severity.ERROR,
        Code.HIDDEN_RESTRICTION: Severity.ERROR,
        Code.NOBODY_APPROVES: Severity.ERROR,
        Code.MISSING_ATTRIBUTE: Severity.INFO,
        Code.DEFAULT_UNREACHABLE: Severity.INFO,
        Code.ONE_ANSWER: Severity.INFO,
        Code.ENDS_SOON: Severity.INFO,
        Code.SWITCHED_OFF: Severity.INFO,
    }
)


@dataclass(frozen=True, slots=True)
class Remark:
    """What a check found: `path` leads from the root of the document as the author wrote it."""

    code: Code
    path: Path
    message: str
    remedy: str
    rule: str | None = None


@dataclass(frozen=True, slots=True)
class LintFinding:
    """One finding in a document; `line` counts from 1, None when it was not read from text."""

    code: Code
    rule: str | None
    path: str
    line: int | None
    message: str
    remedy: str

    @property
    def severity(self) -> Severity:
        """How sure it is that the author did not mean it."""
        return self.code.severity

    def as_dict(self) -> dict[str, object]:
        """Return plain JSON data."""
        return {
            "code": self.code.value,
            "severity": self.severity.value,
            "rule": self.rule,
            "path": self.path,
            "line": self.line,
            "message": self.message,
            "remedy": self.remedy,
        }
