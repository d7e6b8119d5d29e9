"""The policy decision point: snapshot, engine, approvals and decision log brought together."""

from __future__ import annotations

import itertools
import secrets
import time
import weakref
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from operator import add
from types import MappingProxyType
from typing import Final, Self

from policy_middleware.approvals import (
    ApprovalClock,
    ApprovalEvent,
    ApprovalEvents,
    ApprovalHub,
    ApprovalLimits,
    ApprovalListener,
    ApprovalQueue,
    evidence,
    open_approvals,
    open_hub,
    open_listeners,
    overriding,
)
from policy_middleware.counters import (
    COUNTERS_RESET,
    Complaints,
    CountedDecision,
    Counters,
    HeldCount,
    clear_counts,
    held_counts,
    open_counters,
    with_facts,
)
from policy_middleware.counters import overriding as counters_overriding
from policy_middleware.decision_log import open_decision_log
from policy_middleware.engines import Engine, LocalEngine
from policy_middleware.evaluation.counting import Entry
from policy_middleware.evaluation.policy_set import PolicySet
from policy_middleware.evaluation.trace import Explanation
from policy_middleware.masking import MaskKeys, mask_admission
from policy_middleware.model.context import RequestContext
from policy_middleware.model.decision import NO_FACTS, Matched, Outcome, PolicyDecision, TimedDecision
from policy_middleware.model.documents import RawDocument
from policy_middleware.model.effect import Effect
from policy_middleware.model.errors import LogUnavailable, NoUsablePolicy, StoreUnavailable
from policy_middleware.notices import open_webhook
from policy_middleware.process_life import close_at_exit, reset_in_children
from policy_middleware.settings import EnforcerSettings
from policy_middleware.stores.freshness import STORE_AWAY, Unready
from policy_middleware.stores.opening import open_store
from policy_middleware.stores.protocol import UNSET, ExpectedRevision, StoredRevision
from policy_middleware.stores.snapshots import Snapshots
from policy_middleware.telemetry import EnforcerStatus, Spans, open_exporters, open_spans
from policy_middleware.telemetry.spans import TENANT_ATTRIBUTE

Context = Mapping[str, object] | RequestContext
"""What is asked: a RequestContext, or plain data that `RequestContext.from_mapping` understands."""

# What a named tuple does to be made, without its Python code; one is made per request.
_make: Final = tuple.__new__
NOT_RECORDED: Final = "The decision cannot be recorded at the moment, so nothing was run."
_NO_REVISIONS: Final[Mapping[str, str]] = MappingProxyType({})
_OUTAGE_ALLOWED: Final = Outcome(
    Effect.ALLOW,
    "The policy store is unavailable and the operator chose on_store_failure='allow'.",
    None,
    None,
    Matched.STORE_UNAVAILABLE,
)


