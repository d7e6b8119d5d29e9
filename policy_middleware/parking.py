"""A request that needs approval: parked for people, or run once with the approval it brings."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from policy_middleware.approval_documents import denial_comment, pending_response
from policy_middleware.approvals import (
    ApprovalStatus,
    ApprovalTask,
    ConsumptionOutcome,
    RequestSummary,
    body_digest,
    fingerprint,
    is_task_id,
)
from policy_middleware.binding import bound_attributes, content_type, resource_of, whole_path
from policy_middleware.console.redaction import redaction_of
from policy_middleware.enforcer import PolicyEnforcer
from policy_middleware.extraction import ContextRequest
from policy_middleware.model.context import RequestContext
from policy_middleware.model.decision import PolicyDecision
from policy_middleware.model.effect import Effect
from policy_middleware.model.errors import ApprovalError, StoreUnavailable
from policy_middleware.responses import APPROVAL_ID_HEADER, ProblemType, Response, problem, unavailable
from policy_middleware.settings import GateSettings

log: Final = logging.getLogger("policy_middleware")


@dataclass(frozen=True, slots=True)
class Settled:
    """What became of the request: `decision` holds, and is answered with `response` where there is one."""

    decision: PolicyDecision
    approval_id: str | None = None
    response: Response | None = None
    waits_for: str | None = None
    """The pending approval, where waiting could help."""


_REFUSALS: Final[Mapping[ConsumptionOutcome, tuple[ProblemType, str]]] = {
    ConsumptionOutcome.USED: (
        ProblemType.APPROVAL_CONSUMED,
        "This approval has been used; it is good for one run.",
    ),
    ConsumptionOutcome.MISMATCH: (ProblemType.APPROVAL_MISMATCH, "This approval is for another request."),
    ConsumptionOutcome.MISSING: (ProblemType.APPROVAL_MISMATCH, "This approval is for another request."),
    ConsumptionOutcome.DENIED: (ProblemType.APPROVAL_DENIED, "The request was denied by an approver."),
    ConsumptionOutcome.EXPIRED: (ProblemType.APPROVAL_EXPIRED, "The approval has expired; ask again."),
    ConsumptionOutcome.CANCELLED: (ProblemType.APPROVAL_CANCELLED, "The approval was cancelled; ask again."),
    ConsumptionOutcome.FAILED: (ProblemType.APPROVAL_CANCELLED, "The approval failed; ask again."),
    ConsumptionOutcome.SUPERSEDED: (
        ProblemType.APPROVAL_SUPERSEDED,
        "The policy has changed since the approval was given; ask again.",
    ),
}
_QUEUE_REFUSALS: Final[Mapping[str, ProblemType]] = {
    "too_many_pending": ProblemType.TOO_MANY_PENDING,
    "too_many_keys": ProblemType.TOO_MANY_PENDING,
    "queue_full": ProblemType.TOO_MANY_PENDING,
}
_NEXT: Final[Mapping[ConsumptionOutcome, tuple[str, str]]] = {
    ConsumptionOutcome.USED: ("approval_consumed", "request"),
    ConsumptionOutcome.MISMATCH: ("approval_unverifiable", "none"),
    ConsumptionOutcome.MISSING: ("approval_unverifiable", "none"),
    ConsumptionOutcome.DENIED: ("approval_denied", "none"),
    ConsumptionOutcome.EXPIRED: ("approval_expired", "request"),
    ConsumptionOutcome.CANCELLED: ("approval_expired", "request"),
    ConsumptionOutcome.FAILED: ("approval_expired", "request"),
    ConsumptionOutcome.SUPERSEDED: ("approval_expired", "request"),
}
"""The profile's reason for a refused re-evaluation and what to do next; `request`: send it without the id."""
DENIED_ANEW: Final[Mapping[str, object]] = {"reason": "policy_denied", "next_action": "none"}
"""The same where the policy itself denies a request that brings an approval."""


def queue_refusal(error: ApprovalError) -> ProblemType:
    """Return how the client is told that the queue did not take a request."""
    return _QUEUE_REFUSALS.get(error.code, ProblemType.APPROVAL_UNAVAILABLE)


