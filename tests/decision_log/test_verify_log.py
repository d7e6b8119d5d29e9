"""Whatever is done to a sealed log without its key is found, and nothing is found in one that is intact."""

from __future__ import annotations

import hashlib
import json
import random
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from policy_middleware.decision_log import DecisionLog, PlacedRecord, verify_log
from policy_middleware.decision_log.signing import open_signer
from policy_middleware.decision_log.verify_log import (
    GENESIS,
    NotVerifiable,
    Verification,
    Verifier,
    anchor_document,
    ed25519_verifies,
    main,
    read_anchors,
    verify,
)
from tests.decision_log.decisions import asked, decided
from tests.decision_log.sealed import KEY, OTHER_KEY, Lines, interleaved, sealed

SEED = bytes(range(32))


def check(lines: list[bytes], **options: object) -> Verification:
    return verify(lines, [KEY], **options)  # type: ignore[arg-type]  # passed on


def anchors_of(lines: list[bytes]) -> list[dict[str, object]]:
    return list(check(lines).heads.values())


def found(result: Verification) -> str:
    return "\n".join(map(str, result.findings))


def test_an_intact_log_is_proved_and_complete_when_it_was_closed() -> None:
    result = check(sealed(20))
    assert result.intact
    assert any("records 1 to 21 as they were written" in sentence for sentence in result.proved)
    assert any("complete; record 21 closes it" in sentence for sentence in result.proved)


def test_a_log_that_was_not_closed_is_intact_and_its_tail_is_said_to_be_unproved() -> None:
    result = check(sealed(20, closed=False))
    assert result.intact
    assert any("tail" in sentence for sentence in result.unproved)


def test_the_log_of_several_processes_in_one_file_is_several_chains() -> None:
    result = check(interleaved(sealed(9), sealed(9), sealed(9)))
    assert result.intact
    assert len(result.heads) == 3
    assert "the order of records of different writers" in result.unproved


@pytest.mark.parametrize("number", [0, 1, 7, 19, 20])
def test_an_edited_record_is_found_where_it_is(number: int) -> None:
    lines = sealed(20)
    lines[number] = lines[number].replace(b'"timestamp":"2', b'"timestamp":"3')
    result = check(lines)
    assert [finding.place for finding in result.findings] == [f"line:{number + 1}"]
    assert "was altered" in found(result)


@pytest.mark.parametrize("number", [0, 1, 7, 19])
def test_a_deleted_record_is_found(number: int) -> None:
    lines = sealed(20)
    del lines[number]
    assert f"record {number + 1} of" in found(check(lines))


def test_records_in_another_order_are_found() -> None:
    lines = sealed(20)
    lines[4], lines[5] = lines[5], lines[4]
    assert "out of order" in found(check(lines))


def test_a_record_that_is_there_twice_is_found() -> None:
    lines = sealed(20)
    lines.insert(9, lines[3])
    assert "there twice" in found(check(lines))


def test_a_copy_of_a_whole_log_beside_it_is_found() -> None:
    lines = sealed(5)
    verifier = Verifier([KEY])
    verifier.read(lines, "a")
    verifier.read(lines, "b")
    assert "there twice" in found(verifier.finish())


def test_a_log_sealed_anew_with_another_key_is_found_and_told_once() -> None:
    result = check(sealed(20, OTHER_KEY))
    assert len(result.findings) == 1
    assert "none of those given" in found(result)


def test_records_of_two_logs_spliced_together_are_found() -> None:
    first, second = sealed(20), sealed(20)
    assert "records 1 to 10" in found(check([*first[:10], *second[10:]]))


def test_a_foreign_record_in_the_middle_is_found() -> None:
    lines = sealed(20)
    lines.insert(10, sealed(20)[10])
    assert not check(lines).intact


def test_a_seal_taken_over_from_another_record_is_found() -> None:
    lines = sealed(20)
    content, seal = lines[3].partition(b',"writer"')[0], lines[4].partition(b',"writer"')[2]
    lines[4] = content + b',"writer"' + seal
    assert "record 5" in found(check(lines))


def test_a_cut_tail_is_found_against_an_anchor_and_only_then() -> None:
    lines = sealed(20)
    anchors = anchors_of(lines)
    cut = lines[:-3]
    assert check(cut).intact
    assert "the tail is cut off: the log ends at record 18" in found(check(cut, anchors=anchors))


def test_a_missing_chain_is_found_against_an_anchor() -> None:
    first, second = sealed(5), sealed(5)
    anchors = anchors_of(interleaved(first, second))
    assert "the whole chain is missing" in found(check(first, anchors=anchors))


