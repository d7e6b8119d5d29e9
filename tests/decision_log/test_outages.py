"""Redis comes and goes; every record is in the stream, once, and in order."""

from __future__ import annotations

import fcntl
import json
import multiprocessing
import os
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

from policy_middleware.decision_log import DecisionLog, open_sinks
from policy_middleware.decision_log.spill import Spill, default_directory
from policy_middleware.decision_log.stream_log import StreamLog
from policy_middleware.decision_log.stream_sink import StreamSink
from policy_middleware.decision_log.verify_log import verify
from policy_middleware.model.errors import SettingsError
from policy_middleware.stores.opening import open_store
from policy_middleware.stores.redis_store import RedisStore
from tests.decision_log.decisions import asked, decided
from tests.decision_log.sealed import KEY
from tests.servers import FaultProxy, Server
from tests.waiting import eventually


def _store(url: str) -> RedisStore:
    store = open_store(url)
    assert isinstance(store, RedisStore)
    return store


def _log(url: str, spill: Path) -> DecisionLog:
    return DecisionLog(open_sinks("redis", _store(url), spill=spill), key=KEY, capacity=50_000)


def _lines(url: str) -> list[bytes]:
    store = _store(url)
    lines = list(StreamLog(store).lines())
    store.close()
    return lines


def _ids(lines: list[bytes]) -> list[str]:
    return [record["decision_id"] for record in map(json.loads, lines) if record["event"] == "decision"]


@pytest.fixture
def server(new_server: Callable[..., Server]) -> Server:
    return new_server(persistent=True)


@pytest.mark.parametrize("fault", ["kill", "stop"])
def test_what_cannot_be_written_waits_on_disk_and_follows_in_order(
    server: Server, tmp_path: Path, fault: str
) -> None:
    log = _log(server.url, tmp_path)
    _append(log, 0, 50)
    assert log.flush()
    getattr(server, fault)()
    _append(log, 50, 300)
    assert log.flush()
    assert log.status.behind
    assert list(tmp_path.glob("*.jsonl"))
    assert (log.status.lost, log.status.failed) == (0, 0)
    server.start()
    eventually(lambda: not log.status.behind, timeout=20)
    _append(log, 300, 320)
    log.close()
    lines = _lines(server.url)
    assert _ids(lines) == [f"d-{number}" for number in range(320)]
    assert verify(lines, [KEY]).intact
    assert not list(tmp_path.iterdir())


def test_an_answer_that_never_came_makes_no_record_twice(
    server: Server, new_proxy: Callable[[Server], FaultProxy], tmp_path: Path
) -> None:
    proxy = new_proxy(server)
    log = _log(proxy.url, tmp_path)
    _append(log, 0, 10)
    assert log.flush()
    server.pause()  # takes what is sent, and answers too late
    _append(log, 10, 40)
    assert log.flush(20)
    assert log.status.behind
    server.resume()
    eventually(lambda: not log.status.behind, timeout=20)
    log.close()
    assert _ids(_lines(server.url)) == [f"d-{number}" for number in range(40)]


def test_a_server_that_is_full_counts_as_away(server: Server, tmp_path: Path) -> None:
    log = _log(server.url, tmp_path)
    with server.client() as client:
        client.config_set("maxmemory", "1")
        _append(log, 0, 10)
        assert log.flush()
        assert log.status.behind
        client.config_set("maxmemory", "0")
    eventually(lambda: not log.status.behind, timeout=20)
    log.close()
    assert len(_ids(_lines(server.url))) == 10


def test_what_a_process_could_not_send_before_its_end_is_sent_by_the_next(
    server: Server, tmp_path: Path
) -> None:
    first = _log(server.url, tmp_path)
    _append(first, 0, 5)
    assert first.flush()
    server.stop()
    _append(first, 5, 10)
    first.close()
    (left,) = tmp_path.glob("*.jsonl")
    assert len(left.read_bytes().splitlines()) == 6
    server.start()
    second = _log(server.url, tmp_path)
    _append(second, 10, 12)
    second.close()
    lines = _lines(server.url)
    assert sorted(_ids(lines)) == sorted(f"d-{number}" for number in range(12))
    assert verify(lines, [KEY]).intact
    assert not list(tmp_path.iterdir())


