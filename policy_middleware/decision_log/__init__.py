"""What was decided: one record per decided request, written in the background."""

from policy_middleware.decision_log.chain import PlacedRecord
from policy_middleware.decision_log.log import DecisionLog, DecisionLogStatus
from policy_middleware.decision_log.logging_sink import LOGGER_NAME, LoggingSink
from policy_middleware.decision_log.opening import open_decision_log
from policy_middleware.decision_log.record import Record, json_line
from policy_middleware.decision_log.redaction import Redaction
from policy_middleware.decision_log.sink import Sink
from policy_middleware.decision_log.sinks import CallableSink, open_sinks
from policy_middleware.decision_log.trace import TraceContext, trace_reader

__all__ = [
    "LOGGER_NAME",
    "CallableSink",
    "DecisionLog",
    "DecisionLogStatus",
    "LoggingSink",
    "PlacedRecord",
    "Record",
    "Redaction",
    "Sink",
    "TraceContext",
    "json_line",
    "open_decision_log",
    "open_sinks",
    "trace_reader",
]
