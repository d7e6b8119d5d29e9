"""The request pipeline every adapter shares, a step machine without I/O of its own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Final

from policy_middleware import start_up
from policy_middleware.answers import Answers, proceed
from policy_middleware.attributes import Source, WouldBlock
from policy_middleware.endpoints import Endpoints
from policy_middleware.enforcer import PolicyEnforcer
from policy_middleware.evaluation.policy_set import PolicySet
from policy_middleware.extraction import Extraction, Refused, await_sources, read_from_body, run_sources
from policy_middleware.inbox_door import open_door
from policy_middleware.model.context import RequestContext
from policy_middleware.model.decision import Matched, PolicyDecision
from policy_middleware.model.effect import Effect
from policy_middleware.model.errors import SettingsError, StoreUnavailable
from policy_middleware.outages import Outages
from policy_middleware.parking import ApprovalExchange, Settled
from policy_middleware.probes import Probes
from policy_middleware.responses import ProblemType, Response
from policy_middleware.routing import WEBSOCKET, routes_table
from policy_middleware.settings import ENFORCER_SETTINGS, GATE_SETTINGS, GateSettings, check_names
from policy_middleware.steps import (
    Awaiting,
    Blocking,
    FinalStep,
    Proceed,
    ProceedMasked,
    ReadBody,
    RequestView,
    Respond,
    Step,
)
from policy_middleware.telemetry.spans import TENANT_ATTRIBUTE
from policy_middleware.waiting import Patience


@dataclass(slots=True)
class _Gathering:
    """What is known of a request before its sources are read; `may_block`: a thread may wait here."""

    values: dict[Source, object] = field(default_factory=dict)
    body: bytes | None = None
    may_block: bool = False


_NOTHING_GATHERED: Final = _Gathering()


class Gate:
    """Decides requests for one application, shared by every request; only its count of outages changes.

    Raises SettingsError at construction for settings that cannot work.
    """

    def __init__(self, enforcer: PolicyEnforcer, settings: GateSettings) -> None:
        self.enforcer: Final = enforcer
        self.settings: Final = settings
        self.routes: Final = routes_table(settings.routes)
        self._extraction = Extraction(settings)
        self._gathers = bool(
            self._extraction.blocking or self._extraction.awaited or self._extraction.in_body
        )
        self._observing = settings.mode == "observe"
        self._exempt = frozenset(path.rstrip("/") for path in settings.exempt)
        self._probes = Probes(enforcer, settings)
        self._undecided_starts = (*self._exempt, *self._probes.paths)
        self._exempt_below = tuple(path + "/" for path in self._exempt)
        self._endpoints = Endpoints(enforcer, settings)
        self._door = open_door(enforcer, settings, self._extraction)
        self._outages = Outages()
        self._current = enforcer.snapshots.current
        self._record = enforcer.decision_log.append
        self._answers = Answers(enforcer, settings, self._endpoints.own)
        self._guarded = enforcer.decision_log.guards and not self._observing
        self._records_plainly = not self._answers.trace_is_read and not self._guarded
        self._evaluate = enforcer.evaluate_with
        self.owns: Final = self._endpoints.own
        """True for the path of one of the package's own pages; to be asked before routing."""

    def exempts(self, path: str) -> bool:
        """True for a path below one of the exempt ones, compared by whole segments.

        One with dot segments is not: what serves files or forwards requests may resolve them to anywhere.
        """
        if path in self._exempt:
            return True
        return path.startswith(self._exempt_below) and _DOTS.isdisjoint(path.replace("\\", "/").split("/"))

    def open(self, view: RequestView) -> Step:
        """Return the first step for a request."""
        route, path = view.route, view.path
        if route is not None and route.exempt:
            return _EXEMPT
        # One look, and nearly no path is left whose segments have to be compared.
        if path.startswith(self._undecided_starts):
            if path in self._probes.paths:
                return self._probes.open(view)
            if self.exempts(path):
                return _EXEMPT
        if self._door is not None and self._door.leads_to(path):
            return self._door.open(view)
        return self._gather(view) if self._gathers else self._decide(view, _NOTHING_GATHERED)

    def undecided(self, view: RequestView) -> FinalStep:
        """Answer for a response that no decision preceded."""
        return self._answers.undecided(view)

    def unverified(self, view: RequestView, decision: PolicyDecision, ran: str) -> Response:
        """Answer for a response of another route (`ran`) than the one that was decided on."""
        return self._answers.unverified(view, decision, ran)

    # -- the way of a request ---------------------------------------------------------------------------

    def _gather(self, view: RequestView) -> Step:
        """Read the body for the sources that look into it."""
        in_body = self._extraction.in_body
        if not in_body or view.method == WEBSOCKET:
            return self._collect(view, _Gathering(dict.fromkeys(in_body)))

        def read(body: bytes | None) -> Step:
            if body is None:
                detail = f"The policy looks into the body, and this one is longer than {limit} bytes."
                return self._answers.refuse(view, Refused(ProblemType.BODY_TOO_LARGE, detail))
            if len(body) >= OFF_LOOP_BYTES:
                return Blocking(lambda: look_into(body, may_block=True))
            return look_into(body, may_block=False)

        def look_into(body: bytes, may_block: bool) -> Step:
            return self._collect(view, _Gathering(read_from_body(in_body, body, view), body, may_block))

        limit = self.settings.max_body
        return ReadBody(limit, read)

    def _collect(self, view: RequestView, gathering: _Gathering) -> Step:
        """Run the application's own sources where they may run."""
        blocking, awaited = self._extraction.blocking, self._extraction.awaited

        def run_blocking() -> Step:
            gathering.values.update(run_sources(blocking, view))
            gathering.may_block = True
            return self._decide(view, gathering)

        async def run_awaited() -> Step:
            gathering.values.update(await await_sources(awaited, view))
            return Blocking(run_blocking) if blocking else self._decide(view, gathering)

        if awaited:
            return Awaiting(run_awaited)
        return Blocking(run_blocking) if blocking else self._decide(view, gathering)

    def _decide(self, view: RequestView, gathering: _Gathering) -> Step:
        try:
            context = self._extraction.context(view, gathering.values)
        except Refused as refusal:
            return self._answers.refuse(view, refusal)
        except WouldBlock as waiting:
            return Blocking(partial(self._look_up, view, gathering, waiting))
        if view.path.startswith(self.settings.prefix) and self.owns(view.path):
            return self._endpoints.open(view, context, gathering.body)
        policies = self._current(context.tenant)
        if policies is None:
            load = partial(self._load, view, context, gathering.body)
            return load() if gathering.may_block else Blocking(load)
        if policies.counting is not None:
            return self._count(view, context, policies, gathering)
        return self._enforce(view, context, self._evaluate(policies, context), gathering.body)

    def _count(
        self, view: RequestView, context: RequestContext, policies: PolicySet, gathering: _Gathering
    ) -> Step:
        """Decide over documents that ask about the past, in memory where this request takes no counter."""
        decision = self.enforcer.settled_in_memory(policies, context)
        if decision is not None:
            return self._enforce(view, context, decision, gathering.body)

        def settle() -> Step:
            settled = self.enforcer.settle(policies, context, parks=self._parks(view))
            return self._enforce(view, context, settled, gathering.body)

        return settle() if gathering.may_block else Blocking(settle)

    def _look_up(self, view: RequestView, gathering: _Gathering, waiting: WouldBlock) -> Step:
        waiting.look_up()
        return self._decide(view, replace(gathering, may_block=True))

    def _load(self, view: RequestView, context: RequestContext, body: bytes | None) -> Step:
        try:
            decision = self.enforcer.load_and_settle(context, parks=self._parks(view))
        except StoreUnavailable as error:
            self._outages.refused(context.tenant, error)
            self._current = self._current_after_outage
            refusal = Refused(
                ProblemType.STORE_UNAVAILABLE, "The policy of this tenant cannot be read at the moment."
            )
            refusal.attributes = context.attributes
            return self._answers.refuse(view, refusal, Matched.STORE_UNAVAILABLE)
        if self._outages.any and decision.matched is not Matched.STORE_UNAVAILABLE:
            self._outages.over(context.tenant)
        return self._enforce(view, context, decision, body)

    def _current_after_outage(self, tenant: str) -> PolicySet | None:
        """Stand in for `snapshots.current` until the end of every outage was seen."""
        policies = self.enforcer.snapshots.current(tenant)
        if policies is not None:
            self._outages.over(tenant)
        if not self._outages.any:
            self._current = self.enforcer.snapshots.current
        return policies

    def _enforce(
        self, view: RequestView, context: RequestContext, decision: PolicyDecision, body: bytes | None
    ) -> Step:
        effect = decision.outcome.effect
        if effect is _REQUIRE_APPROVAL and self._parks(view):
            return self._approval(view, context, decision, body)
        if not self._records_plainly:
            return self._record_and_answer(view, decision, context)
        self._record(decision, context, enforced=not self._observing)
        return proceed(decision) if effect is _ALLOW else self._answers.to(view, decision, context)

    def _record_and_answer(
        self, view: RequestView, decision: PolicyDecision, context: RequestContext
    ) -> Step:
        """Record a decision with its trace; where that is demanded, run nothing whose record may be lost."""
        trace = self._answers.trace_of(view)
        if not self._guarded:
            self._record(decision, context, enforced=not self._observing, trace=trace)
            return self._answers.to(view, decision, context)

        def withdraw() -> FinalStep:
            self.enforcer.withdraw(decision, context)
            return self._answers.unrecorded(view, context)

        def take() -> Step:
            if self.enforcer.decision_log.takes(decision, context, trace=trace):
                return self._answers.to(view, decision, context)
            return Blocking(withdraw)

        return Blocking(take) if self.enforcer.decision_log.strict and decision.allowed else take()

    def _parks(self, view: RequestView) -> bool:
        """True when a request that needs approval is parked, and not just passed or denied."""
        return not self._observing and view.method != WEBSOCKET

    def _approval(
        self, view: RequestView, context: RequestContext, decision: PolicyDecision, known_body: bytes | None
    ) -> Step:
        """Bind the request, body included, to an approval: park it, or use the approval it brings."""
        exchange = ApprovalExchange(self.enforcer, self.settings, view, context, decision)
        patience = Patience(self.enforcer.approval_hub, view, self.settings.max_wait)
        log, trace = self.enforcer.decision_log, self._answers.trace_of(view)
        if self._guarded and not log.accepts:
            return self._answers.unrecorded(view, context)

        def finish(settled: Settled) -> Step:
            patience.end()
            if not log.takes(settled.decision, context, approval_id=settled.approval_id, trace=trace):
                self.enforcer.withdraw(settled.decision, context)
                return self._answers.unrecorded(view, context)
            response = settled.response
            if response is not None:
                return Respond(settled.decision, response.adding(patience.applied))
            step = self._answers.to(view, settled.decision, context, may_block=True)
            if isinstance(step, (Proceed, ProceedMasked)):
                return replace(step, headers=step.headers + patience.applied)
            return step

        impossible = exchange.impossible
        if impossible is not None:
            return Blocking(partial(finish, impossible)) if self._guarded else finish(impossible)

        def look(body: bytes | None) -> Step:
            with self.enforcer.spans("policy.approval", {TENANT_ATTRIBUTE: context.tenant}):
                settled = exchange.settle(body)
            if settled.waits_for is None:
                return finish(settled)
            again, give_up = partial(look, body), partial(finish, settled)
            return patience.wait(context.tenant, settled.waits_for, again, give_up)

        def settle(body: bytes | None) -> Step:
            return Blocking(partial(look, body))

        return ReadBody(self.settings.max_body, settle) if known_body is None else settle(known_body)