def test_a_record_cut_off_on_disk_does_not_keep_the_others_back(
    server: Server, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    server.stop()
    first = _log(server.url, tmp_path)
    _append(first, 0, 5)
    first.close()
    (left,) = tmp_path.glob("*.jsonl")
    left.write_bytes(left.read_bytes()[:-30])
    server.start()
    second = _log(server.url, tmp_path)
    _append(second, 5, 6)
    second.close()
    assert len(_ids(_lines(server.url))) == 6
    assert "cut off" in caplog.text


def test_a_disk_that_takes_nothing_is_told_and_the_gap_is_on_record(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    log = _log(server.url, tmp_path)
    _append(log, 0, 1)
    assert log.flush()
    server.stop()
    with monkeypatch.context() as patched:
        patched.setattr("policy_middleware.decision_log.spill.MAX_BYTES", 10)
        _append(log, 1, 4)
        assert log.flush()
    assert log.status.failed == 3
    assert not log.accepts
    server.start()
    _append(log, 4, 5)
    assert log.flush(20)
    log.close()
    lines = _lines(server.url)
    assert _ids(lines) == ["d-0", "d-4"]
    result = verify(lines, [KEY])
    assert result.intact
    assert any("never reached" in sentence for sentence in result.unproved)
    assert "its records are lost" in caplog.text


def test_a_directory_that_others_may_write_to_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("STATE_DIRECTORY", raising=False)
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    place = tmp_path / f"policy-middleware-{os.getuid()}"
    place.mkdir()
    place.chmod(0o777)
    with pytest.raises(SettingsError, match="decision_log_spill"):
        Spill(None, "x").add([])


def test_records_wait_where_a_restart_leaves_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STATE_DIRECTORY", "/var/lib/shop:/var/lib/other")
    assert default_directory() == Path("/var/lib/shop/policy-middleware")
    monkeypatch.delenv("STATE_DIRECTORY")
    monkeypatch.delenv("TMPDIR", raising=False)
    if os.access("/var/tmp", os.W_OK):
        assert default_directory() == Path(f"/var/tmp/policy-middleware-{os.getuid()}")


def test_records_of_another_store_are_left_alone(server: Server, tmp_path: Path) -> None:
    other = Spill(tmp_path, "redis://elsewhere")
    other.add([])
    other.close()
    log = _log(server.url, tmp_path)
    _append(log, 0, 1)
    log.close()
    assert len(list(tmp_path.iterdir())) == 1


def test_a_file_adopted_before_its_process_has_the_lock_is_made_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make, other, found = tempfile.mkstemp, Spill(tmp_path, "x"), []

    def made_and_adopted(suffix: str, prefix: str, directory: Path) -> tuple[int, str]:
        made = make(suffix, prefix, directory)
        if not found:
            found.extend(path for path, _ in other.adopt())
        return made

    monkeypatch.setattr("policy_middleware.decision_log.spill.tempfile.mkstemp", made_and_adopted)
    spill = Spill(tmp_path, "x")
    spill.add(_one())
    assert len(found) == 1
    assert len(list(spill.records())) == 1


def test_a_file_that_its_process_empties_meanwhile_keeps_no_other_from_being_adopted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    living, ended = sorted((Spill(tmp_path, "x"), Spill(tmp_path, "x")), key=_file_name_of)
    ended.close()
    lock = fcntl.flock

    def emptied_and_locked(descriptor: int, operation: int) -> None:
        living.clear()
        lock(descriptor, operation)

    monkeypatch.setattr("policy_middleware.decision_log.spill.fcntl.flock", emptied_and_locked)
    assert [len(list(records)) for _, records in Spill(tmp_path, "x").adopt()] == [1]


def _file_name_of(spill: Spill) -> str:
    """Have a spill keep one record; return the name of its file, in whose order files are adopted."""
    before = set(spill.directory.iterdir())
    spill.add(_one())
    [made] = set(spill.directory.iterdir()) - before
    return made.name


def _append(log: DecisionLog, first: int, last: int) -> None:
    for number in range(first, last):
        log.append(decided(f"d-{number}"), asked())


def _work(url: str, spill: Path, name: str, begun: object, count: int) -> None:
    log = _log(url, spill)
    for number in range(count):
        log.append(decided(f"{name}-{number}"), asked())
        if number == 100:
            begun.release()  # type: ignore[attr-defined]  # a semaphore of multiprocessing
        if number % 50 == 0:
            log.flush()
    log.close(30)


def test_four_processes_write_through_a_crash_of_the_server(server: Server, tmp_path: Path) -> None:
    spawn = multiprocessing.get_context("spawn")
    begun = spawn.Semaphore(0)
    workers = [
        spawn.Process(target=_work, args=(server.url, tmp_path, f"w{number}", begun, 1000))
        for number in range(4)
    ]
    for worker in workers:
        worker.start()
    for _ in workers:
        assert begun.acquire(timeout=60)
    server.kill()
    server.start()
    for worker in workers:
        worker.join(60)
        assert worker.exitcode == 0
    sink = StreamSink(_store(server.url), tmp_path)  # what a worker had to leave is sent by the next
    sink.write(_one())
    lines = _lines(server.url)
    ids = _ids(lines)
    assert len(ids) == len(set(ids)) == 4001
    assert verify(lines[:-1], [KEY]).intact


def _one() -> list:  # type: ignore[type-arg]  # of placed records
    got: list = []  # type: ignore[type-arg]  # the same
    log = DecisionLog(open_sinks(got.append))
    log.append(decided("last"), asked())
    log.close()
    return got


def test_a_directory_that_cannot_be_used_costs_no_record_while_the_server_is_there(
    server: Server, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("")
    log = _log(server.url, tmp_path / "file")
    _append(log, 0, 3)
    log.close()
    assert len(_ids(_lines(server.url))) == 3
    assert log.status.failed == 0
    assert "could not be kept on disk" in caplog.text
