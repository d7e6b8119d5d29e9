from __future__ import annotations

import gzip
import io
import json
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from policy_middleware.decision_log.file_log import FileLog
from policy_middleware.decision_log.reading import (
    MAX_LINE,
    LoggedRecord,
    LogUnreadable,
    clean,
    lines_of,
    record_of,
)
from policy_middleware.decision_log.record import timestamp


def line(number: int, **members: object) -> bytes:
    record = {"event": "numbered", "timestamp": timestamp(1_800_000_000 + number), "n": number, **members}
    return json.dumps(record).encode() + b"\n"


def numbers(records: Iterator[LoggedRecord] | list[LoggedRecord]) -> list[int]:
    return [record["n"] for record in records]


class Done(Exception):
    """Ends following."""


def doing(*steps: Callable[[], object]) -> Callable[[str | None], None]:
    """Return a wait that takes one step each time, and then ends following."""
    pending = iter(steps)

    def wait(trouble: str | None) -> None:
        step = next(pending, None)
        if step is None:
            raise Done
        step()

    return wait


def followed(log: FileLog, *steps: Callable[[], object]) -> list[int]:
    found: list[int] = []
    with suppress(Done):
        for record in log.follow(doing(*steps)):
            found.append(record["n"])  # noqa: PERF401 - it ends with an exception
    return found


def append(path: Path, data: bytes) -> None:
    with path.open("ab") as file:
        file.write(data)


@pytest.mark.parametrize(
    "foreign",
    [
        b"",
        b"\n",
        b"not json\n",
        b"[1]\n",
        b'"text"\n',
        b"null\n",
        b'{"level":"info","msg":"started"}\n',
        b'{"event":3}\n',
        b'{"event":"decision","n":',
        b"\xff\xfe{}\n",
        b'{"event":"decision","n":' + b"9" * 5000 + b"}",
        b'{"event":"decision","a":' + b"[" * 100_000,
        b'{"event":"decision","a":' + b"[" * 200 + b"]" * 200 + b"}",
        b'{"event":"' + b"x" * MAX_LINE + b'"}',
        b"\x1f\x8b\x08\x00",
    ],
)
def test_what_is_no_record_is_none(foreign: bytes) -> None:
    assert record_of(foreign) is None


def test_a_record_keeps_the_line_it_was_read_from() -> None:
    record = record_of(b'{"event":"masked", "x":1e16}\r\n')
    assert record is not None
    assert (record["event"], record.line) == ("masked", b'{"event":"masked", "x":1e16}')


def test_a_record_of_opa_or_of_an_older_version_without_an_event_is_a_decision() -> None:
    record = record_of(b'{"decision_id":"4ca636c1","input":{"user":"bob"},"result":true}')
    assert record is not None
    assert record["event"] == "decision"


def test_a_line_that_is_too_long_is_read_in_parts_and_the_next_one_whole() -> None:
    huge = b"x" * (5 * MAX_LINE) + b"\n"
    first, second = lines_of(io.BytesIO(huge + b"next\n"))
    assert (len(first) <= MAX_LINE + 2, second) == (True, b"next\n")


def test_lone_surrogates_are_replaced_wherever_they_are() -> None:
    record = record_of(b'{"event":"x","a":["\\ud800",{"\\udfff":1}]}')
    assert clean(record) == {"event": "x", "a": ["\ufffd", {"\ufffd": 1}]}


def test_records_are_read_from_a_moment_on_and_a_cut_line_is_counted(tmp_path: Path) -> None:
    path = tmp_path / "d.jsonl"
    path.write_bytes(line(1) + b"[1]\n\n" + line(3) + b'{"n"')
    log = FileLog(path)
    assert numbers(log.records()) == [1, 3]
    assert log.skipped == 2
    assert numbers(log.records(since=1_800_000_002)) == [3]


def test_a_log_that_cannot_be_read_says_so(tmp_path: Path) -> None:
    with pytest.raises(LogUnreadable, match="nowhere"):
        list(FileLog(tmp_path / "nowhere").records())