def test_a_log_that_went_on_after_its_anchor_is_intact() -> None:
    lines = sealed(20)
    anchors = anchors_of(lines[:8])
    assert check(lines, anchors=anchors).intact


def test_an_anchor_of_another_history_is_found() -> None:
    lines = sealed(20)
    (anchor,) = anchors_of(lines)
    assert "another one than the anchor" in found(check(lines, anchors=[{**anchor, "hash": "f" * 64}]))


def test_a_file_cut_in_the_middle_of_a_line_is_found() -> None:
    lines = sealed(20)
    lines[-1] = lines[-1][:100]
    assert "cut off or damaged" in found(check(lines))


def test_a_line_without_a_seal_is_found() -> None:
    lines = sealed(20)
    lines.insert(5, b'{"event":"decision","effect":"allow"}\n')
    assert "carries no seal" in found(check(lines))


def test_rotated_files_are_one_log_in_whatever_order_they_are_read() -> None:
    lines = interleaved(sealed(20), sealed(20))
    verifier = Verifier([KEY])
    verifier.read(lines[25:], "new")
    verifier.read(lines[:25], "old")
    assert verifier.finish().intact


def test_a_log_that_begins_in_the_middle_takes_a_word_from_its_reader() -> None:
    lines = sealed(20)[8:]
    assert "records 1 to 8" in found(check(lines))
    result = check(lines, partial=True)
    assert result.intact
    assert any("what records 1 to 8 said" in sentence for sentence in result.unproved)


def test_five_hundred_random_mutations_are_all_found() -> None:
    lines = interleaved(sealed(30), sealed(30))
    anchors = anchors_of(lines)
    whole = b"".join(lines)
    draw = random.Random(6)
    for _ in range(500):
        mutated = _mutated(whole, lines, draw)
        if mutated == whole:
            continue
        assert not check(mutated.splitlines(keepends=True), anchors=anchors).intact, mutated


def _mutated(whole: bytes, lines: list[bytes], draw: random.Random) -> bytes:
    at = draw.randrange(len(whole) - 1)
    other = draw.randrange(len(lines))
    one = draw.randrange(len(lines))
    copy = list(lines)
    match draw.randrange(7):
        case 0:
            return whole[:at] + bytes([whole[at] ^ (1 << draw.randrange(8))]) + whole[at + 1 :]
        case 1:
            return whole[:at] + whole[at + 1 :]
        case 2:
            return whole[:at] + bytes([draw.randrange(256)]) + whole[at:]
        case 3:
            return whole[:at]
        case 4:
            del copy[one]
        case 5:
            copy.insert(other, copy[one])
        case _:
            one -= other % 2 != one % 2  # records of different writers have no order that could be proved
            copy[one], copy[other] = copy[other], copy[one]
    return b"".join(copy)


def test_what_a_failing_sink_missed_is_on_record_and_no_alarm() -> None:
    class Failing(Lines):
        failing = False

        def write(self, records: list) -> None:  # type: ignore[type-arg]  # whatever they are
            if self.failing:
                raise OSError("disk full")
            super().write(records)

    sink = Failing()
    log = DecisionLog([sink], key=KEY)
    for number in range(9):
        sink.failing = number in (3, 4)
        log.append(decided(f"d-{number}"), asked())
        log.flush()
    log.close()
    result = check(sink.lines)
    assert result.intact, found(result)
    assert any("records 4 to 5 never reached this log" in sentence for sentence in result.unproved)
    assert any("records 1 to 3 and 6 to" in sentence for sentence in result.proved)
    del sink.lines[1]
    assert not check(sink.lines).intact


def test_a_sink_that_works_again_only_at_the_end_leaves_a_log_that_is_complete() -> None:
    class Failing(Lines):
        failing = False

        def write(self, records: list[PlacedRecord]) -> None:
            self.failing = self.failing and records[0]["event"] != "log_closed"
            if self.failing:
                raise OSError("disk full")
            super().write(records)

    sink = Failing()
    log = DecisionLog([sink], key=KEY, signer=open_signer(SEED))
    for number in range(5):
        sink.failing = number > 2
        log.append(decided(f"d-{number}"), asked())
        log.flush()
    log.close()
    result = check(sink.lines)
    assert result.intact, found(result)
    assert any("complete" in sentence for sentence in result.proved)
    assert any("records 4 to 5 never reached this log" in sentence for sentence in result.unproved)


