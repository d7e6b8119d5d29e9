from __future__ import annotations

import json
import multiprocessing
import os
import stat
import time
import warnings
from pathlib import Path

import pytest

from policy_middleware.decision_log import open_sinks
from policy_middleware.decision_log.file_sink import FileSink
from policy_middleware.decision_log.record import timestamp
from policy_middleware.model.errors import SettingsError


def test_every_record_is_one_line(tmp_path: Path) -> None:
    path = tmp_path / "decisions.jsonl"
    sink = FileSink(path)
    sink.write([{"n": 1, "text": "a\nb"}, {"n": 2}])
    sink.write([{"n": 3}])
    sink.close()
    assert [json.loads(line)["n"] for line in path.read_text().splitlines()] == [1, 2, 3]


def test_the_file_is_not_for_everybody(tmp_path: Path) -> None:
    path = tmp_path / "decisions.jsonl"
    sink = FileSink(path)
    sink.write([{"n": 1}])
    sink.close()
    assert stat.S_IMODE(path.stat().st_mode) & 0o007 == 0


@pytest.mark.parametrize("leave", [False, True])
def test_a_file_that_was_rotated_away_is_made_anew(tmp_path: Path, leave: bool) -> None:
    path = tmp_path / "decisions.jsonl"
    sink = FileSink(path)
    sink.write([{"n": 1}])
    path.rename(tmp_path / "old.jsonl")
    if leave:
        path.touch()
    sink.write([{"n": 2}])
    sink.close()
    assert json.loads(path.read_text())["n"] == 2
    assert json.loads((tmp_path / "old.jsonl").read_text())["n"] == 1


def test_a_disk_that_is_full_is_told(tmp_path: Path) -> None:
    full = Path("/dev/full")
    if not full.exists():
        pytest.skip("this system has no /dev/full")
    sink = FileSink(full)
    with pytest.raises(OSError, match="No space"):
        sink.write([{"n": 1}])
    sink.close()


def _written(directory: Path) -> list[dict[str, object]]:
    files = sorted(directory.glob("d*.jsonl"))
    return [json.loads(line) for path in files for line in path.read_text().splitlines()]


def test_a_file_that_is_full_is_moved_to_a_name_that_sorts_by_time(tmp_path: Path) -> None:
    (sink,) = open_sinks(f"file://{tmp_path}/d.jsonl?max_size=1KB")
    for number in range(30):
        sink.write([{"n": number, "text": "x" * 200}])
    sink.close()
    assert [record["n"] for record in _written(tmp_path)] == list(range(30))
    assert len(list(tmp_path.iterdir())) == 6
    assert all(path.stat().st_size < 1500 for path in tmp_path.iterdir())


def test_only_so_many_files_are_kept(tmp_path: Path) -> None:
    (tmp_path / "d-mine.jsonl").write_text("not of the log\n")
    (sink,) = open_sinks(f"file://{tmp_path}/d.jsonl?max_size=1&keep=2")
    for number in range(10):
        sink.write([{"n": number}])
    sink.close()
    (tmp_path / "d-mine.jsonl").unlink()
    assert [record["n"] for record in _written(tmp_path)] == [7, 8, 9]


def test_a_file_is_moved_when_its_first_record_is_old(tmp_path: Path) -> None:
    old = {"timestamp": "2020-01-01T00:00:00.000000Z"}
    (sink,) = open_sinks(f"file://{tmp_path}/d.jsonl?max_age=1d&fsync=always")
    sink.write([old])
    sink.write([{"timestamp": timestamp(time.time())}])
    sink.write([{"n": 3}])
    sink.close()
    assert len((tmp_path / "d.jsonl").read_text().splitlines()) == 2
    assert len(list(tmp_path.iterdir())) == 2


def test_a_line_that_was_left_in_half_is_ended_first(tmp_path: Path) -> None:
    path = tmp_path / "d.jsonl"
    path.write_text('{"n":1}\n{"n":')
    sink = FileSink(path)
    sink.write([{"n": 3}])
    sink.close()
    assert path.read_text() == '{"n":1}\n{"n":\n{"n":3}\n'


def test_a_disk_that_becomes_full_half_way_leaves_no_half_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sink = FileSink(tmp_path / "d.jsonl")
    sink.write([{"n": 1}])
    write = os.write

    def write_some(descriptor: int, data: memoryview) -> int:
        if len(data) < 20:
            raise OSError(28, "No space left on device")
        return write(descriptor, data[:10])

    with monkeypatch.context() as patched:
        patched.setattr("os.write", write_some)
        with pytest.raises(OSError, match="No space"):
            sink.write([{"n": 2, "text": "x" * 50}])
    sink.write([{"n": 3}])
    sink.close()
    assert [record["n"] for record in _written(tmp_path)] == [1, 3]


def _write_many(path: Path, name: str) -> None:
    sink = open_sinks(f"file://{path}?max_size=20KB")[0]
    for number in range(200):
        sink.write([{"name": name, "n": number, "text": "x" * 100}] * 3)
    sink.close()


def test_processes_share_a_file_and_rotate_it_together(tmp_path: Path) -> None:
    spawn = multiprocessing.get_context("spawn")
    path = tmp_path / "d.jsonl"
    workers = [spawn.Process(target=_write_many, args=(path, f"w{number}")) for number in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
        assert worker.exitcode == 0
    written = _written(tmp_path)
    assert len(written) == 1800
    for name in ("w0", "w1", "w2"):
        assert [record["n"] for record in written if record["name"] == name] == [
            number for number in range(200) for _ in range(3)
        ]


def test_a_forked_child_takes_a_lock_of_its_own(tmp_path: Path) -> None:
    sink = FileSink(tmp_path / "d.jsonl")
    sink.write([{"n": 1}])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of forks beside threads, since 3.12
        child = os.fork()
    if child == 0:
        sink.write([{"n": 2}])
        sink.close()
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    sink.write([{"n": 3}])
    sink.close()
    assert [record["n"] for record in _written(tmp_path)] == [1, 2, 3]


@pytest.mark.parametrize(
    "options",
    ["max_size=big", "max_size=0", "max_age=soon", "keep=0", "keep=x", "fsync=maybe", "size=1", "x"],
)
def test_options_that_mean_nothing_are_refused(tmp_path: Path, options: str) -> None:
    with pytest.raises(SettingsError, match="decision_log"):
        open_sinks(f"file://{tmp_path}/d.jsonl?{options}")