def test_a_rotated_log_is_read_in_the_order_it_was_written_in(tmp_path: Path) -> None:
    path = tmp_path / "d.jsonl"
    (tmp_path / "d.jsonl.2.gz").write_bytes(gzip.compress(line(1)))
    (tmp_path / "d.jsonl.1").write_bytes(line(2))
    path.write_bytes(line(3))
    (tmp_path / "d.jsonl.bak").write_bytes(line(99))
    (tmp_path / "other.jsonl").write_bytes(line(99))
    assert numbers(FileLog(path).records()) == [1, 2, 3]
    assert numbers(FileLog(path).latest(2)) == [2, 3]
    assert numbers(FileLog(path).latest(10)) == [1, 2, 3]
    assert numbers(FileLog(path, siblings=False).records()) == [3]

    stamped = tmp_path / "e.jsonl"
    (tmp_path / "e-20260528T202640.250000Z.jsonl").write_bytes(line(1))
    (tmp_path / "e-20260529T202640.250000Z.jsonl").write_bytes(line(2))
    (tmp_path / "e-else.jsonl").write_bytes(line(99))
    stamped.write_bytes(line(3))
    assert numbers(FileLog(stamped).records()) == [1, 2, 3]


def test_a_compressed_file_that_is_cut_off_is_read_as_far_as_it_goes(tmp_path: Path) -> None:
    (tmp_path / "d.jsonl.1.gz").write_bytes(gzip.compress(line(1))[:-8])
    (tmp_path / "d.jsonl").write_bytes(line(2))
    log = FileLog(tmp_path / "d.jsonl")
    assert numbers(log.records())[-1] == 2
    assert log.skipped == 1


def test_the_last_records_are_found_from_the_end(tmp_path: Path) -> None:
    path = tmp_path / "d.jsonl"
    path.write_bytes(b"".join(line(n, pad="x" * 3000) for n in range(2000)) + b'{"cut')
    assert numbers(FileLog(path).latest(3)) == [1997, 1998, 1999]
    assert numbers(FileLog(path).latest(1500)) == list(range(500, 2000))
    assert numbers(FileLog(path).latest(2, lambda record: record["n"] % 7 == 0)) == [1988, 1995]
    assert FileLog(path).latest(0) == []


def test_a_line_is_followed_once_it_is_complete(tmp_path: Path) -> None:
    path = tmp_path / "d.jsonl"
    whole = line(2)
    path.write_bytes(line(1) + whole[:10])
    log = FileLog(path)
    assert numbers(log.latest(5)) == [1]
    assert followed(log, lambda: append(path, whole[10:]), lambda: append(path, line(3))) == [2, 3]


def test_following_goes_on_across_rotations_and_loses_nothing(tmp_path: Path) -> None:
    path = tmp_path / "d.jsonl"
    path.write_bytes(line(1))
    log = FileLog(path)
    log.latest(1)

    def rotate_twice() -> None:
        append(path, line(2))
        path.rename(tmp_path / "d-20260528T202640.250000Z.jsonl")
        path.write_bytes(line(3))
        path.rename(tmp_path / "d-20260529T202640.250000Z.jsonl")
        path.write_bytes(line(4))

    assert followed(log, rotate_twice, lambda: append(path, line(5))) == [2, 3, 4, 5]


def test_following_a_file_that_is_emptied_in_place_begins_anew(tmp_path: Path) -> None:
    path = tmp_path / "d.jsonl"
    path.write_bytes(line(1) + line(2))
    log = FileLog(path)
    log.latest(1)
    assert followed(log, lambda: path.write_bytes(line(3))) == [3]


def test_following_waits_for_a_file_that_is_made_later(tmp_path: Path) -> None:
    path = tmp_path / "d.jsonl"
    path.write_bytes(line(1))
    log = FileLog(path)
    log.latest(1)
    assert followed(log, path.unlink, lambda: path.write_bytes(line(2))) == [2]