def test_a_sink_that_fails_while_it_is_told_what_it_missed_is_told_again() -> None:
    class Failing(Lines):
        failing = False

        def write(self, records: list[PlacedRecord]) -> None:
            if self.failing:
                raise OSError("disk full")
            self.failing = records[0]["decision_id"] == "d-2"  # and so not for what follows it at once
            super().write(records)

    sink, other = Failing(), Lines()
    log = DecisionLog([sink, other], key=KEY)
    for number in range(8):
        sink.failing = number in (1, 4)
        log.append(decided(f"d-{number}"), asked())
        log.flush()
    log.close()
    result = check(sink.lines)
    assert result.intact, found(result)
    assert check(other.lines).intact
    assert len(other.lines) < 16


def place_forged(body: str, after: bytes, number: int | None = None) -> bytes:
    """Return a line with a place after another one, by somebody who has no key."""
    before = json.loads(after)
    seq = before["seq"] + 1 if number is None else number
    prev = GENESIS if number == 1 else hashlib.sha256(after.removesuffix(b"\n")).hexdigest()
    end = f'"writer":"{before["writer"]}","seq":{seq},"prev":"{prev}","key":"{"0" * 16}","mac":"{"0" * 64}"'
    return f"{body},{end}}}\n".encode()


def test_a_gap_that_nobody_signed_excuses_nothing_to_the_holder_of_the_public_key() -> None:
    signer = open_signer(SEED)
    lines = sealed(1200, signer=signer)[:1002]  # up to a checkpoint
    forged = place_forged('{"event":"gap","first_seq":5,"last_seq":10', lines[-1])
    result = verify([*lines[:4], *lines[10:], forged], public_key=signer.public_key)
    assert "records 5 to 10" in found(result)


def test_what_stands_before_a_gap_is_not_proved_by_a_signature_behind_it() -> None:
    class Failing(Lines):
        failing = False

        def write(self, records: list[PlacedRecord]) -> None:
            if self.failing:
                raise OSError("disk full")
            super().write(records)

    signer, sink = open_signer(SEED), Failing()
    log = DecisionLog([sink], key=KEY, signer=signer)
    for number in range(9):
        sink.failing = number in (3, 4)
        log.append(decided(f"d-{number}"), asked())
        log.flush()
    log.close()
    rewritten = [place_forged('{"event":"decision"', sink.lines[0], 1)]
    for _ in range(2):
        rewritten.append(place_forged('{"event":"decision"', rewritten[-1]))
    result = verify([*rewritten, *sink.lines[3:]], public_key=signer.public_key)
    assert result.intact, found(result)
    assert any("records 6 to" in sentence and "as they were signed" in sentence for sentence in result.proved)
    assert any("records 1 to 3" in sentence and "no signature" in sentence for sentence in result.unproved)


@pytest.mark.parametrize(
    "body",
    [
        '{"event":"gap","first_seq":5',
        '{"event":"gap","first_seq":"a","last_seq":[]',
        '{"event":"gap"}{',
        '{"event":"checkpoint","signature":"é"',
        '{"event":"checkpoint","signature":7',
        '{"event":"log_closed"' + '"x":[' * 3,
    ],
)
def test_what_somebody_without_a_key_appends_proves_nothing_and_breaks_nothing(body: str) -> None:
    signer = open_signer(SEED)
    lines = sealed(1200, signer=signer)[:1002]
    result = verify([*lines, place_forged(body, lines[-1])], public_key=signer.public_key)
    assert not any("complete" in sentence for sentence in result.proved)
    assert not verify([*lines, place_forged(body, lines[-1])], [KEY], public_key=signer.public_key).intact


def test_a_closed_log_is_complete_also_to_the_holder_of_the_public_key_but_not_by_a_forged_end() -> None:
    signer = open_signer(SEED)
    lines = sealed(20, signer=signer)
    assert any("complete" in one for one in verify(lines, public_key=signer.public_key).proved)
    forged = [*lines[:-2], place_forged('{"event":"log_closed"', lines[-3])]
    assert not any("complete" in one for one in verify(forged, public_key=signer.public_key).proved)


def test_a_log_that_goes_on_after_an_anchor_is_proved_to_follow_it() -> None:
    lines = sealed(30)
    anchors = [dict(head) for head in check(lines[:10]).heads.values()]
    assert check(lines[10:], partial=True, anchors=anchors).intact
    other = sealed(1)
    anchors[0]["hash"] = hashlib.sha256(other[0]).hexdigest()
    assert "does not follow the anchor" in found(check(lines[10:], partial=True, anchors=anchors))


def test_chains_that_a_capped_stream_has_dropped_are_no_alarm_but_unproved() -> None:
    ended, killed, lines = sealed(4), sealed(4, closed=False), sealed(6)
    anchors = list(check([*ended, *killed, *lines]).heads.values())
    result = check(lines, partial=True, anchors=anchors)
    assert result.intact, found(result)
    assert sum("its chain ended there" in sentence for sentence in result.unproved) == 1
    assert sum("or was taken out of it" in sentence for sentence in result.unproved) == 1
    assert len(check(lines, anchors=anchors).findings) == 2


