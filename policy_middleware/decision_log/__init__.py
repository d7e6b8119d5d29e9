"""What was decided: one record per decided request, written in the background."""

from policy_middleware.decision_log.logging_sink import LOGGER_NAME, LoggingSink
from policy_middleware.decision_log.record import Record, json_line
from policy_middleware.decision_log.sinks import CallableSink, Sink, open_sinks
from policy_middleware.decision_log.writer import DecisionLog, DecisionLogStatus

__all__ = [
    "LOGGER_NAME",
    "CallableSink",
    "DecisionLog",
    "DecisionLogStatus",
    "LoggingSink",
    "Record",
    "Sink",
    "json_line",
    "open_sinks",
]
