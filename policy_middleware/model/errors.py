"""The one hierarchy of errors; each message says what, where, and what to do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

_PROBLEMS_TOLD = 10


class PolicyError(Exception):
    """Base of every error this package raises on purpose."""


class SettingsError(PolicyError, ValueError):
    """A setting is missing, unknown or contradictory; raised at start-up."""


class ContextError(PolicyError, ValueError):
    """A request context lacks an attribute or holds one that cannot be evaluated.

    `attribute` is the dotted path (or the alias as it was given).
    """

    def __init__(self, attribute: str, message: str) -> None:
        super().__init__(f"{attribute}: {message}")
        self.attribute = attribute


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong with a document: a JSON path (`$.rules[2].when.role`) and a plain sentence."""

    path: str
    message: str

    def __str__(self) -> str:
        return f"{self.path}: {self.message}"


class DocumentError(PolicyError, ValueError):
    """A policy document is not valid and never takes effect.

    `problems` lists every finding; the message, which ends in logs and status hashes, the first few.
    """

    def __init__(self, problems: Sequence[Problem], name: str | None = None) -> None:
        self.problems = tuple(problems)
        self.name = name
        head = f"policy document {name!r} is not valid: " if name else "policy document is not valid: "
        told = [str(problem) for problem in self.problems[:_PROBLEMS_TOLD]]
        if len(self.problems) > len(told):
            told.append(f"and {len(self.problems) - len(told)} more")
        super().__init__(head + "; ".join(told))


class StoreUnavailable(PolicyError):
    """The policy store cannot be reached, or answered with something that cannot be used."""


class LogUnavailable(StoreUnavailable):
    """The decision log cannot take a record, and nothing is to run without one."""


class NoUsablePolicy(StoreUnavailable):
    """The only document there is does not validate and no earlier one is in memory."""


class RevisionConflict(PolicyError):
    """A compare-and-set publish met another revision than the one it was based on.

    Revisions are full SHA-256 hex digests; None stands for "no document".
    """

    def __init__(self, name: str, expected: str | None, found: str | None) -> None:
        super().__init__(
            f"document {name!r} is at revision {short_revision(found)}, not {short_revision(expected)}: "
            "somebody else changed it; look at the new one, then publish again"
        )
        self.name, self.expected, self.found = name, expected, found


class MaskError(PolicyError):
    """A body cannot be masked, so nothing of it may leave."""


class ApprovalError(PolicyError):
    """An approval cannot make the step asked for; `code` is machine-readable (`self_approval`, ...)."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class MissingExtra(PolicyError, ImportError):
    """An optional dependency is not installed; the message names the extra that brings it."""

    def __init__(self, extra: str, feature: str) -> None:
        super().__init__(f'{feature} needs an optional dependency: pip install "policy-middleware[{extra}]"')
        self.extra = extra


def short_revision(revision: str | None) -> str:
    """Return the first 12 digits of a revision, as people are shown it; `none` for None."""
    return revision[:12] if revision else "none"