class PolicyEnforcer:
    """Decides requests over the policies of a store; one per process, shared by every thread and loop.

    Make one with `from_url` or `from_settings`. It starts its threads on first use and again after a fork.
    """

    def __init__(self, settings: EnforcerSettings) -> None:
        self.settings = settings
        self.mask_keys: Final = MaskKeys(settings.mask_secret, settings.mask_key)
        store = open_store(settings.store_url, key_prefix=settings.key_prefix)
        self.snapshots: Final = Snapshots(
            store,
            on_missing_policy=settings.on_missing_policy,
            max_stale=settings.max_stale,
            require_global=settings.require_global,
            max_tenants=settings.max_tenants,
            max_document_bytes=settings.max_document_bytes,
            admit=mask_admission(self.mask_keys),
            admit_published=mask_admission(self.mask_keys, probe=True),
        )
        self.approval_hub: Final[ApprovalHub] = open_hub(store)
        """Wakes who waits for an approval."""
        exporters = open_exporters(settings)
        self.spans: Final[Spans] = open_spans(settings)
        self._approval_events: Final = ApprovalEvents(
            (
                *(exporter.hear for exporter in exporters),
                *open_listeners(settings.on_approval),
                *open_webhook(settings.approval_webhook, settings.approval_webhook_secret),
            )
        )
        self._approvals: Final[ApprovalQueue] = open_approvals(
            store,
            ApprovalLimits(
                open_per_tenant=settings.max_open_approvals,
                open_per_requester=settings.max_open_approvals_per_requester,
                ended_per_tenant=settings.max_ended_approvals,
                keep_ended=settings.keep_ended_approvals,
            ),
            tell=self._tell_of_approval,
            require_replica_ack=settings.require_replica_ack,
        )
        self._approval_clock: Final = ApprovalClock(self._approvals.advance)
        self._counters: Final[Counters] = open_counters(store)
        self._complaints: Final = Complaints()
        self.decision_log: Final = open_decision_log(settings, store, self.snapshots.freshness, exporters)
        self.spans.follow(self.decision_log)
        for exporter in exporters:
            exporter.observe(weakref.ref(self))
        self._engine: Final[Engine] = LocalEngine()
        self._evaluate = self._engine.evaluate
        if settings.decision_log_metrics:
            self.evaluate_with = self.evaluate_timed  # type: ignore[method-assign]  # decided once, not per request
        self._new_decision_id = _decision_ids()
        _living.add(self)

    @classmethod
    def from_url(cls, url: str, **settings: object) -> Self:
        """Open an enforcer on `memory://`, `file:///directory`, `redis://`, `rediss://` or `unix://`.

        Any keyword of `EnforcerSettings` may be given; the rest comes from `POLICY_*` in the environment.
        Raises SettingsError; an unreachable store is no error here but at the first decision.
        """
        return cls.from_settings({**settings, "store_url": url})

    @classmethod
    def from_settings(cls, settings: Mapping[str, object]) -> Self:
        """Open an enforcer on explicit settings over those of the environment; raises SettingsError."""
        return cls(EnforcerSettings.load(settings))

    @property
    def approvals(self) -> ApprovalQueue:
        """The queue of requests that wait for people, on the store's server where there is one."""
        return overriding.in_use or self._approvals

    def on_approval(self, listener: ApprovalListener) -> Callable[[], None]:
        """Tell `listener` of every transition of an approval that this process makes, after it happened.

        It is called with an ApprovalEvent in a thread of its own, in order, and never holds up a request.
        Returns what to call to stop that.
        """
        return self._approval_events.add(listener)

    def evaluate(self, context: Context) -> PolicyDecision:
        """Decide without any side effect; may load the tenant's documents first.

        Raises ContextError for a context that cannot be asked, NoUsablePolicy when there is only an invalid
        document, StoreUnavailable when there is no usable store (and `on_store_failure` is `deny`).
        """
        if not isinstance(context, RequestContext):
            context = RequestContext.from_mapping(context)
        policies = self.snapshots.current(context.tenant) or self._load(context.tenant)
        if policies is None:
            return self._outage_allowed()
        if policies.counting is None:
            return self.evaluate_with(policies, context)
        counted = self._counted(policies, context).peek()
        return PolicyDecision(self._new_decision_id(), counted.outcome, policies.revisions, counted.facts)

    def decide(self, context: Context) -> PolicyDecision:
        """Decide, count the decision, and write exactly one record of it; raises what `evaluate` raises.

        What the policy counts is written to its counters, and places in limits are reserved.
        """
        if not isinstance(context, RequestContext):
            context = RequestContext.from_mapping(context)
        policies = self.snapshots.current(context.tenant)
        if policies is None:
            decision = self.load_and_settle(context)
        elif policies.counting is None:
            decision = self.evaluate_with(policies, context)
        else:
            decision = self.settle(policies, context)
        if not self.decision_log.takes(decision, context):
            self.withdraw(decision, context)
            raise LogUnavailable(NOT_RECORDED)
        return decision

    def record(self, event: str, context: Context, *, event_id: str | None = None) -> None:
        """Count something that happened in the application, for rules with `"count": {"event": ...}`.

        `context` says to whom, in the words of `evaluate`; the action is the event's name unless it is given.
        Told twice with one `event_id`, it counts once. Blocks for one round trip where a policy counts the
        event. Raises StoreUnavailable when it could not be counted, and what `evaluate` raises.
        """
        if not isinstance(context, RequestContext):
            context = RequestContext.from_mapping({"action": event, **context})
        counting = self._policies(context.tenant).counting
        entries = () if counting is None else counting.told_of_event(event, context)
        if entries:
            self._counters_now.write(context.tenant, event_id or self._new_decision_id(), entries)

    def counts(self, context: Context, rule: str | None = None) -> tuple[HeldCount, ...]:
        """Return what the counters hold for the values of a context, for each rule that asks or for one.

        `context` needs no more than what the rule is kept `per`. Raises NoSuchCount, StoreUnavailable.
        """
        context = _whose(context)
        return held_counts(self._policies(context.tenant), context, self._counters_now, rule)

    def reset_counts(
        self, context: Context, rule: str, *, author: str, note: str | None = None
    ) -> tuple[HeldCount, ...]:
        """Set what a rule has counted for the values of a context back to zero; return what it was.

        Lets somebody in again whom a rule has locked out. It is recorded. Raises NoSuchCount,
        StoreUnavailable.
        """
        context = _whose(context)
        policies = self._policies(context.tenant)
        held = held_counts(policies, context, self._counters_now, rule)
        clear_counts(policies, context, self._counters_now, rule)
        # Called `input`, so that what operators cut from decisions is cut here as well.
        values = {name: context.attributes.get(name) for one in held for name in one.per if not one.missing}
        counted = {one.attribute: one.number for one in held if not one.missing}
        details = {"rule": rule, "author": author, "note": note, "input": values, "facts": counted}
        self.decision_log.event(COUNTERS_RESET, None, details, tenant=context.tenant)
        return held

    def explain(self, context: Context) -> Explanation:
        """Return the rule-by-rule trace of a decision; raises what `evaluate` raises."""
        if not isinstance(context, RequestContext):
            context = RequestContext.from_mapping(context)
        policies = self._policies(context.tenant)
        if policies.counting is None:
            return policies.explain(context)
        facts = self._counted(policies, context).peek().facts
        return policies.explain(with_facts(context, facts))

    def evaluate_with(self, policies: PolicySet, context: RequestContext) -> PolicyDecision:
        """Decide over documents in hand that ask nothing about the past: the steady path, in memory only."""
        outcome = self._evaluate(policies, context)
        return _make(PolicyDecision, (self._new_decision_id(), outcome, policies.revisions, NO_FACTS))

    def evaluate_timed(self, policies: PolicySet, context: RequestContext) -> PolicyDecision:
        """Do what `evaluate_with` does, and note how long it took (`decision_log_metrics`)."""
        started = time.perf_counter_ns()
        timed = TimedDecision(*PolicyEnforcer.evaluate_with(self, policies, context))
        timed.evaluation_ns = time.perf_counter_ns() - started
        return timed

    def settled_in_memory(self, policies: PolicySet, context: RequestContext) -> PolicyDecision | None:
        """Return the decision over documents that do ask about the past; None if it takes a counter."""
        outcome = self._counted(policies, context).in_memory()
        if outcome is None:
            return None
        return PolicyDecision(self._new_decision_id(), outcome, policies.revisions)

    def settle(self, policies: PolicySet, context: RequestContext, *, parks: bool = False) -> PolicyDecision:
        """Decide and count the decision; may block. What needs approval and `parks` is counted by `count`."""
        started = time.perf_counter_ns()
        decision_id = self._new_decision_id()
        counted = self._counted(policies, context).settle(decision_id, hold=parks)
        decision = PolicyDecision(decision_id, counted.outcome, policies.revisions, counted.facts)
        if not self.settings.decision_log_metrics:
            return decision
        timed = TimedDecision(*decision)
        timed.evaluation_ns = time.perf_counter_ns() - started
        return timed

    def load_and_settle(self, context: RequestContext, *, parks: bool = False) -> PolicyDecision:
        """Load what is not in memory, then decide and count; may block; raises what `evaluate` raises."""
        policies = self._load(context.tenant)
        if policies is None:
            return self._outage_allowed()
        if policies.counting is None:
            return self.evaluate_with(policies, context)
        return self.settle(policies, context, parks=parks)

    def evaluate_approved(
        self, decision: PolicyDecision, context: RequestContext, satisfied: frozenset[tuple[str, str, str]]
    ) -> PolicyDecision:
        """Decide again with approvals granted: they stand for allow, plus every mask rule that matches.

        `satisfied` holds (document, rule id, rule digest). The decision keeps its id; it is counted unless
        it still needs approval. Call `withdraw` if the request does not run after all.
        """
        policies = self._policies(context.tenant)
        if policies.counting is None:
            outcome = policies.evaluate_approved(context, satisfied)
            return PolicyDecision(decision.decision_id, outcome, policies.revisions)
        counted = CountedDecision(
            self._counters_now,
            policies,
            context,
            partial(policies.evaluate_approved, satisfied=satisfied),
            self._complaints,
            approved=True,
        ).settle(decision.decision_id, hold=True)
        return PolicyDecision(decision.decision_id, counted.outcome, policies.revisions, counted.facts)

    def count(self, decision: PolicyDecision, context: RequestContext) -> None:
        """Count a request that was parked; a failure is logged, for the request is parked already."""
        self._tell(decision, context, self._counters_now.write)

    def withdraw(self, decision: PolicyDecision, context: RequestContext) -> None:
        """Take back what was counted: the request was refused after all."""
        self._tell(decision, context, self._counters_now.withdraw)

    def refuse(self, reason: str, matched: Matched = Matched.REFUSAL) -> PolicyDecision:
        """Make the decision that stands for a request that was refused before it could be decided."""
        return PolicyDecision(
            self._new_decision_id(), Outcome(Effect.DENY, reason, None, None, matched), _NO_REVISIONS
        )

    def publish(
        self,
        name: str,
        document: RawDocument,
        *,
        author: str | None = None,
        note: str | None = None,
        expected_revision: ExpectedRevision = UNSET,
    ) -> StoredRevision:
        """Validate a document and put it in force, all or nothing.

        With `expected_revision` (SHA-256 hex) only if that is the stored one; None: if there is none.
        Raises DocumentError, RevisionConflict or StoreUnavailable; then nothing has changed.
        """
        return self.snapshots.publish(
            name, document, author=author, note=note, expected_revision=expected_revision
        )

    def status(self) -> EnforcerStatus:
        """Return how this process is doing: what it holds, whether it hears of changes, how its log fares."""
        snapshots = self.snapshots
        return EnforcerStatus(
            self.unready(0.0),
            snapshots.listener,
            snapshots.unheard_for,
            snapshots.status(),
            snapshots.loaded,
            snapshots.rejected,
            self.decision_log.status,
        )

    def unready(self, patience: float = 1.0) -> Unready | None:
        """Say what keeps requests from being decided and run; None when nothing does.

        Waits at most `patience` seconds for the shared documents when they were never read. Each tenant's own
        document is loaded with the tenant's first request.
        """
        unready = self.snapshots.unready(patience)
        if unready is not None and unready.kind == STORE_AWAY and self.settings.on_store_failure == "allow":
            unready = None
        if unready is None and self.decision_log.guards and not self.decision_log.accepts:
            return Unready("decision log unavailable", "records may be lost, so nothing is to run unrecorded")
        return unready

    def rest(self) -> None:
        """Write what waits to be written and withdraw this process's status, because the server shuts down.

        Nothing is closed, for another server may use the enforcer again.
        """
        self.decision_log.rest()
        self.snapshots.withdraw()

    def close(self) -> None:
        """Write what waits to be written and stop every thread; also done at interpreter exit."""
        self.approval_hub.close()
        self._approval_clock.close()
        self._approval_events.close()
        self.decision_log.close()
        self.snapshots.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def _tell_of_approval(self, event: ApprovalEvent) -> None:
        """Record a transition that this process has made, wake who waits for it, and tell the listeners."""
        self.decision_log.event(*evidence(event), tenant=event.tenant)
        self._approval_clock.note(event)
        self.approval_hub.tell(event.tenant, event.task.id)
        self._approval_events.emit(event)

    @property
    def _counters_now(self) -> Counters:
        return counters_overriding.in_use or self._counters

    def _counted(self, policies: PolicySet, context: RequestContext) -> CountedDecision:
        return CountedDecision(
            self._counters_now,
            policies,
            context,
            partial(self._evaluate, policies),
            self._complaints,
        )

    def _tell(
        self,
        decision: PolicyDecision,
        context: RequestContext,
        tell: Callable[[str, str, Sequence[Entry]], object],
    ) -> None:
        try:
            counting = self._policies(context.tenant).counting
            entries = () if counting is None else counting.told_of(decision.outcome, context)
            if entries:
                tell(context.tenant, decision.decision_id, entries)
        except StoreUnavailable as error:
            self._complaints.about("written", error)

    def _load(self, tenant: str) -> PolicySet | None:
        """Load what decides a tenant's requests; None when nothing can be had and requests pass then."""
        try:
            with self.spans("policy.load", {TENANT_ATTRIBUTE: tenant}):
                return self.snapshots.load(tenant)
        except NoUsablePolicy:
            raise
        except StoreUnavailable:
            if self.settings.on_store_failure == "allow":
                return None
            raise

    def _outage_allowed(self) -> PolicyDecision:
        return PolicyDecision(self._new_decision_id(), _OUTAGE_ALLOWED, _NO_REVISIONS)

    def _policies(self, tenant: str) -> PolicySet:
        return self.snapshots.current(tenant) or self.snapshots.load(tenant)


def _whose(context: Context) -> RequestContext:
    if isinstance(context, RequestContext):
        return context
    whole = RequestContext.from_mapping({"action": COUNTERS_RESET, **context})
    if whole.attributes["action"] != COUNTERS_RESET:
        return whole
    known = {name: value for name, value in whole.attributes.items() if name != "action"}
    return RequestContext(whole.tenant, known, whole.now)


def _decision_ids() -> Callable[[], str]:
    """Return a maker of ids: a random prefix per process and a counter, put together without Python code."""
    prefix = f"{secrets.token_hex(8)}-"
    # repr and add are plain functions; str() and prefix.__add__ cost twice as much to call.
    return map(add, itertools.repeat(prefix), map(repr, itertools.count(1))).__next__


_living: Final[weakref.WeakSet[PolicyEnforcer]] = weakref.WeakSet()


def living_enforcers() -> list[PolicyEnforcer]:
    """Return every enforcer of this process."""
    return list(_living)


def _renew_decision_ids(enforcer: PolicyEnforcer) -> None:
    """Keep a forked child from repeating its parent's ids."""
    enforcer._new_decision_id = _decision_ids()


reset_in_children(_living, _renew_decision_ids)
close_at_exit(_living, PolicyEnforcer.close)
