"""Records in the application's logging: always received, never twice."""

from __future__ import annotations

import json
import logging

import pytest

from policy_middleware.decision_log import LOGGER_NAME, LoggingSink

RECORD = {"event": "decision", "decision_id": "d-1", "reason": "100% of \n lines"}


class Received(logging.Handler):
    def __init__(self, level: int = logging.NOTSET) -> None:
        super().__init__(level)
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)


@pytest.fixture
def stderr(capsys):
    """The lines printed to stderr so far."""
    lines: list[str] = []

    def printed():
        lines.extend(capsys.readouterr().err.splitlines())
        return lines

    return printed


@pytest.fixture
def application():
    """Stands for the root logger of an application: a logger that ends propagation."""
    root = logging.Logger("application", logging.WARNING)
    root.propagate = False
    return root


@pytest.fixture
def logger(application):
    logger = logging.Logger(LOGGER_NAME)
    logger.parent = application
    logger.manager = logging.Logger.manager
    return logger


@pytest.fixture
def sink(logger):
    return LoggingSink(logger)


def test_without_any_logging_set_up_a_json_line_goes_to_stderr(sink, stderr, logger):
    sink.write([RECORD, RECORD])
    assert [json.loads(line) for line in stderr()] == [RECORD, RECORD]
    assert logger.level == logging.INFO


def test_the_applications_handler_gets_the_line_and_the_structure(sink, stderr, application):
    received = Received()
    application.addHandler(received)
    sink.write([RECORD])
    (record,) = received.records
    assert json.loads(record.getMessage()) == record.decision == RECORD
    assert (record.name, record.levelno) == (LOGGER_NAME, logging.INFO)
    assert stderr() == []


def test_logging_that_is_set_up_later_takes_over_without_a_double_line(sink, stderr, application, logger):
    sink.write([RECORD])
    received = Received()
    application.addHandler(received)
    sink.write([RECORD])
    assert len(stderr()) == 1
    assert len(received.records) == 1
    assert logger.propagate


def test_a_handler_on_the_logger_itself_takes_over_too(sink, stderr, logger):
    sink.write([RECORD])
    received = Received()
    logger.addHandler(received)
    sink.write([RECORD])
    assert len(stderr()) == 1
    assert len(received.records) == 1


def test_logging_that_is_torn_down_again_brings_the_fallback_back(sink, stderr, application):
    received = Received()
    application.addHandler(received)
    application.removeHandler(received)
    sink.write([RECORD])
    assert len(stderr()) == 1


@pytest.mark.parametrize("deaf", [Received(logging.WARNING), logging.NullHandler()])
def test_a_handler_that_takes_no_info_does_not_count(sink, stderr, application, deaf):
    application.addHandler(deaf)
    sink.write([RECORD])
    assert len(stderr()) == 1


def test_a_logger_that_the_application_keeps_from_propagating_stays_so(sink, stderr, application, logger):
    application.addHandler(received := Received())
    logger.propagate = False
    sink.write([RECORD])
    sink.write([RECORD])
    sink.close()
    assert len(stderr()) == 2
    assert received.records == []
    assert not logger.propagate


def test_two_sinks_on_one_logger_print_once(logger, stderr):
    for sink in (LoggingSink(logger), LoggingSink(logger)):
        sink.write([RECORD])
    assert len(stderr()) == 2


def test_a_level_set_by_the_application_stands(sink, stderr, logger):
    logger.setLevel(logging.ERROR)
    sink.write([RECORD])
    assert stderr() == []


def test_dict_config_does_not_silence_the_log_by_disabling_existing_loggers(sink, logger, application):
    received = Received()
    application.addHandler(received)
    logger.disabled = True  # what dictConfig() does to every logger that it does not name
    sink.write([RECORD])
    assert len(received.records) == 1


def test_close_leaves_the_logger_as_it_was(sink, stderr, logger):
    sink.write([RECORD])
    sink.close()
    assert logger.handlers == []
    assert logger.propagate