def build_gate(options: Mapping[str, object]) -> Gate:
    """Make the gate of an application from an adapter's options: `enforcer`, or the settings to make one.

    Raises SettingsError for unknown, missing or contradictory settings.
    """
    check_names(options)
    request_side = {name: value for name, value in options.items() if name in GATE_SETTINGS}
    store_side = {name: value for name, value in options.items() if name in ENFORCER_SETTINGS}
    enforcer = options.get("enforcer")
    if enforcer is None:
        enforcer = PolicyEnforcer.from_settings(store_side)
    elif not isinstance(enforcer, PolicyEnforcer):
        raise SettingsError(
            f"enforcer: a {type(enforcer).__name__} is no PolicyEnforcer; "
            "make one with PolicyEnforcer.from_url"
        )
    elif store_side:
        raise SettingsError(
            f"{min(store_side)}: belongs to the enforcer, which is given already; set it there"
        )
    gate = Gate(enforcer, GateSettings.load(request_side))
    start_up.tell(gate.settings, enforcer.settings)
    return gate


OFF_LOOP_BYTES: Final = 32 * 1024
"""Request bodies from this size on are parsed in a worker thread; a megabyte takes tens of milliseconds."""

_DOTS: Final = frozenset({".", ".."})
_EXEMPT: Final = Proceed(None)
# Reading a member of an enumeration costs more than the comparison it is read for.
_ALLOW, _REQUIRE_APPROVAL = Effect.ALLOW, Effect.REQUIRE_APPROVAL
