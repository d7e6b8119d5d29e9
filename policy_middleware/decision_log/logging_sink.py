"""Records to the application's own logging."""

from __future__ import annotations

import logging
import sys
from collections.abc import Sequence
from typing import Final, TextIO

from policy_middleware.decision_log.record import Record, json_line

LOGGER_NAME: Final = "policy_middleware.decisions"
RECORD_ATTRIBUTE: Final = "decision"
"""The attribute of the LogRecord that holds the record as a dict."""


class _FallbackHandler(logging.StreamHandler[TextIO]):
    """Writes to what `sys.stderr` is at that moment, which frameworks and tests replace.

    `propagated` is what the logger did before this handler stood in.
    """

    def __init__(self, *, propagated: bool) -> None:
        super().__init__(sys.stderr)
        self.setFormatter(logging.Formatter("%(message)s"))
        self.propagated = propagated

    def emit(self, record: logging.LogRecord) -> None:
        self.stream = sys.stderr
        super().emit(record)


class LoggingSink:
    """Sends each record to the logger `policy_middleware.decisions` at level INFO.

    The message is the record as one line of JSON, and `LogRecord.decision` the record itself, for handlers
    that keep structure. An unset level becomes INFO. While no handler would take an INFO record, the logger
    has one of its own that prints the lines to stderr; it steps aside as soon as the application configures
    logging, so nothing is printed twice. Set the logger's level above INFO to switch it off.
    """

    def __init__(self, logger: logging.Logger | None = None) -> None:
        self._logger = logger or logging.getLogger(LOGGER_NAME)

    def write(self, records: Sequence[Record]) -> None:
        """Log the records in order."""
        logger = self._logger
        # dictConfig() disables every logger it does not name, which would silence the log by accident.
        logger.disabled = False
        if logger.level == logging.NOTSET:
            logger.setLevel(logging.INFO)
        self._step_in_or_aside()
        if logger.isEnabledFor(logging.INFO):
            for record in records:
                logger.handle(self._log_record(record))

    def close(self) -> None:
        """Take the fallback away again."""
        self._step_aside()

    def _log_record(self, record: Record) -> logging.LogRecord:
        # Logger.info would look through the stack for its caller, which is always this.
        extra = {RECORD_ATTRIBUTE: record}
        return self._logger.makeRecord(
            self._logger.name, logging.INFO, __file__, 0, json_line(record), (), None, "write", extra
        )

    def _step_in_or_aside(self) -> None:
        if self._is_received():
            self._step_aside()
        elif not self._fallbacks():
            self._logger.addHandler(_FallbackHandler(propagated=self._logger.propagate))
            # A handler that the application adds between two records must not print a record again.
            self._logger.propagate = False

    def _step_aside(self) -> None:
        for fallback in self._fallbacks():
            self._logger.removeHandler(fallback)
            self._logger.propagate = fallback.propagated

    def _fallbacks(self) -> list[_FallbackHandler]:
        """Return the fallback in place, which several sinks of a process share."""
        return [handler for handler in self._logger.handlers if isinstance(handler, _FallbackHandler)]

    def _is_received(self) -> bool:
        """True when a handler of the application takes INFO records of this logger."""
        handlers = list(self._logger.handlers)
        ancestor = self._logger.parent
        propagates = self._logger.propagate or any(item.propagated for item in self._fallbacks())
        while propagates and ancestor is not None:
            handlers += ancestor.handlers
            propagates, ancestor = ancestor.propagate, ancestor.parent
        return any(
            handler.level <= logging.INFO and not isinstance(handler, (logging.NullHandler, _FallbackHandler))
            for handler in handlers
        )