def test_a_log_whose_key_was_changed_is_verified_with_both_keys() -> None:
    lines = sealed(5) + sealed(5, OTHER_KEY)
    assert verify(lines, [KEY, OTHER_KEY]).intact
    assert "none of those given" in found(verify(lines, [KEY]))


def test_checkpoints_prove_a_log_to_the_holder_of_the_public_key_only() -> None:
    signer = open_signer(SEED)
    lines = sealed(1200, signer=signer)
    result = verify(lines, public_key=signer.public_key)
    assert result.intact
    assert any("as they were signed" in sentence for sentence in result.proved)
    assert any("no signature covers" in sentence for sentence in result.unproved)
    lines[40] = lines[40].replace(b"ann", b"bob")
    assert not verify(lines, public_key=signer.public_key).intact


def test_a_checkpoint_by_another_key_is_found() -> None:
    lines = sealed(1200, signer=open_signer(SEED))
    other = open_signer(bytes(32)).public_key
    assert "is not signed by the key given" in found(verify(lines, public_key=other))


def test_the_own_ed25519_agrees_with_the_library() -> None:
    signer = open_signer(SEED)
    for number in range(20):
        message = bytes([number]) * number
        signature = signer.sign(message)
        assert ed25519_verifies(signer.public_key, message, signature)
        assert not ed25519_verifies(signer.public_key, message + b"x", signature)
        damaged = bytearray(signature)
        damaged[number] ^= 1
        assert not ed25519_verifies(signer.public_key, message, bytes(damaged))


def test_the_anchor_of_a_running_log_is_signed_and_can_be_kept_elsewhere() -> None:
    signer = open_signer(SEED)
    sink = Lines()
    log = DecisionLog([sink], key=KEY, signer=signer)
    for number in range(5):
        log.append(decided(f"d-{number}"), asked())
    anchor = log.anchor()
    assert anchor is not None
    log.close()
    anchors = read_anchors(anchor_document([anchor]))
    assert verify(sink.lines, [KEY], anchors=anchors, public_key=signer.public_key).intact
    with pytest.raises(NotVerifiable, match="not signed"):
        Verifier([KEY], anchors=[{**anchor, "hash": "0" * 64}], public_key=signer.public_key)


def test_without_a_key_there_is_no_anchor_and_records_are_only_numbered() -> None:
    sink = Lines()
    log = DecisionLog([sink])
    log.append(decided(), asked())
    assert log.anchor() is None
    log.close()
    (line,) = sink.lines
    assert json.loads(line)["seq"] == 1


def test_without_any_key_nothing_can_be_verified() -> None:
    with pytest.raises(NotVerifiable):
        verify([])


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    (tmp_path / "key").write_text(KEY.hex() + "\n")
    (tmp_path / "log.jsonl").write_bytes(b"".join(sealed(10)))
    return tmp_path


def test_the_verifier_runs_alone_without_this_package(directory: Path) -> None:
    alone = directory / "verify_log.py"
    shutil.copy(verify_log.__file__, alone)
    command = [sys.executable, "-I", str(alone), "--key-file", "key", "--write-anchor", "anchor", "log.jsonl"]
    done = subprocess.run(command, cwd=directory, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert "11 lines: nothing found" in done.stdout
    log = directory / "log.jsonl"
    log.write_bytes(log.read_bytes()[:-1000].rpartition(b"\n")[0] + b"\n")
    command = [sys.executable, "-I", str(alone), "--key-file", "key", "--anchor", "anchor", "log.jsonl"]
    done = subprocess.run(command, cwd=directory, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 7
    assert "BROKEN" in done.stdout


@pytest.mark.parametrize(
    "arguments",
    [
        ["log.jsonl"],
        ["--key-file", "nowhere", "log.jsonl"],
        ["--key-file", "key", "nowhere"],
        ["--key-file", "log.jsonl", "log.jsonl"],
        ["--key-file", "key", "--anchor", "key", "log.jsonl"],
        ["--public-key", "zz", "log.jsonl"],
    ],
)
def test_wrong_usage_exits_with_2(
    directory: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str]
) -> None:
    monkeypatch.chdir(directory)
    monkeypatch.delenv("POLICY_DECISION_LOG_KEY", raising=False)
    assert main(arguments) == 2


def test_the_key_may_be_in_the_environment(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POLICY_DECISION_LOG_KEY", KEY.hex())
    assert main([str(directory / "log.jsonl")]) == 0
