from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from policy_middleware.model.errors import StoreUnavailable
from policy_middleware.stores import FileStore, Snapshots
from policy_middleware.stores.files import document_name
from policy_middleware.stores.protocol import StoredRevision
from tests.stores.documents import BAD, allowing, answer, denying, revision_of
from tests.waiting import eventually


def poll(directory: Path) -> FileStore:
    return FileStore(directory, poll_seconds=0.02)


def follow(directory: Path, new_snapshots: Callable[..., Snapshots], *tenants: str) -> Snapshots:
    snapshots = new_snapshots(poll(directory))
    for tenant in tenants:
        snapshots.load(tenant)
    eventually(lambda: all(snapshots.current(tenant) for tenant in tenants))
    return snapshots


def test_a_directory_of_hand_written_files_is_a_store(tmp_path: Path) -> None:
    (tmp_path / "acme.json").write_bytes(allowing())
    (tmp_path / "_global.json").write_bytes(allowing())
    (tmp_path / "README.md").write_text("not a policy")
    store = poll(tmp_path)
    assert store.names() == ["_global", "acme"]
    assert store.read(["acme", "globex"]).bodies == {"acme": allowing(), "globex": None}
    assert not store.read([]).marked


def test_an_edited_added_and_removed_file_takes_effect(
    tmp_path: Path, new_snapshots: Callable[..., Snapshots]
) -> None:
    acme, globex = tmp_path / "acme.json", tmp_path / "globex.json"
    acme.write_bytes(allowing())
    snapshots = follow(tmp_path, new_snapshots, "acme", "globex")
    acme.write_bytes(denying())
    globex.write_bytes(allowing())
    eventually(lambda: answer(snapshots.current("acme")) == "deny")
    eventually(lambda: answer(snapshots.current("globex")) == "allow")
    globex.unlink()
    eventually(lambda: answer(snapshots.current("globex")) == "deny")


def test_two_edits_of_one_size_within_a_timestamps_tick_both_take_effect(
    tmp_path: Path, new_snapshots: Callable[..., Snapshots]
) -> None:
    acme = tmp_path / "acme.json"
    bodies = [allowing("1"), allowing("2")]
    assert len(bodies[0]) == len(bodies[1])
    acme.write_bytes(bodies[0])
    stamp = acme.stat().st_mtime_ns
    snapshots = follow(tmp_path, new_snapshots, "acme")
    acme.write_bytes(bodies[1])
    os.utime(acme, ns=(stamp, stamp))
    assert snapshots.wait_until_in_force("acme", revision_of(bodies[1]), 5)


def test_a_bad_edit_leaves_the_last_good_file_in_force(
    tmp_path: Path, new_snapshots: Callable[..., Snapshots]
) -> None:
    (tmp_path / "acme.json").write_bytes(allowing())
    snapshots = follow(tmp_path, new_snapshots, "acme")
    (tmp_path / "acme.json").write_bytes(BAD)
    eventually(lambda: [held for held in snapshots.status() if held.rejected])
    assert answer(snapshots.current("acme")) == "allow"


def test_a_publish_replaces_the_file_in_one_step_and_leaves_nothing_behind(tmp_path: Path) -> None:
    store = poll(tmp_path)
    store.publish("acme", allowing(), author="dana", note="SEC-12")
    before = (tmp_path / "acme.json").stat().st_ino
    store.publish("acme", denying())
    assert (tmp_path / "acme.json").stat().st_ino != before
    assert (tmp_path / "acme.json").read_bytes() == denying()
    names = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file()}
    assert names == {
        ".lock",
        ".policy-store",
        "acme.json",
        "history/acme/00000001.json",
        "history/acme/00000002.json",
    }
    entry = json.loads((tmp_path / "history/acme/00000001.json").read_text())
    assert (entry["author"], entry["note"], entry["body"]) == ("dana", "SEC-12", allowing().decode())


def test_a_hand_edit_is_in_the_history_before_it_is_overwritten(tmp_path: Path) -> None:
    store = poll(tmp_path)
    store.publish("acme", allowing())
    (tmp_path / "acme.json").write_bytes(b"\xff by hand")
    store.publish("acme", denying())
    assert [entry.body for entry in store.history("acme")] == [denying(), b"\xff by hand", allowing()]
    assert store.history("acme")[1].author == "unknown"


