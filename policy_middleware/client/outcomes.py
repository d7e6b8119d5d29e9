"""How waiting for an approval ends when it does not end well."""

from __future__ import annotations

from collections.abc import Mapping

from policy_middleware.model.errors import PolicyError


class ApprovalNotGiven(PolicyError):
    """The request was not run. `task` is the task as last seen, `task_id` names it."""

    def __init__(self, message: str, task: Mapping[str, object]) -> None:
        super().__init__(message)
        self.task = task
        self.task_id = str(task.get("id", ""))


class ApprovalDenied(ApprovalNotGiven):
    """An approver said no; `comment` says why."""

    @property
    def comment(self) -> str | None:
        """What the approver said."""
        comment = self.task.get("comment")
        return comment if isinstance(comment, str) else None


class ApprovalExpired(ApprovalNotGiven):
    """Nobody decided in time."""


class ApprovalCancelled(ApprovalNotGiven):
    """The request for approval was withdrawn, here or elsewhere, or could not be completed."""


class ApprovalTimedOut(ApprovalNotGiven):
    """Still undecided when this program stopped waiting; the approval itself may still be given."""
