"""Which sinks a setting names."""

from __future__ import annotations

import pytest

from policy_middleware.decision_log import CallableSink, LoggingSink, open_sinks
from policy_middleware.model.errors import SettingsError


class OwnSink:
    def write(self, records):
        pass

    def close(self):
        pass


@pytest.mark.parametrize("spec", ["auto", "logging", " logging ", ["auto"], "auto,logging"])
def test_the_applications_logging_is_the_default(spec):
    sinks = open_sinks(spec)
    assert all(isinstance(sink, LoggingSink) for sink in sinks)


def test_any_callable_receives_every_record():
    got = []
    (sink,) = open_sinks(got.append)
    sink.write([{"decision_id": "1"}, {"decision_id": "2"}])
    sink.close()
    assert got == [{"decision_id": "1"}, {"decision_id": "2"}]


def test_several_sinks_keep_their_order():
    own = OwnSink()
    first, second, third = open_sinks([print, "logging", own])
    assert isinstance(first, CallableSink)
    assert isinstance(second, LoggingSink)
    assert third is own


@pytest.mark.parametrize(
    "spec", ["redis", "logging,redis", "file://relative.jsonl", "file:///nowhere/at/all/d.jsonl"]
)
def test_a_sink_that_cannot_work_is_refused_at_start_up(spec):
    with pytest.raises(SettingsError, match="decision_log"):
        open_sinks(spec)


@pytest.mark.parametrize("spec", ["", "stdout", "logging,", [], (), 7, None, [7], {"logging": 1}])
def test_what_is_no_sink_is_refused_by_the_settings_name(spec):
    with pytest.raises(SettingsError, match="decision_log"):
        open_sinks(spec)