def test_a_failed_write_leaves_the_document_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = poll(tmp_path)
    store.publish("acme", allowing())

    def full(source: object, target: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(StoreUnavailable, match="No space left"):
        store.publish("acme", denying())
    monkeypatch.undo()
    assert store.read(["acme"]).bodies["acme"] == allowing()
    assert list(tmp_path.rglob("*.tmp")) == []


def test_an_unreadable_history_entry_is_left_out_with_a_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    store = poll(tmp_path)
    store.publish("acme", allowing())
    (tmp_path / "history/acme/00000002.json").write_text("[]")
    (tmp_path / "history/acme/notes.json").write_text("{}")
    assert [entry.body for entry in store.history("acme")] == [allowing()]
    assert "left out" in caplog.text
    store.publish("acme", denying())
    assert store.history("acme")[0].body == denying()


def test_a_missing_directory_is_an_unavailable_store(tmp_path: Path) -> None:
    store = poll(tmp_path / "nowhere")
    for call in (lambda: store.read(["acme"]), store.names, lambda: store.publish("acme", allowing())):
        with pytest.raises(StoreUnavailable, match="nowhere"):
            call()


def test_a_directory_that_vanishes_while_it_is_read_has_lost_no_document(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    directory = tmp_path / "policies"
    directory.mkdir()
    (directory / "acme.json").write_bytes(allowing())
    read_bytes = Path.read_bytes

    def vanished(path: Path) -> bytes:
        if directory.exists():
            directory.rename(tmp_path / "away")
        return read_bytes(path)

    monkeypatch.setattr(Path, "read_bytes", vanished)
    with pytest.raises(StoreUnavailable, match="policies"):
        poll(directory).read(["acme"])


def test_a_directory_that_vanishes_while_it_is_written_is_not_made_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    directory = tmp_path / "policies"
    directory.mkdir()
    store = poll(directory)
    history = store.history

    def vanished(name: str, limit: int | None = None) -> list[StoredRevision]:
        found = history(name, limit)
        directory.rename(tmp_path / "away")
        return found

    monkeypatch.setattr(store, "history", vanished)
    with pytest.raises(StoreUnavailable, match="policies"):
        store.record("acme", allowing())
    assert not directory.exists()


def test_a_directory_that_vanishes_is_bridged_and_found_again(
    tmp_path: Path, new_snapshots: Callable[..., Snapshots]
) -> None:
    directory = tmp_path / "policies"
    directory.mkdir()
    (directory / "acme.json").write_bytes(allowing())
    snapshots = follow(directory, new_snapshots, "acme")
    directory.rename(tmp_path / "away")
    eventually(lambda: snapshots.listener.startswith("lost"))
    assert answer(snapshots.current("acme")) == "allow"
    (tmp_path / "away" / "acme.json").write_bytes(denying())
    (tmp_path / "away").rename(directory)
    eventually(lambda: answer(snapshots.current("acme")) == "deny")


def test_one_file_that_cannot_be_read_does_not_take_the_others_with_it(
    tmp_path: Path, new_snapshots: Callable[..., Snapshots]
) -> None:
    for tenant in ("acme", "globex"):
        (tmp_path / f"{tenant}.json").write_bytes(allowing())
    snapshots = follow(tmp_path, new_snapshots, "acme", "globex")
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "folder")
    (tmp_path / "link").replace(tmp_path / "acme.json")  # not even root reads a folder, and it is never gone
    (tmp_path / "globex.json").write_bytes(denying())
    eventually(lambda: answer(snapshots.current("globex")) == "deny")
    [status] = eventually(lambda: [held for held in snapshots.status() if held.rejected])
    assert "acme.json cannot be read" in str(status.rejected)
    assert answer(snapshots.current("acme")) == "allow"


def test_the_case_of_a_name_counts_on_every_file_system(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "acme.json").write_bytes(allowing())
    monkeypatch.setattr(Path, "read_bytes", lambda path: allowing())  # a file system that ignores case
    assert poll(tmp_path).read(["ACME"]).bodies == {"ACME": None}


def test_files_that_look_like_documents_and_are_none_are_pointed_out(tmp_path: Path) -> None:
    (tmp_path / "_other.json").write_text("{}")
    (tmp_path / "acme.json").write_bytes(allowing())
    [warning] = poll(tmp_path).warnings()
    assert "_other.json" in warning


@pytest.mark.parametrize(
    ("file_name", "name"),
    [
        ("acme.json", "acme"),
        ("_global.json", "_global"),
        ("acme.JSON", None),
        ("_x.json", None),
        ("acme", None),
        (".json", None),
    ],
)
def test_file_names_and_document_names(file_name: str, name: str | None) -> None:
    assert document_name(file_name) == name
