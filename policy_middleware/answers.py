"""What becomes of a request once it was decided, refused or found undecided, and what the client is told."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial
from typing import Final

from policy_middleware.decision_log import TraceContext, trace_reader
from policy_middleware.enforcer import NOT_RECORDED, PolicyEnforcer
from policy_middleware.extraction import Refused
from policy_middleware.masking import MaskReport, ResponseMask
from policy_middleware.model.context import RequestContext
from policy_middleware.model.decision import Matched, PolicyDecision
from policy_middleware.model.effect import Effect
from policy_middleware.model.errors import MaskError, MissingExtra, SettingsError
from policy_middleware.parking import DENIED_ANEW
from policy_middleware.responses import (
    APPROVAL_ID_HEADER,
    DECISION_ID_HEADER,
    Headers,
    ProblemType,
    Response,
    prefers_html,
    problem,
    unauthenticated,
    unavailable,
)
from policy_middleware.settings import GateSettings
from policy_middleware.steps import Blocking, FinalStep, Proceed, ProceedMasked, RequestView, Respond, Step

log: Final = logging.getLogger("policy_middleware")

_REFUSALS: Final = {
    ProblemType.IDENTITY_MISSING: unauthenticated,
    ProblemType.CREDENTIAL_INVALID: unauthenticated,
    ProblemType.STORE_UNAVAILABLE: unavailable,
    ProblemType.ATTRIBUTE_UNAVAILABLE: unavailable,
    ProblemType.LOG_UNAVAILABLE: unavailable,
}


class Answers:
    """Makes the last step of a request. Of decisions it records only those that no policy made."""

    def __init__(
        self, enforcer: PolicyEnforcer, settings: GateSettings, is_own: Callable[[str], bool]
    ) -> None:
        """`is_own` tells the paths of the package's own pages, which exist only for who is known."""
        self._enforcer, self._settings, self._is_own = enforcer, settings, is_own
        self._observing = settings.mode == "observe"
        self._trace = trace_reader(enforcer.settings.decision_log_trace)

    @property
    def trace_is_read(self) -> bool:
        """True when records name the trace that a request belongs to."""
        return self._trace is not None

    def trace_of(self, view: RequestView) -> TraceContext | None:
        """Return the trace that a request belongs to, None when records name none."""
        return None if self._trace is None else self._trace(view)

    def to(
        self, view: RequestView, decision: PolicyDecision, context: RequestContext, *, may_block: bool = False
    ) -> Step:
        """Turn a recorded decision into what the adapter does; `may_block`: a thread may wait here."""
        effect = decision.effect
        if effect is Effect.ALLOW or self._observing:
            return proceed(decision)
        if effect is not Effect.MASK:
            return self._denied(view, decision, context)
        masked = partial(self._masked, view, decision, context)
        spec = decision.obligations.mask
        asks = spec is not None and spec.needs_key and self._enforcer.mask_keys.asks_for(context.tenant)
        return Blocking(masked) if asks and not may_block else masked()

    def refuse(self, view: RequestView, refusal: Refused, matched: Matched = Matched.REFUSAL) -> FinalStep:
        """Record a refusal that no policy made, and answer it (or, observing, let the request pass)."""
        decision = self._enforcer.refuse(refusal.detail, matched)
        tenant = refusal.attributes.get("tenant")
        context = RequestContext(tenant if isinstance(tenant, str) else "", refusal.attributes)
        self._enforcer.decision_log.append(
            decision,
            context,
            enforced=not self._observing,
            refusal=refusal.kind,
            trace=self.trace_of(view),
        )
        if self._observing and not self._is_own(view.path):
            return proceed(decision)
        answer = _REFUSALS.get(refusal.kind, problem)
        return Respond(decision, answer(refusal.kind, refusal.detail, decision_id=decision.decision_id))

    def unrecorded(self, view: RequestView, context: RequestContext) -> FinalStep:
        """Refuse what must not run because its decision cannot be recorded."""
        refusal = Refused(ProblemType.LOG_UNAVAILABLE, NOT_RECORDED)
        refusal.attributes = context.attributes
        return self.refuse(view, refusal)

    def undecided(self, view: RequestView) -> FinalStep:
        """Answer for a response that no decision preceded (an operator's error, so it is logged as one)."""
        log.error(
            "an undecided response to %r %r was held back: something answered before the policy middleware "
            "could decide; move that middleware inside, or exempt the path",
            view.method,
            view.path,
        )
        refusal = Refused(
            ProblemType.UNDECIDED, "The response was held back: no policy decision preceded it."
        )
        return self.refuse(view, refusal)

    def unverified(self, view: RequestView, decision: PolicyDecision, ran: str) -> Response:
        """Answer for a response of another route (`ran`) than the one that was decided on."""
        log.error(
            "decision %s was made for route %r, but the application ran %s: the response was held back; "
            "a middleware further inside rewrites paths, so install the policy middleware inside it",
            decision.decision_id,
            view.route.template if view.route else view.path,
            ran,
        )
        self._enforcer.decision_log.event("route_mismatch", decision.decision_id, {"ran": ran})
        return problem(
            ProblemType.UNDECIDED,
            "The response was held back: another route ran than the one decided on.",
            decision_id=decision.decision_id,
        )

    def _denied(self, view: RequestView, decision: PolicyDecision, context: RequestContext) -> Respond:
        missing = decision.matched is Matched.MISSING_POLICY
        kind = ProblemType.POLICY_MISSING if missing else ProblemType.DENIED
        detail = decision.reason
        if decision.effect is not Effect.DENY:
            detail = f"{detail} (A WebSocket cannot be parked for approval, so it is denied.)"
        members: dict[str, object] = {"action": context.attributes["action"]}
        if view.header(APPROVAL_ID_HEADER.lower()):
            members |= DENIED_ANEW
        if self._settings.expose == "debug":
            members |= {
                "rule": decision.rule_id,
                "document": decision.document,
                "matched": decision.matched,
                "indeterminate": decision.indeterminate,
                "revisions": dict(decision.revisions),
            }
        response = problem(kind, detail, decision_id=decision.decision_id, members=members)
        accept = ",".join(view.header("accept"))
        return Respond(decision, response, html=prefers_html(accept))

    def _masked(
        self, view: RequestView, decision: PolicyDecision, context: RequestContext
    ) -> ProceedMasked | Respond:
        spec = decision.obligations.mask
        if spec is None:
            raise AssertionError("a mask decision carries a mask")
        tenant = context.tenant
        is_recorded = False

        def record(event: str, members: dict[str, object]) -> None:
            nonlocal is_recorded
            if not is_recorded:
                is_recorded = True
                self._enforcer.decision_log.event(event, decision.decision_id, members, tenant)

        def refuse(error: MaskError, left: MaskReport | None = None, /) -> Response:
            log.error("response withheld, decision %s: %s", decision.decision_id, error)
            record("mask_failed", {"error": str(error), **({} if left is None else left.members())})
            return problem(
                ProblemType.MASK_FAILED,
                "The response has to be masked and could not be.",
                decision_id=decision.decision_id,
            )

        def masked(report: MaskReport) -> None:
            record("masked", report.members())

        try:
            mask = ResponseMask(
                spec,
                tenant_key=self._enforcer.mask_keys.of(tenant) if spec.needs_key else None,
                method=view.method,
                max_body=self._settings.max_masked_body,
            )
        except (MaskError, SettingsError, MissingExtra) as error:
            # The handler need not run: nothing of its answer could leave.
            return Respond(decision, refuse(MaskError(str(error))))
        return ProceedMasked(decision, _headers(decision), mask, refuse, masked)


def proceed(decision: PolicyDecision) -> Proceed:
    """Let a request run."""
    return Proceed(decision, _headers(decision))


def _headers(decision: PolicyDecision) -> Headers:
    return ((DECISION_ID_HEADER, decision.decision_id),)
