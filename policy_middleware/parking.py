"""A request that needs approval: parked for people, or run once with the approval it brings."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from policy_middleware.approval_documents import pending_response
from policy_middleware.approvals import (
    ApprovalStatus,
    ApprovalTask,
    ConsumptionOutcome,
    RequestSummary,
    body_digest,
    fingerprint,
    is_task_id,
)
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
    "queue_full": ProblemType.TOO_MANY_PENDING,
}


class ApprovalExchange:
    """One request that a policy wants approved. `settle` may block; call it once."""

    __slots__ = ("_context", "_decision", "_enforcer", "_settings", "_subject", "_task_id", "_view")

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
            return self._use(self._task_id[0], self._fingerprint(body)) if self._task_id else self._park(body)
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
            return self._refused(
                _QUEUE_REFUSALS.get(error.code, ProblemType.APPROVAL_UNAVAILABLE), str(error)
            )

    def _park(self, body: bytes) -> Settled:
        attributes, view = self._context.attributes, self._view
        task = self._enforcer.approvals.request(
            self._context.tenant,
            fingerprint=self._fingerprint(body),
            requester=str(self._subject),
            action=str(attributes["action"]),
            resource=self._resource(),
            reason=self._decision.reason,
            requirements=self._decision.obligations.approvals,
            revisions=self._decision.revisions,
            summary=RequestSummary(view.method, self._path(), view.query, self._content_type(), len(body)),
            decision_id=self._decision.decision_id,
        )
        return self._waiting(task)

    def _use(self, task_id: str, request_fingerprint: str) -> Settled:
        queue, tenant = self._enforcer.approvals, self._context.tenant
        task = queue.get(tenant, task_id) if is_task_id(task_id) else None
        if task is None or task.fingerprint != request_fingerprint or task.requester != self._subject:
            return self._refused(*_REFUSALS[ConsumptionOutcome.MISMATCH])
        if task.status is ApprovalStatus.PENDING:
            return self._waiting(task)
        approved = self._decision
        if task.status is ApprovalStatus.APPROVED and task.consumed_at is None:
            # The policy in force now has the last word: a changed rule is judged anew, a deny wins.
            approved = self._enforcer.evaluate_approved(self._decision, self._context, task.satisfied)
            if approved.effect is Effect.DENY:
                return Settled(approved, task.id)
            if approved.effect is Effect.REQUIRE_APPROVAL:
                queue.supersede(tenant, task.id)
                return self._refused(*_REFUSALS[ConsumptionOutcome.SUPERSEDED], task.id)
        consumption = queue.consume(
            tenant,
            task.id,
            fingerprint=request_fingerprint,
            requester=self._subject,
            nonce=self._decision.decision_id,
        )
        if consumption.outcome is ConsumptionOutcome.OK:
            return Settled(approved, task.id)
        if consumption.outcome is ConsumptionOutcome.PENDING:
            return self._waiting(consumption.task or task)
        if approved is not self._decision:
            self._enforcer.withdraw(approved, self._context)
        return self._refused(*_REFUSALS[consumption.outcome], task.id)

    def _waiting(self, task: ApprovalTask) -> Settled:
        decision = self._decision
        self._enforcer.count(decision, self._context)
        response = pending_response(task, self._settings, self._view.root_path, decision.decision_id)
        return Settled(decision, task.id, response)

    def _refused(self, kind: ProblemType, detail: str, task_id: str | None = None) -> Settled:
        return self._answered(problem(kind, detail, decision_id=self._decision.decision_id), task_id)

    def _answered(self, response: Response, task_id: str | None = None) -> Settled:
        return Settled(self._decision, task_id, response)

    def _fingerprint(self, body: bytes) -> str:
        return fingerprint(
            tenant=self._context.tenant,
            subject=str(self._subject),
            method=self._view.method,
            path=self._path(),
            query=self._view.query,
            content_type=self._content_type(),
            body_digest=body_digest(body),
            action=str(self._context.attributes["action"]),
            resource=self._resource(),
        )

    def _path(self) -> str:
        return self._view.root_path + self._view.path

    def _content_type(self) -> str | None:
        values = self._view.header("content-type")
        return ",".join(values) if values else None

    def _resource(self) -> str | None:
        kind = self._context.attributes.get("resource.type")
        identifier = self._context.attributes.get("resource.id")
        if kind is None:
            return None
        return str(kind) if identifier is None else f"{kind}:{identifier}"
