"""Why a step on an approval is refused, in words."""

from __future__ import annotations

from policy_middleware.approvals.task import ApprovalStatus, ApprovalTask
from policy_middleware.model.errors import ApprovalError

MAX_SUBJECT_CHARACTERS = 512
MAX_COMMENT_CHARACTERS = 4096

_SENTENCES = {
    "unknown_task": "there is no such approval in this tenant; check the id and the tenant",
    "self_approval": "nobody votes on their own request; ask another approver",
    "already_voted": "this person has already voted on this approval; another approver has to",
    "not_eligible": "this person answers to none of the rules that still need a vote; "
    "an approver named by the rule has to",
    "not_verified": "the rule counts only people whom the application itself has authenticated; "
    "decide in the application's inbox",
    "not_requester": "only the person who asked can cancel a request; an approver can deny it",
    "comment_required": "a denial needs a comment, so that the requester learns why",
    "comment_too_long": f"a comment holds at most {MAX_COMMENT_CHARACTERS} characters",
    "no_subject": "an approval is always somebody's: the request or the vote carries no subject id",
    "invalid_subject": f"a subject id is Unicode text of at most {MAX_SUBJECT_CHARACTERS} characters",
    "duplicate_request": "this idempotency key was used for another request; choose a new one",
    "too_many_pending": "this requester has as many open approvals as one person may have; "
    "cancel or use one, or wait for it to expire",
    "too_many_keys": "this requester has used as many idempotency keys as one person may use within a day; "
    "send the request without one",
    "queue_full": "this tenant has as many open approvals as the queue holds; decide some first",
}


def refusal(code: str) -> ApprovalError:
    """Return the error of a code that needs no further facts."""
    return ApprovalError(code, _SENTENCES[code])


def closed(task: ApprovalTask) -> ApprovalError:
    """Return the error for a step that `task` is past."""
    if task.status is ApprovalStatus.EXPIRED:
        return ApprovalError("task_expired", "this approval has expired; repeat the request to ask again")
    if task.consumed_at is not None:
        state = "already used"
    elif task.superseded:
        state = "superseded, because the policy changed"
    else:
        state = f"already {task.status.value}"
    return ApprovalError(
        "invalid_task_state", f"this approval is {state}; the step asked for is not possible"
    )


def checked_subject(subject: str | None) -> str:
    """Return a subject id that can be compared and stored, or raise ApprovalError."""
    if not subject:
        raise refusal("no_subject")
    if not is_subject(subject):
        raise refusal("invalid_subject")
    return subject


def is_subject(subject: str) -> bool:
    """True for an id that some task or vote could carry."""
    # Undecodable octets arrive as lone surrogates; such a text has no UTF-8 form.
    return 0 < len(subject) <= MAX_SUBJECT_CHARACTERS and not any("\ud800" <= c <= "\udfff" for c in subject)


def checked_comment(comment: str | None) -> str | None:
    """Return a comment without surrounding blanks (None for an empty one), or raise ApprovalError."""
    comment = (comment or "").strip()
    if len(comment) > MAX_COMMENT_CHARACTERS:
        raise refusal("comment_too_long")
    return comment or None
