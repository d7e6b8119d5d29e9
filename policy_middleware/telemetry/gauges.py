"""What Prometheus is told of a process's state, set every few seconds.

In multiprocess mode each worker has values of its own, and each gauge says how they become one: a service is
as ready as the worker that is not. A worker that ends has to be taken out by `mark_process_dead`.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from functools import partial

from policy_middleware.model.errors import MissingExtra
from policy_middleware.telemetry.status import EnforcerStatus

try:
    from prometheus_client import CollectorRegistry, Gauge
except ImportError:
    raise MissingExtra("prometheus", "metrics") from None


class Gauges:
    """The gauges of one registry; to be made when there is something to show, for they start with zero."""

    def __init__(self, registry: CollectorRegistry, tenants: bool) -> None:
        self._tenants = tenants
        gauge = partial(Gauge, registry=registry)
        self._ready = gauge("policy_ready", "1 while requests can be decided.", multiprocess_mode="livemin")
        self._listening = gauge(
            "policy_store_listening", "1 while changes of policies are heard.", multiprocess_mode="livemin"
        )
        self._last_success = gauge(
            "policy_store_last_success_timestamp_seconds",
            "When everything held in memory was last known to be current.",
            multiprocess_mode="livemin",
        )
        self._documents = gauge(
            "policy_documents", "Policy documents held in memory.", ("state",), multiprocess_mode="livemax"
        )
        self._open_approvals = gauge(
            "policy_approvals_open",
            "Approvals that are pending, or given and not used yet.",
            ("tenant",) if tenants else (),
            multiprocess_mode="livemax",
        )
        self._log_waiting = gauge(
            "policy_decision_log_waiting", "Records that wait to be written.", multiprocess_mode="livesum"
        )
        self._log_behind = gauge(
            "policy_decision_log_behind",
            "1 while records are kept on disk until their sink takes them.",
            multiprocess_mode="livemax",
        )
        self._log_failing = gauge(
            "policy_decision_log_failing_sinks", "Sinks that take no records.", multiprocess_mode="livemax"
        )

    def set(self, statuses: Sequence[EnforcerStatus], open_approvals: Mapping[str, int]) -> None:
        """Show how the enforcers of this process are doing, taken together."""
        logs = [status.decision_log for status in statuses]
        ages = [status.age for status in statuses]
        known = [age for age in ages if age is not None]
        self._ready.set(all(status.ready for status in statuses))
        self._listening.set(all(status.listener == "synced" for status in statuses))
        self._last_success.set(time.time() - max(known) if len(known) == len(ages) else 0)
        self._documents.labels("in_force").set(sum(status.in_force for status in statuses))
        self._documents.labels("rejected").set(sum(status.refused for status in statuses))
        self._log_waiting.set(sum(log.waiting for log in logs))
        self._log_behind.set(any(log.behind for log in logs))
        self._log_failing.set(sum(len(log.failing) for log in logs))
        if self._tenants:
            for tenant, number in open_approvals.items():
                self._open_approvals.labels(tenant).set(number)
        else:
            self._open_approvals.set(sum(open_approvals.values()))
