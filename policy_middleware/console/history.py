"""What happened to a request, and what became of others like it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from policy_middleware.approvals import ApprovalStatus, ApprovalTask, Verdict, Verification

SIMILAR_LOOKED_AT = 200
"""How many of a tenant's latest requests are searched for similar ones."""
SIMILAR_SHOWN = 5


@dataclass(frozen=True, slots=True)
class Happening:
    """One line of a history; `person` did it, where somebody did."""

    at: float
    what: str
    person: str | None = None
    comment: str | None = None
    note: str | None = None


@dataclass(frozen=True, slots=True)
class Precedents:
    """How requests for the same action were decided lately, the newest `examples` first."""

    approved: int
    denied: int
    lapsed: int
    examples: tuple[ApprovalTask, ...]

    @property
    def total(self) -> int:
        """How many there were."""
        return self.approved + self.denied + self.lapsed


def history_of(task: ApprovalTask) -> list[Happening]:
    """Return everything that is known to have happened, oldest first."""
    lines = [Happening(task.created_at, "asked", task.requester)]
    for vote in task.votes:
        note = None
        if vote.verified is Verification.ASSERTED:
            typed = f" by {vote.operator}" if vote.operator else ""
            note = f"Said so on the command line{typed}; not signed in."
        verb = "approved" if vote.verdict is Verdict.APPROVE else "denied"
        lines.append(Happening(vote.at, verb, vote.approver, vote.comment, note))
    for requirement, opened in zip(task.requirements, task.escalated, strict=True):
        if opened is not None:
            lines.append(
                Happening(opened, f"Rule {requirement.rule_id} asks a second group of people as well.")
            )
    if task.approved_at is not None:
        lines.append(Happening(task.approved_at, "That was the last approval needed."))
    if task.consumed_at is not None:
        lines.append(Happening(task.consumed_at, "The request ran."))
    elif task.superseded and task.ended_at is not None:
        lines.append(Happening(task.ended_at, "Withdrawn, because the policy changed."))
    elif task.status is ApprovalStatus.CANCELLED and task.ended_at is not None:
        lines.append(Happening(task.ended_at, "withdrew the request", task.requester))
    elif task.status is ApprovalStatus.EXPIRED:
        ended = task.ended_at if task.ended_at is not None else task.deadline
        unused = "Expired: it was approved, but not used in time."
        undecided = "Expired: nobody decided in time."
        lines.append(Happening(ended, undecided if task.approved_at is None else unused))
    return sorted(lines, key=lambda line: line.at)


def precedents_of(task: ApprovalTask, others: Iterable[ApprovalTask]) -> Precedents:
    """Return how requests for the action of `task` were decided, of those among `others`."""
    alike = [
        other
        for other in others
        if other.action == task.action and other.id != task.id and other.status is not ApprovalStatus.PENDING
    ]
    approved = sum(other.approved_at is not None for other in alike)
    denied = sum(other.status is ApprovalStatus.DENIED for other in alike)
    return Precedents(approved, denied, len(alike) - approved - denied, tuple(alike[:SIMILAR_SHOWN]))
