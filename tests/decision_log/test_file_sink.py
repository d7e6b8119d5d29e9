from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest

from policy_middleware.decision_log.file_sink import FileSink
from policy_middleware.decision_log.reading import LogUnreadable, read_file


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


def test_records_are_read_back_and_a_cut_line_is_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "decisions.jsonl"
    lines = [
        '{"timestamp":"2026-01-01T00:00:00Z","n":1}',
        "[1]",
        '{"timestamp":"2026-01-03T00:00:00Z","n":2}',
        '{"n"',
    ]
    path.write_text("\n".join(lines))
    assert [record["n"] for record in read_file(path)] == [1, 2]
    assert [record["n"] for record in read_file(path, since=1767312000.0)] == [2]


def test_a_log_that_cannot_be_read_says_so(tmp_path: Path) -> None:
    with pytest.raises(LogUnreadable, match="nowhere"):
        list(read_file(tmp_path / "nowhere"))
