"""What the processes of an application made of a revision, as they told the store."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from policy_middleware.cli.output import moment
from policy_middleware.model.errors import short_revision
from policy_middleware.stores.paperwork import REPEAT_SECONDS
from policy_middleware.stores.protocol import ProcessReport, Store

PATIENCE_SECONDS: Final = 1.0
"""How long a command waits for processes to follow; a change is normally in force within 10 ms."""
SILENT_AFTER_SECONDS: Final = 2 * REPEAT_SECONDS
"""A process repeats what it holds; one that missed two turns counts as gone."""
_PAUSE_SECONDS: Final = 0.02


class Standing(StrEnum):
    """How a process stands to the revision that is stored."""

    IN_FORCE = "in force"
    BEHIND = "behind"
    REFUSED = "refused"
    SILENT = "silent"


@dataclass(frozen=True, slots=True)
class Uptake:
    """What one process made of a revision."""

    standing: Standing
    report: ProcessReport

    def as_dict(self) -> dict[str, object]:
        """Return plain JSON data."""
        return {
            "process": self.report.process,
            "standing": self.standing.value,
            "in_force": self.report.revision,
            "rejected": self.report.rejected_revision,
            "rejected_because": self.report.rejected_because,
            "at": self.report.at,
        }


def uptakes(reports: Sequence[ProcessReport], stored: str | None, now: float) -> list[Uptake]:
    """Return what each process made of the stored revision; `now` is in seconds since the epoch."""
    return [Uptake(_standing(report, stored, now), report) for report in reports]


def wait_for_uptake(
    store: Store,
    name: str,
    revision: str | None,
    *,
    patience: float = PATIENCE_SECONDS,
    pause: Callable[[float], object] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> list[Uptake]:
    """Return what the processes made of a revision once none lags behind, or after `patience` seconds."""
    deadline = clock() + patience
    while True:
        found = uptakes(store.reports(name), revision, time.time())
        if all(one.standing is not Standing.BEHIND for one in found) or clock() >= deadline:
            return found
        pause(_PAUSE_SECONDS)


def sentences(found: Sequence[Uptake], name: str) -> Iterator[tuple[bool, str]]:
    """Yield what to tell a person, each sentence with whether all is well."""
    following = [one.report.process for one in found if one.standing is Standing.IN_FORCE]
    if following:
        yield True, f"in force in {', '.join(following)}"
    if all(one.standing is Standing.SILENT for one in found):
        yield True, "no process holds it yet; each loads it with the first request that needs it"
    for one in found:
        report = one.report
        if one.standing is Standing.REFUSED:
            yield False, f"refused by {report.process}: {report.rejected_because}"
        elif one.standing is Standing.BEHIND:
            had = f"{short_revision(report.revision)} when last heard at {moment(report.at)}"
            hint = f"`policyctl status {name}` shows when it follows"
            yield False, f"not yet in force in {report.process}, which had {had}; {hint}"


def _standing(report: ProcessReport, stored: str | None, now: float) -> Standing:
    if report.at < now - SILENT_AFTER_SECONDS:
        return Standing.SILENT
    if report.rejected_because is not None:
        # A refusal of an earlier revision says nothing about this one.
        return Standing.BEHIND if report.rejected_revision not in (stored, None) else Standing.REFUSED
    return Standing.IN_FORCE if report.revision == stored else Standing.BEHIND
