"""Health, readiness and figures under the prefix: for machines that watch, so nobody's identity is asked for.

What everybody may see are words and numbers; which tenants there are only shows with `expose="debug"`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from policy_middleware.enforcer import PolicyEnforcer
from policy_middleware.model.errors import SettingsError
from policy_middleware.responses import ProblemType, Response, json_response, problem
from policy_middleware.settings import GateSettings
from policy_middleware.steps import Blocking, RequestView, Respond, Step
from policy_middleware.telemetry import EnforcerStatus

HEALTH_PATH: Final = "/healthz"
READINESS_PATH: Final = "/readyz"
METRICS_PATH: Final = "/metrics"
FIRST_READING: Final = 1.0
"""Seconds that a probe waits for a process that has just been started to read the shared documents."""
_OBSERVING: Final = "observing"


class Probes:
    """Answers the probes of one application; raises SettingsError for a page of figures without figures."""

    def __init__(self, enforcer: PolicyEnforcer, settings: GateSettings) -> None:
        self._enforcer, self._settings = enforcer, settings
        answers: dict[str, Callable[[RequestView], Response]] = {
            HEALTH_PATH: self._health,
            READINESS_PATH: self._readiness,
        }
        if settings.metrics_page:
            if not enforcer.settings.metrics:
                raise SettingsError("metrics_page: there are no figures to serve; set metrics=True as well")
            answers[METRICS_PATH] = self._metrics
        self._answers: Final[Mapping[str, Callable[[RequestView], Response]]] = {
            settings.prefix + path: answer for path, answer in answers.items()
        }
        self.paths: Final = frozenset(self._answers)

    def open(self, view: RequestView) -> Step:
        """Return the first step for a request of one of `paths`."""
        if view.method not in ("GET", "HEAD"):
            allow = (("Allow", "GET, HEAD"),)
            return Respond(None, problem(ProblemType.METHOD_NOT_ALLOWED, "Use GET here.", headers=allow))
        return Blocking(lambda: Respond(None, self._answers[view.path](view)))

    def _health(self, view: RequestView) -> Response:
        """Answer that the process answers: a restart would mend nothing that readiness complains of."""
        return json_response(200, {"status": "ok"})

    def _readiness(self, view: RequestView) -> Response:
        self._enforcer.unready(FIRST_READING)
        status = self._enforcer.status()
        observing = self._settings.mode == "observe"
        document = readiness(status, debug=self._settings.expose == "debug")
        if observing:
            document["mode"] = _OBSERVING
        return json_response(200 if status.ready or observing else 503, document)

    def _metrics(self, view: RequestView) -> Response:
        from policy_middleware.telemetry.prometheus import exposed

        accept = ",".join(view.header("accept"))
        media_type, text = exposed(self._enforcer.settings.metrics_registry, accept)
        headers = (
            ("Content-Type", media_type),
            ("Content-Length", str(len(text))),
            ("Cache-Control", "no-store"),
        )
        return Response(200, headers, text)


def readiness(status: EnforcerStatus, *, debug: bool) -> dict[str, object]:
    """Return what readiness says: of tenants and store only numbers, and everything where `debug` is set."""
    unready, log = status.unready, status.decision_log
    document: dict[str, object] = {"status": "ready" if unready is None else "not ready"}
    if unready is not None:
        document["because"] = unready.kind
        if debug:
            document["detail"] = unready.detail
    document["listener"] = status.listener if debug else status.listener.partition(":")[0]
    document["age_seconds"] = None if status.age is None else round(status.age, 1)
    document["documents"] = {"in_force": status.in_force, "rejected": status.refused}
    document["decision_log"] = {
        "waiting": log.waiting,
        "lost": log.lost,
        "failed": log.failed,
        "behind": log.behind,
        "failing_sinks": list(log.failing) if debug else len(log.failing),
    }
    if debug:
        document["revisions"] = {
            one.name: {
                "revision": one.revision,
                "rejected": None if one.rejected is None else one.rejected.revision,
                "because": None if one.rejected is None else str(one.rejected),
                "age_seconds": round(one.age, 1),
            }
            for one in status.documents
        }
    return document
