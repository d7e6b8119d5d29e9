"""What every store does alike; each test runs against memory, files and a real Redis."""

from __future__ import annotations

import threading
from collections.abc import Collection

import pytest

from policy_middleware.model.documents import revision_of
from policy_middleware.model.errors import RevisionConflict
from policy_middleware.stores import ProcessReport, Store
from tests.stores.documents import allowing, denying
from tests.stores.threads import store_threads
from tests.waiting import eventually

FIRST, SECOND = allowing("first"), denying("second")


class Ear:
    """A listener that remembers what it is told."""

    def __init__(self) -> None:
        self.told: list[object] = []

    def synced(self) -> None:
        self.told.append("synced")

    def alive(self) -> None:
        pass

    def changed(self, names: Collection[str] | None) -> None:
        self.told.append(None if names is None else sorted(names))

    def lost(self, reason: str) -> None:
        self.told.append("lost")

    def knows_of(self, name: str) -> bool:
        """True when it was told that a document changed, or that any may have."""
        return any(heard in ([name], None, "synced") for heard in self.told)


def test_a_published_document_is_read_back_byte_for_byte(store: Store) -> None:
    stored = store.publish("acme", FIRST, author="dana", note="SEC-12")
    reading = store.read(["acme", "other"])
    assert reading.bodies == {"acme": FIRST, "other": None}
    assert reading.marked
    assert stored.revision == revision_of(FIRST)


def test_names_lists_every_document_sorted(store: Store) -> None:
    for name in ("globex", "_global", "acme", "a:b@c.d-e"):
        store.publish(name, FIRST)
    assert store.names() == ["_global", "a:b@c.d-e", "acme", "globex"]


def test_history_tells_who_put_which_bytes_in_force_newest_first(store: Store) -> None:
    store.publish("acme", FIRST, author="dana", note="SEC-12")
    store.publish("acme", SECOND, author="bea", via="rollback")
    newest, oldest = store.history("acme")
    assert (newest.body, newest.author, newest.note, newest.via) == (SECOND, "bea", None, "rollback")
    assert (oldest.body, oldest.author, oldest.note, oldest.via) == (FIRST, "dana", "SEC-12", "publish")
    assert oldest.published_at <= newest.published_at
    assert store.history("acme", 1) == [newest]
    assert store.history("other") == []


def test_publishing_the_bytes_that_are_stored_adds_nothing_to_the_history(store: Store) -> None:
    store.publish("acme", FIRST)
    store.publish("acme", FIRST)
    assert len(store.history("acme")) == 1


def test_a_publish_based_on_another_revision_changes_nothing(store: Store) -> None:
    store.publish("acme", FIRST)
    with pytest.raises(RevisionConflict) as conflict:
        store.publish("acme", SECOND, expected_revision=revision_of(SECOND))
    assert conflict.value.found == revision_of(FIRST)
    assert store.read(["acme"]).bodies["acme"] == FIRST
    assert len(store.history("acme")) == 1


def test_expecting_no_document_conflicts_with_one_that_exists(store: Store) -> None:
    store.publish("acme", FIRST, expected_revision=None)
    with pytest.raises(RevisionConflict):
        store.publish("acme", SECOND, expected_revision=None)


def test_of_many_concurrent_publishers_on_one_revision_exactly_one_wins(store: Store) -> None:
    base = store.publish("acme", FIRST).revision
    outcomes: list[str] = []
    start = threading.Barrier(8)

    def publish(number: int) -> None:
        start.wait()
        try:
            store.publish("acme", denying(str(number)), expected_revision=base)
            outcomes.append("published")
        except RevisionConflict:
            outcomes.append("conflict")

    threads = [threading.Thread(target=publish, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["conflict"] * 7 + ["published"]
    assert len(store.history("acme")) == 2


def test_a_revision_nobody_recorded_is_recorded_once(store: Store) -> None:
    store.publish("acme", FIRST)
    threads = [threading.Thread(target=store.record, args=("acme", SECOND)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    store.record("acme", FIRST)
    newest, oldest = store.history("acme")
    assert (newest.body, newest.author, newest.via) == (SECOND, "unknown", "SET")
    assert oldest.body == FIRST


def test_a_listener_is_told_once_it_hears_everything_and_then_of_every_change(store: Store) -> None:
    store.publish("acme", FIRST)
    ear = Ear()
    watch = store.watch(ear)
    eventually(lambda: "synced" in ear.told)
    store.publish("acme", SECOND)
    eventually(lambda: ["acme"] in ear.told)
    watch.stop()


def test_a_stopped_watch_tells_nothing_more(store: Store) -> None:
    ear = Ear()
    watch = store.watch(ear)
    eventually(lambda: "synced" in ear.told)
    watch.stop()
    told = list(ear.told)
    store.publish("acme", FIRST)
    assert ear.told == told
    assert not store_threads()


def test_the_marker_can_be_written_without_a_document(store: Store) -> None:
    store.mark()
    store.mark()
    assert store.read([]).marked
    assert store.names() == []


def test_reports_are_kept_by_process_or_not_at_all(store: Store) -> None:
    report = ProcessReport("host:1", "a" * 64, "b" * 64, "$.rules: is wrong", 4e9)
    store.report("host:1", {"acme": report})
    kept = store.reports("acme")
    assert kept in ([report], [])
    store.report("host:1", {"acme": None})
    assert store.reports("acme") == []


def test_a_document_is_removed_only_at_the_expected_revision(store: Store) -> None:
    stored = store.publish("acme", FIRST)
    with pytest.raises(RevisionConflict):
        store.delete("acme", expected_revision=revision_of(SECOND))
    assert store.read(["acme"]).bodies["acme"] == FIRST
    store.delete("acme", expected_revision=stored.revision, author="dana", note="over")
    assert store.read(["acme"]).bodies["acme"] is None
    newest, before = store.history("acme")
    assert (newest.via, newest.author, newest.note, newest.body) == ("delete", "dana", "over", b"")
    assert before.body == FIRST
    with pytest.raises(RevisionConflict):
        store.delete("acme", expected_revision=stored.revision)


def test_a_listener_is_told_of_a_removal(store: Store) -> None:
    ear = Ear()
    watch = store.watch(ear)
    try:
        eventually(lambda: "synced" in ear.told)
        stored = store.publish("acme", FIRST)
        eventually(lambda: ["acme"] in ear.told)
        ear.told.clear()
        store.delete("acme", expected_revision=stored.revision)
        # A watch that was cut off, or sees the mark of a first publication late, says that anything may have.
        eventually(lambda: ear.knows_of("acme"))
    finally:
        watch.stop()
