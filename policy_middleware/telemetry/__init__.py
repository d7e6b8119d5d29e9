"""What operations can see: the state of an enforcer, and its figures for Prometheus and OpenTelemetry.

Nothing here does anything on a request's time, but for OpenTelemetry's span events where they are asked for:
decisions are counted by the decision log's writer, the rest is looked at every few seconds.
"""

from policy_middleware.telemetry.exporter import Exporter, open_exporters
from policy_middleware.telemetry.spans import Spans, open_spans
from policy_middleware.telemetry.status import EnforcerStatus

__all__ = ["EnforcerStatus", "Exporter", "Spans", "open_exporters", "open_spans"]
