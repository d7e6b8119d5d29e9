"""The queue and its writer: every record once, nothing lost in silence, no request held up."""

from __future__ import annotations

import logging
import subprocess
import sys
import textwrap
import threading
from collections import Counter

import pytest

from policy_middleware.decision_log import CallableSink, DecisionLog
from policy_middleware.model.context import RequestContext
from tests.decision_log.decisions import NOW, asked, decided
from tests.waiting import eventually


class Collector:
    """A sink that keeps what it gets, and can be held up or made to fail."""

    def __init__(self) -> None:
        self.records: list[dict[str, object]] = []
        self.open_gate = threading.Event()
        self.open_gate.set()
        self.entered = threading.Event()
        self.failure: BaseException | None = None
        self.closed = 0

    def write(self, records):
        self.entered.set()
        assert self.open_gate.wait(10)
        if self.failure is not None:
            raise self.failure
        self.records += records

    def close(self):
        self.closed += 1

    def ids(self):
        return [record["decision_id"] for record in self.records]


@pytest.fixture
def sink():
    return Collector()


@pytest.fixture
def decision_log(sink):
    log = DecisionLog([sink], capacity=100)
    yield log
    sink.open_gate.set()
    log.close()


def test_every_decision_is_written_once_and_in_order(decision_log, sink):
    for number in range(50):
        decision_log.append(decided(f"d-{number}"), asked())
    assert decision_log.flush()
    assert sink.ids() == [f"d-{number}" for number in range(50)]