class ApprovalExchange:
    """One request that a policy wants approved. `settle` may block.

    It may be called again, to look what became of the request while its client waits.
    """

    __slots__ = (
        "_context",
        "_counted",
        "_decision",
        "_enforcer",
        "_settings",
        "_subject",
        "_task_id",
        "_view",
    )

    def __init__(
        self,
        enforcer: PolicyEnforcer,
        settings: GateSettings,
        view: ContextRequest,
        context: RequestContext,
        decision: PolicyDecision,
    ) -> None:
        self._enforcer, self._settings, self._view = enforcer, settings, view
        self._context, self._decision = context, decision
        subject = context.attributes.get("subject.id")
        self._subject = subject if isinstance(subject, str) else None
        self._task_id = tuple(view.header(APPROVAL_ID_HEADER.lower()))
        self._counted = False

    @property
    def impossible(self) -> Settled | None:
        """Why the request can be neither parked nor run, before its body is read."""
        if self._subject is None:
            return self._refused(
                ProblemType.APPROVAL_UNAVAILABLE,
                "The request needs approval, and an anonymous request cannot be approved.",
            )
        if len(self._task_id) > 1:
            return self._refused(
                ProblemType.ATTRIBUTE_MALFORMED, f"{APPROVAL_ID_HEADER} is given more than once."
            )
        return None

    def settle(self, body: bytes | None) -> Settled:
        """Park the request, or use the approval named in its X-Approval-Id header."""
        if body is None:
            return self._refused(
                ProblemType.BODY_TOO_LARGE,
                f"The approval would be bound to a body longer than {self._settings.max_body} bytes.",
            )
        try:
            return self._use(self._task_id[0], body) if self._task_id else self._park(body)
        except StoreUnavailable as error:
            log.error("request refused, decision %s: %s", self._decision.decision_id, error)
            return self._answered(
                unavailable(
                    ProblemType.STORE_UNAVAILABLE,
                    "The approval queue cannot be reached at the moment; nothing was run.",
                    self._decision.decision_id,
                )
            )
        except ApprovalError as error:
            return self._refused(queue_refusal(error), str(error))

    def _park(self, body: bytes) -> Settled:
        return self._waiting(self._parked(body))

    def _parked(self, body: bytes) -> ApprovalTask:
        attributes, view = self._context.attributes, self._view
        # What people are shown is redacted before it is stored anywhere; the fingerprint binds the original.
        redaction = redaction_of(self._enforcer, self._context.tenant)
        kind = content_type(view)
        return self._enforcer.approvals.request(
            self._context.tenant,
            fingerprint=self._fingerprint(body),
            requester=str(self._subject),
            action=str(attributes["action"]),
            resource=resource_of(self._context),
            reason=self._decision.reason,
            requirements=self._decision.obligations.approvals,
            revisions=self._decision.revisions,
            summary=RequestSummary(
                view.method,
                redaction.path(whole_path(view)),
                redaction.query(view.query),
                kind,
                len(body),
                redaction.body(body, kind, self._settings.shown_body),
            ),
            decision_id=self._decision.decision_id,
        )

    def _use(self, task_id: str, body: bytes) -> Settled:
        queue, tenant = self._enforcer.approvals, self._context.tenant
        request_fingerprint = self._fingerprint(body)
        task = queue.get(tenant, task_id) if is_task_id(task_id) else None
        if task is None or task.fingerprint != request_fingerprint or task.requester != self._subject:
            return self._not_used(ConsumptionOutcome.MISMATCH)
        if task.status is ApprovalStatus.PENDING:
            asked = self._parked(body)  # the same task, unless other people have to be asked by now
            if asked.id != task.id or asked.status is not ApprovalStatus.APPROVED:
                return self._waiting(asked)
            task = asked  # people have agreed between the two looks
        approved = self._decision
        if task.status is ApprovalStatus.APPROVED and task.consumed_at is None:
            # The policy in force now has the last word: a changed rule is judged anew, a deny wins.
            approved = self._enforcer.evaluate_approved(self._decision, self._context, task.satisfied)
            if approved.effect is Effect.DENY:
                return Settled(approved, task.id)
            if approved.effect is Effect.REQUIRE_APPROVAL:
                return self._park(body)  # the rule has changed: its approvers are asked anew
        try:
            consumption = queue.consume(
                tenant,
                task.id,
                fingerprint=request_fingerprint,
                requester=self._subject,
                nonce=self._decision.decision_id,
            )
        except StoreUnavailable:
            if approved is not self._decision:
                self._enforcer.withdraw(approved, self._context)
            raise
        if consumption.outcome is ConsumptionOutcome.OK:
            return Settled(approved, task.id)
        if consumption.outcome is ConsumptionOutcome.PENDING:
            return self._waiting(consumption.task or task)
        if approved is not self._decision:
            self._enforcer.withdraw(approved, self._context)
        return self._not_used(consumption.outcome, consumption.task or task)

    def _not_used(self, outcome: ConsumptionOutcome, task: ApprovalTask | None = None) -> Settled:
        kind, detail = _REFUSALS[outcome]
        reason, next_action = _NEXT[outcome]
        members: dict[str, object] = {"reason": reason, "next_action": next_action}
        if outcome is ConsumptionOutcome.DENIED and task is not None:
            members["comment"] = denial_comment(task)
        response = problem(kind, detail, decision_id=self._decision.decision_id, members=members)
        return self._answered(response, None if task is None else task.id)

    def _waiting(self, task: ApprovalTask) -> Settled:
        decision = self._decision
        if not self._counted:
            self._counted = True
            self._enforcer.count(decision, self._context)
        response = pending_response(task, self._settings, self._view.root_path, decision.decision_id)
        if task.status is ApprovalStatus.PENDING:
            self._task_id = (task.id,)  # who looks again, looks for this one
        return Settled(
            decision, task.id, response, task.id if task.status is ApprovalStatus.PENDING else None
        )

    def _refused(self, kind: ProblemType, detail: str, task_id: str | None = None) -> Settled:
        return self._answered(problem(kind, detail, decision_id=self._decision.decision_id), task_id)

    def _answered(self, response: Response, task_id: str | None = None) -> Settled:
        return Settled(self._decision, task_id, response)

    def _fingerprint(self, body: bytes) -> str:
        return fingerprint(
            tenant=self._context.tenant,
            subject=str(self._subject),
            method=self._view.method,
            path=whole_path(self._view),
            query=self._view.query,
            content_type=content_type(self._view),
            body_digest=body_digest(body),
            action=str(self._context.attributes["action"]),
            resource=resource_of(self._context),
            attributes=bound_attributes(self._settings, self._context),
        )
