"""What a visitor may do with a request, told before they try; the queue itself has the last word."""

from __future__ import annotations

from enum import StrEnum

from policy_middleware.approvals import ApprovalStatus, ApprovalTask
from policy_middleware.approvals.persons import same_person
from policy_middleware.approvals.voting import answers_to
from policy_middleware.console.visitor import Visitor
from policy_middleware.model.errors import ContextError


class Standing(StrEnum):
    """How a visitor stands to a request."""

    MAY_VOTE = "may_vote"
    OWN = "own"
    VOTED = "voted"
    NOT_ASKED = "not_asked"
    CLOSED = "closed"


def standing_of(task: ApprovalTask, visitor: Visitor, now: float) -> Standing:
    """Return how the visitor stands to the request at `now` (seconds since the epoch)."""
    if task.status is not ApprovalStatus.PENDING:
        return Standing.CLOSED
    if visitor.asked_for(task):
        return Standing.OWN
    if any(same_person(vote.approver, visitor.approver.id) for vote in task.votes):
        return Standing.VOTED
    try:
        eligible = answers_to(task, visitor.approver, now)
    except ContextError:
        eligible = ()
    return Standing.MAY_VOTE if eligible else Standing.NOT_ASKED