def test_decisions_of_many_threads_are_all_written(sink):
    log = DecisionLog([sink], capacity=100_000)

    def work(name):
        for number in range(200):
            log.append(decided(f"{name}-{number}"), asked())

    threads = [threading.Thread(target=work, args=(name,)) for name in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    log.close()
    assert Counter(sink.ids()) == Counter(f"{name}-{number}" for name in range(8) for number in range(200))
    assert log.status.written == 1600


def test_the_context_of_the_request_is_recorded_with_its_time(decision_log, sink):
    decision_log.append(decided(), asked(), enforced=False, refusal="x", approval_id="ap-1")
    decision_log.flush()
    (record,) = sink.records
    assert record["timestamp"] == record["input"]["environment.time"] == "2026-05-28T20:26:40.250000Z"
    assert (record["enforced"], record["refusal"], record["approval"]) == (False, "x", "ap-1")


def test_events_are_linked_by_the_decision_id(decision_log, sink):
    decision_log.append(decided("d-7"), asked())
    decision_log.event("masked", "d-7", {"count": 3})
    decision_log.flush()
    assert sink.ids() == ["d-7", "d-7"]
    assert [record["event"] for record in sink.records] == ["decision", "masked"]
    assert sink.records[1]["count"] == 3


def test_a_full_queue_holds_no_request_up_and_tells_how_many_records_were_lost(decision_log, sink):
    sink.open_gate.clear()
    decision_log.append(decided("first"), asked())
    assert sink.entered.wait(5)
    for number in range(130):
        decision_log.append(decided(f"d-{number}"), asked())
    assert decision_log.status.lost == 30
    sink.open_gate.set()
    assert decision_log.flush()
    gaps = [record for record in sink.records if record["event"] == "gap"]
    assert sum(gap["lost"] for gap in gaps) == 30
    decisions = [record for record in sink.records if record["event"] == "decision"]
    assert [record["decision_id"] for record in decisions] == [
        "first",
        *(f"d-{number}" for number in range(100)),
    ]


def test_a_sink_that_raises_is_reported_once_counted_and_harms_no_other(caplog):
    broken, sound = Collector(), Collector()
    broken.failure = OSError("disk full")
    log = DecisionLog([broken, sound])
    for number in range(3):
        log.append(decided(f"d-{number}"), asked())
        assert log.flush()
    assert sound.ids() == ["d-0", "d-1", "d-2"]
    assert log.status.failed == 3
    assert [record.levelname for record in reports(caplog)] == ["ERROR"]
    broken.failure = None
    log.append(decided("d-3"), asked())
    log.close()
    written, gap = broken.records
    assert (written["decision_id"], gap["event"]) == ("d-3", "gap")
    assert (gap["lost"], gap["first_seq"], gap["last_seq"]) == (3, 1, 3)
    assert "Collector" in gap["sink"]
    assert "missed 3 records" in reports(caplog)[-1].getMessage()


def reports(caplog):
    return [record for record in caplog.records if record.name == "policy_middleware"]


def test_a_sink_that_wants_to_exit_does_not_end_the_writer(decision_log, sink):
    sink.failure = SystemExit(1)
    decision_log.append(decided("d-0"), asked())
    assert decision_log.flush()
    sink.failure = None
    decision_log.append(decided("d-1"), asked())
    assert decision_log.flush()
    assert sink.ids()[0] == "d-1"


def test_a_context_that_cannot_be_read_still_leaves_a_record(decision_log, sink, caplog):
    decision_log.append(decided("d-1"), RequestContext("acme", 7, NOW))  # type: ignore[arg-type]  # broken on purpose
    assert decision_log.flush()
    assert (sink.records[0]["event"], sink.records[0]["decision_id"]) == ("unreadable", "d-1")


def test_close_writes_what_waits_stops_the_writer_and_closes_each_sink_once(sink):
    before = threading.active_count()
    log = DecisionLog([sink])
    for number in range(1500):
        log.append(decided(f"d-{number}"), asked())
    log.close()
    log.close()
    assert len(sink.records) == 1500
    assert sink.closed == 1
    assert threading.active_count() == before


def test_a_record_after_close_is_written_where_it_is_made(decision_log, sink):
    decision_log.close()
    decision_log.append(decided("late"), asked())
    assert sink.ids() == ["late"]
    assert decision_log.status.waiting == 0


def test_close_does_not_wait_for_ever_on_a_sink_that_hangs_and_says_so(sink, caplog):
    log = DecisionLog([sink])
    sink.open_gate.clear()
    log.append(decided("d-0"), asked())
    assert sink.entered.wait(5)
    log.append(decided("d-1"), asked())
    log.close(timeout=0.01)
    assert "still writing" in reports(caplog)[-1].getMessage()
    sink.open_gate.set()
    eventually(lambda: sink.ids() == ["d-0", "d-1"])


def test_flush_says_when_it_did_not_come_to_an_end(decision_log, sink):
    sink.open_gate.clear()
    decision_log.append(decided("d-0"), asked())
    assert not decision_log.flush(timeout=0.01)


def test_nothing_runs_before_the_first_record(sink):
    before = threading.active_count()
    log = DecisionLog([sink])
    assert log.flush()
    assert threading.active_count() == before
    log.close()
    assert sink.closed == 1


def run(script: str) -> list[str]:
    """Run a script in its own interpreter and return the lines it printed."""
    preamble = """
        import os, sys, warnings
        from policy_middleware.decision_log import DecisionLog, open_sinks
        from tests.decision_log.decisions import asked, decided
        def show(record):
            line = f"{os.getpid() == parent} {record['decision_id']} {record['labels']['id']}\\n"
            os.write(1, line.encode())
        parent = os.getpid()
    """
    source = textwrap.dedent(preamble) + textwrap.dedent(script)
    done = subprocess.run(
        [sys.executable, "-c", source], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


@pytest.mark.skipif(sys.platform == "win32", reason="nothing forks on Windows")
def test_a_forked_child_writes_its_own_records_and_none_of_its_parents():
    lines = run(
        """
        warnings.simplefilter("ignore", DeprecationWarning)  # of forks beside threads, since 3.12
        log = DecisionLog(open_sinks(show))
        for number in range(300):
            log.append(decided(f"before-{number}"), asked())
        child = os.fork()
        log.append(decided("child" if child == 0 else "parent"), asked())
        log.close()
        if child == 0:
            os._exit(0)
        os.waitpid(child, 0)
        """
    )
    seen = Counter(line.rsplit(" ", 1)[0] for line in lines)
    expected = {f"True before-{number}": 1 for number in range(300)} | {"True parent": 1, "False child": 1}
    assert seen == expected
    assert len({line.rsplit(" ", 1)[1] for line in lines}) == 2


def test_what_waits_is_written_when_the_interpreter_ends():
    lines = run(
        """
        log = DecisionLog(open_sinks(show))
        for number in range(700):
            log.append(decided(f"d-{number}"), asked())
        """
    )
    assert len(lines) == 700


def test_a_record_made_while_the_interpreter_ends_is_written():
    lines = run(
        """
        import atexit
        log = DecisionLog(open_sinks(show))
        atexit.register(lambda: log.append(decided("late"), asked()))
        """
    )
    assert [line.split()[1] for line in lines] == ["late"]


def test_without_any_logging_set_up_the_records_of_a_process_go_to_stderr():
    script = """
        from policy_middleware.decision_log import DecisionLog, open_sinks
        from tests.decision_log.decisions import asked, decided
        log = DecisionLog(open_sinks("auto"))
        log.append(decided("d-0"), asked())
        log.flush()
        import logging
        logging.basicConfig(format="app %(message)s", level=logging.INFO)
        log.append(decided("d-1"), asked())
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    first, second = done.stderr.splitlines()
    assert first.startswith('{"event":"decision","decision_id":"d-0"')
    assert second.startswith('app {"event":"decision","decision_id":"d-1"')


def test_the_writer_never_logs_through_its_own_logger(decision_log, sink, caplog):
    sink.failure = ValueError("broken")
    with caplog.at_level(logging.DEBUG):
        decision_log.append(decided(), asked())
        decision_log.flush()
    assert not [record for record in caplog.records if record.name == "policy_middleware.decisions"]


def test_a_callable_gets_one_record_at_a_time():
    got: list[object] = []
    log = DecisionLog([CallableSink(got.append)])
    log.append(decided("d-0"), asked())
    log.append(decided("d-1"), asked())
    log.close()
    assert [record["decision_id"] for record in got] == ["d-0", "d-1"]
