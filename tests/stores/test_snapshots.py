from __future__ import annotations

import gc
import logging
import threading
import weakref
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor

import pytest

from policy_middleware.evaluation.policy_set import PolicySet
from policy_middleware.model.errors import ContextError, DocumentError, NoUsablePolicy, StoreUnavailable
from policy_middleware.stores import MemoryStore, Snapshots, Store
from policy_middleware.stores.held import HeldDocument
from policy_middleware.stores.holdings import Flight
from tests.stores.documents import BAD, allowing, answer, denying, guardrail, revision_of
from tests.stores.scripted_store import ScriptedStore
from tests.stores.threads import store_threads
from tests.waiting import eventually

NewSnapshots = Callable[..., Snapshots]


@pytest.fixture
def scripted() -> Iterator[ScriptedStore]:
    store = ScriptedStore()
    yield store
    store.open_gate.set()


def follow(store: ScriptedStore, new_snapshots: NewSnapshots, *tenants: str, **settings: object) -> Snapshots:
    """Start snapshots that hear every change and hold the tenants."""
    snapshots = new_snapshots(store, **settings)
    snapshots.start()
    store.ear.synced()
    for tenant in tenants:
        snapshots.load(tenant)
    eventually(lambda: all(snapshots.current(tenant) for tenant in tenants))
    return snapshots


def test_what_is_amiss_with_a_store_is_told_once_it_can_be_asked(
    scripted: ScriptedStore,
    new_snapshots: NewSnapshots,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    asked: list[int] = []

    def warnings() -> Iterator[str]:
        asked.append(1)
        if len(asked) == 1:
            raise StoreUnavailable("it is busy")
        yield "it may evict documents"

    monkeypatch.setattr(scripted, "warnings", warnings)
    follow(scripted, new_snapshots, "acme")  # synced before anything is held
    eventually(lambda: asked)
    scripted.ear.changed(["acme"])
    eventually(lambda: "it may evict documents" in caplog.text)
    scripted.ear.changed(["acme"])
    eventually(lambda: scripted.readings_of("acme") >= 3)
    assert caplog.text.count("it may evict documents") == 1


def test_nothing_is_held_before_somebody_needs_it(store: Store, new_snapshots: NewSnapshots) -> None:
    assert new_snapshots(store).current("acme") is None


def test_a_loaded_tenant_is_answered_from_memory(store: Store, new_snapshots: NewSnapshots) -> None:
    store.publish("acme", allowing())
    snapshots = new_snapshots(store)
    assert answer(snapshots.load("acme")) == "allow"
    eventually(lambda: answer(snapshots.current("acme")) == "allow")


def test_what_this_process_publishes_holds_in_it_at_once(store: Store, new_snapshots: NewSnapshots) -> None:
    store.publish("acme", allowing())
    snapshots = new_snapshots(store)
    snapshots.load("acme")
    for number in range(20):
        snapshots.publish("acme", denying(str(number)))
        assert answer(snapshots.load("acme")) == "deny"
        snapshots.publish("acme", allowing(str(number)))
        assert answer(snapshots.load("acme")) == "allow"


def test_what_another_process_publishes_is_heard(store: Store, new_snapshots: NewSnapshots) -> None:
    store.publish("acme", allowing())
    snapshots = new_snapshots(store)
    snapshots.load("acme")
    store.publish("acme", denying())
    assert snapshots.wait_until_in_force("acme", revision_of(denying()), 5)
    eventually(lambda: answer(snapshots.current("acme")) == "deny")


def test_guardrails_reach_every_tenant_that_is_held(store: Store, new_snapshots: NewSnapshots) -> None:
    for tenant in ("acme", "globex"):
        store.publish(tenant, allowing())
    snapshots = new_snapshots(store, on_missing_policy="allow")
    for tenant in ("acme", "globex", "unknown"):
        assert answer(snapshots.load(tenant)) == "allow"
    store.publish("_incident", guardrail())
    eventually(
        lambda: {answer(snapshots.current(tenant)) for tenant in ("acme", "globex", "unknown")} == {"deny"}
    )


def test_a_rollback_holds_in_this_process_at_once(new_snapshots: NewSnapshots) -> None:
    snapshots = new_snapshots(MemoryStore())
    first = snapshots.publish("acme", allowing())
    snapshots.publish("acme", denying())
    assert answer(snapshots.load("acme")) == "deny"
    snapshots.rollback("acme", first.revision[:8])
    assert answer(snapshots.load("acme")) == "allow"


def test_an_invalid_document_is_refused_before_it_reaches_the_store(new_snapshots: NewSnapshots) -> None:
    snapshots = new_snapshots(MemoryStore())
    with pytest.raises(DocumentError):
        snapshots.publish("acme", BAD)
    assert snapshots.store.names() == []


@pytest.mark.parametrize("tenant", ["", "_global", "a}b", "a/b", "x" * 129])
def test_what_is_no_tenant_id_never_reaches_the_store(
    tenant: str, scripted: ScriptedStore, new_snapshots: NewSnapshots
) -> None:
    with pytest.raises(ContextError, match="tenant"):
        new_snapshots(scripted).load(tenant)
    assert scripted.readings == []


def test_a_bad_document_leaves_the_last_good_one_in_force_and_shows_in_the_status(
    new_snapshots: NewSnapshots, caplog: pytest.LogCaptureFixture
) -> None:
    store = MemoryStore()
    store.put("acme", allowing())
    snapshots = new_snapshots(store)
    snapshots.load("acme")
    store.put("acme", BAD)
    [status] = eventually(lambda: [held for held in snapshots.status() if held.rejected])
    assert status.name == "acme"
    assert status.revision == revision_of(allowing())
    assert status.rejected is not None
    assert (status.rejected.revision, status.rejected.path) == (revision_of(BAD), "$")
    assert answer(snapshots.current("acme")) == "allow"
    assert any(record.levelno == logging.ERROR for record in caplog.records)


def test_a_cold_start_with_only_a_bad_document_refuses_without_reading_it_again_and_again(
    scripted: ScriptedStore, new_snapshots: NewSnapshots
) -> None:
    scripted.put("acme", BAD)
    snapshots = new_snapshots(scripted)
    snapshots.start()
    scripted.ear.synced()
    with pytest.raises(NoUsablePolicy, match="not valid"):
        snapshots.load("acme")
    eventually(lambda: all(held.age < 1 and held.listener == "synced" for held in snapshots.status()))
    before = scripted.readings_of("acme")
    for _ in range(100):
        assert snapshots.current("acme") is None
        with pytest.raises(NoUsablePolicy):
            snapshots.load("acme")
    assert scripted.readings_of("acme") <= before + 1


def test_a_bad_document_that_is_mended_takes_effect(new_snapshots: NewSnapshots) -> None:
    store = MemoryStore()
    store.put("acme", BAD)
    snapshots = new_snapshots(store)
    with pytest.raises(NoUsablePolicy):
        snapshots.load("acme")
    store.put("acme", allowing())
    eventually(lambda: answer(snapshots.current("acme")) == "allow")


def test_a_removed_document_means_a_missing_policy(new_snapshots: NewSnapshots) -> None:
    store = MemoryStore()
    store.put("acme", allowing())
    snapshots = new_snapshots(store)
    assert answer(snapshots.load("acme")) == "allow"
    store.remove("acme")
    eventually(lambda: answer(snapshots.current("acme")) == "deny")


def test_an_incident_ends_when_its_document_is_removed(new_snapshots: NewSnapshots) -> None:
    store = MemoryStore()
    store.put("acme", allowing())
    store.put("_incident", guardrail())
    snapshots = new_snapshots(store)
    assert answer(snapshots.load("acme")) == "deny"
    store.remove("_incident")
    eventually(lambda: answer(snapshots.current("acme")) == "allow")


def test_a_global_document_that_vanishes_goes_on_restricting(new_snapshots: NewSnapshots) -> None:
    store = MemoryStore()
    store.put("acme", allowing())
    store.put("_global", guardrail())
    snapshots = new_snapshots(store)
    assert answer(snapshots.load("acme")) == "deny"
    store.remove("_global")
    eventually(lambda: [held for held in snapshots.status() if held.name == "_global" and held.missing])
    assert answer(snapshots.current("acme")) == "deny"
    store.put("_global", b'{"schema": 1, "rules": []}')
    eventually(lambda: answer(snapshots.current("acme")) == "allow")


def test_requests_never_wait_for_a_reload(scripted: ScriptedStore, new_snapshots: NewSnapshots) -> None:
    scripted.put("acme", allowing())
    snapshots = follow(scripted, new_snapshots, "acme")
    scripted.open_gate.clear()
    scripted.put("acme", denying())
    readings = len(scripted.readings)
    scripted.ear.changed(["acme"])
    eventually(lambda: len(scripted.readings) > readings)
    assert scripted.readers[-1] == "policy-loader"
    assert answer(snapshots.current("acme")) == "allow"
    scripted.open_gate.set()
    eventually(lambda: answer(snapshots.current("acme")) == "deny")


def test_a_change_during_a_reading_is_read_again(
    scripted: ScriptedStore, new_snapshots: NewSnapshots
) -> None:
    scripted.put("acme", allowing())
    snapshots = follow(scripted, new_snapshots)

    def overwrite_once() -> None:
        if scripted.readings_of("acme") == 1:
            scripted.put("acme", denying())
            scripted.ear.changed(["acme"])

    scripted.after_reading = overwrite_once
    snapshots.load("acme")
    eventually(lambda: answer(snapshots.current("acme")) == "deny")


def test_a_reconnect_during_a_reading_is_read_again(
    scripted: ScriptedStore, new_snapshots: NewSnapshots
) -> None:
    scripted.put("acme", allowing())
    snapshots = follow(scripted, new_snapshots)

    def reconnect_once() -> None:
        if scripted.readings_of("acme") == 1:
            scripted.ear.lost("cut")
            scripted.put("acme", denying())
            scripted.ear.synced()

    scripted.after_reading = reconnect_once
    snapshots.load("acme")
    eventually(lambda: answer(snapshots.current("acme")) == "deny")


def test_after_a_reconnect_everything_held_is_read_again(
    scripted: ScriptedStore, new_snapshots: NewSnapshots
) -> None:
    tenants = [f"t{number}" for number in range(120)]
    for tenant in tenants:
        scripted.put(tenant, allowing())
    snapshots = follow(scripted, new_snapshots, *tenants)
    scripted.ear.lost("cut")
    for tenant in tenants:
        scripted.put(tenant, denying())
    scripted.ear.synced()
    eventually(lambda: all(answer(snapshots.current(tenant)) == "deny" for tenant in tenants))


def test_a_miss_is_read_once_however_many_ask(scripted: ScriptedStore, new_snapshots: NewSnapshots) -> None:
    scripted.put("acme", allowing())
    snapshots = follow(scripted, new_snapshots, "other")
    scripted.open_gate.clear()
    with ThreadPoolExecutor(32) as pool:
        loads = [pool.submit(snapshots.load, "acme") for _ in range(32)]
        eventually(lambda: scripted.readings_of("acme") == 1)
        scripted.open_gate.set()
        assert {answer(load.result(10)) for load in loads} == {"allow"}
    assert scripted.readings_of("acme") == 1


def test_while_nobody_listens_every_load_reads_the_truth(
    scripted: ScriptedStore, new_snapshots: NewSnapshots
) -> None:
    scripted.put("acme", allowing())
    snapshots = new_snapshots(scripted)
    assert answer(snapshots.load("acme")) == "allow"
    assert snapshots.current("acme") is None
    scripted.put("acme", denying())
    assert answer(snapshots.load("acme")) == "deny"


def test_the_last_good_documents_serve_while_the_store_is_away(
    scripted: ScriptedStore, new_snapshots: NewSnapshots
) -> None:
    scripted.put("acme", allowing())
    snapshots = follow(scripted, new_snapshots, "acme", max_stale=600)
    scripted.failing = True
    scripted.ear.lost("gone")
    assert answer(snapshots.current("acme")) == "allow"
    assert snapshots.listener == "lost: gone"


def test_past_max_stale_requests_are_refused_and_nobody_waits_for_the_dead_store(
    scripted: ScriptedStore, new_snapshots: NewSnapshots
) -> None:
    scripted.put("acme", allowing())
    snapshots = follow(scripted, new_snapshots, "acme", max_stale=0.05)
    scripted.failing = True
    readings = len(scripted.readings)
    scripted.ear.lost("gone")
    eventually(lambda: snapshots.current("acme") is None)
    eventually(lambda: len(scripted.readings) > readings)  # the loader finds out, so that no request has to
    eventually(lambda: snapshots._follower._outage)
    for _ in range(100):
        with pytest.raises(StoreUnavailable, match="away"):
            snapshots.load("acme")
    assert set(scripted.readers[readings:]) == {"policy-loader"}
    scripted.failing = False
    scripted.ear.synced()

    def answered_again() -> bool:
        scripted.ear.alive()
        return answer(snapshots.current("acme")) == "allow"

    eventually(answered_again)


def test_a_change_that_cannot_be_read_counts_against_max_stale_although_the_listener_lives(
    scripted: ScriptedStore, new_snapshots: NewSnapshots
) -> None:
    scripted.put("acme", allowing())
    snapshots = follow(scripted, new_snapshots, "acme", max_stale=0.05)
    scripted.failing = True
    scripted.ear.changed(["acme"])

    def refused() -> bool:
        scripted.ear.alive()
        return snapshots.current("acme") is None

    eventually(refused)


def test_a_listener_that_dies_without_a_word_does_not_make_policies_immortal(
    scripted: ScriptedStore, new_snapshots: NewSnapshots
) -> None:
    scripted.put("acme", allowing())
    snapshots = follow(scripted, new_snapshots, "acme", max_stale=0.05)
    eventually(lambda: snapshots.current("acme") is None)


def test_random_tenants_leave_no_trace_beyond_a_bound(
    scripted: ScriptedStore, new_snapshots: NewSnapshots
) -> None:
    scripted.put("acme", allowing())
    snapshots = follow(scripted, new_snapshots, "acme", max_unknown_tenants=50)
    for number in range(3000):
        assert answer(snapshots.load(f"random-{number}")) == "deny"
    follower = snapshots._follower
    with follower.lock:
        assert len(follower.holdings.unknown) == 50
        assert len(follower.holdings._read_at) <= 50 + 1 + 3
        assert len(follower.holdings._doubts) == 0
        assert follower.holdings.flights == {}
    assert scripted.reports("random-1") == []
    assert answer(snapshots.current("acme")) == "allow"


def test_unknown_tenants_share_one_policy_set(scripted: ScriptedStore, new_snapshots: NewSnapshots) -> None:
    snapshots = follow(scripted, new_snapshots, "a", "b")
    assert snapshots.current("a") is snapshots.current("b")


def test_a_tenant_that_gets_a_document_is_unknown_no_longer(
    scripted: ScriptedStore, new_snapshots: NewSnapshots
) -> None:
    snapshots = follow(scripted, new_snapshots, "acme")
    scripted.put("acme", allowing())
    scripted.ear.changed(["acme"])
    eventually(lambda: answer(snapshots.current("acme")) == "allow")
    with snapshots._follower.lock:
        assert set(snapshots._follower.holdings.known) == {"acme"}
        assert set(snapshots._follower.holdings.unknown) == set()


def test_compiled_tenants_are_bounded_and_those_in_use_stay(
    scripted: ScriptedStore, new_snapshots: NewSnapshots
) -> None:
    for number in range(200):
        scripted.put(f"t{number}", allowing())
    snapshots = follow(scripted, new_snapshots, "t0", max_tenants=10)
    for number in range(1, 200):
        snapshots.load(f"t{number}")
        snapshots.current("t0")
    with snapshots._follower.lock:
        assert len(snapshots._follower.holdings.known) == 10
    assert snapshots.current("t0") is not None
    assert answer(snapshots.load("t1")) == "allow"


def test_a_tenant_evicted_before_its_first_answer_is_answered_all_the_same(
    scripted: ScriptedStore, new_snapshots: NewSnapshots, monkeypatch: pytest.MonkeyPatch
) -> None:
    scripted.put("acme", allowing())
    snapshots = follow(scripted, new_snapshots, "other")
    follower = snapshots._follower
    read = follower._read

    def read_and_evict(mine: Mapping[str, Flight]) -> Mapping[str, HeldDocument]:
        brought = read(mine)
        with follower.lock:
            follower.holdings.known.discard("acme")
            follower.holdings._read_at.pop("acme", None)
        return brought

    monkeypatch.setattr(follower, "_read", read_and_evict)
    assert answer(snapshots.load("acme")) == "allow"


def test_the_last_good_copy_of_a_document_that_went_bad_is_not_evicted_lightly(
    scripted: ScriptedStore, new_snapshots: NewSnapshots
) -> None:
    for number in range(50):
        scripted.put(f"t{number}", allowing())
    snapshots = follow(scripted, new_snapshots, "t0", max_tenants=5)
    scripted.put("t0", BAD)
    scripted.ear.changed(["t0"])
    eventually(lambda: [held for held in snapshots.status() if held.rejected])
    for number in range(1, 50):
        snapshots.load(f"t{number}")
    assert answer(snapshots.current("t0")) == "allow"


def test_an_emptied_store_does_not_open_the_door(
    scripted: ScriptedStore, new_snapshots: NewSnapshots, caplog: pytest.LogCaptureFixture
) -> None:
    snapshots = follow(scripted, new_snapshots, "acme", on_missing_policy="allow")
    assert answer(snapshots.current("acme")) == "allow"
    scripted.marked = False
    scripted.ear.changed(None)
    eventually(lambda: answer(snapshots.current("acme")) == "deny")
    assert "lost its marker" in caplog.text


def test_a_revision_written_past_the_package_is_recorded_and_reported(new_snapshots: NewSnapshots) -> None:
    store = MemoryStore()
    store.put("acme", allowing())
    snapshots = new_snapshots(store)
    snapshots.load("acme")
    [entry] = eventually(lambda: store.history("acme"))
    assert (entry.author, entry.via, entry.body) == ("unknown", "SET", allowing())
    [report] = eventually(lambda: store.reports("acme"))
    assert report.revision == revision_of(allowing())
    store.put("acme", BAD)
    eventually(lambda: store.reports("acme")[0].rejected_revision == revision_of(BAD))
    assert store.reports("acme")[0].rejected_because is not None
    assert len(store.history("acme")) == 1
    snapshots.close()
    assert store.reports("acme") == []


def test_slow_paperwork_does_not_hold_up_a_reload(
    scripted: ScriptedStore, new_snapshots: NewSnapshots, monkeypatch: pytest.MonkeyPatch
) -> None:
    writing, written = threading.Event(), threading.Event()

    def record_slowly(name: str, body: bytes) -> None:
        writing.set()
        assert written.wait(10)

    monkeypatch.setattr(scripted, "record", record_slowly)
    scripted.put("acme", allowing())
    snapshots = follow(scripted, new_snapshots, "acme", max_stale=600)
    assert writing.wait(5)
    scripted.put("acme", denying())
    scripted.ear.changed(["acme"])
    eventually(lambda: answer(snapshots.current("acme")) == "deny")
    written.set()


def test_an_error_in_the_loader_is_logged_and_does_not_end_it(
    scripted: ScriptedStore, new_snapshots: NewSnapshots, caplog: pytest.LogCaptureFixture
) -> None:
    scripted.put("acme", allowing())
    snapshots = follow(scripted, new_snapshots, "acme", max_stale=600)

    def fail_once() -> None:
        scripted.after_reading = lambda: None
        raise RuntimeError("a bug")

    scripted.after_reading = fail_once
    scripted.put("acme", denying())
    scripted.ear.changed(["acme"])
    eventually(lambda: answer(snapshots.current("acme")) == "deny")
    assert "policy-loader failed; trying again" in caplog.text


def test_closing_joins_every_thread_and_refuses_what_comes_after(
    store: Store, new_snapshots: NewSnapshots
) -> None:
    store.publish("acme", allowing())
    snapshots = new_snapshots(store)
    snapshots.load("acme")
    snapshots.close()
    snapshots.close()
    assert not store_threads()
    assert snapshots.current("acme") is None
    with pytest.raises(StoreUnavailable, match="closed"):
        snapshots.load("acme")


def test_snapshots_nobody_holds_any_more_stop_their_threads(store: Store) -> None:
    store.publish("acme", allowing())
    snapshots = Snapshots(store)
    snapshots.load("acme")
    gone = weakref.ref(snapshots)
    del snapshots
    gc.collect()
    assert gone() is None
    assert not store_threads()


def test_concurrent_changes_and_requests_end_at_the_last_revision(
    store: Store, new_snapshots: NewSnapshots
) -> None:
    store.publish("acme", allowing("0"))
    snapshots = new_snapshots(store)
    done = threading.Event()
    seen: list[PolicySet] = []

    def ask() -> None:
        while not done.wait(0.001):
            seen.append(snapshots.current("acme") or snapshots.load("acme"))

    threads = [threading.Thread(target=ask) for _ in range(3)]
    for thread in threads:
        thread.start()
    for number in range(1, 60):
        store.publish("acme", allowing(str(number)))
    last = store.publish("acme", denying("last")).revision
    assert snapshots.wait_until_in_force("acme", last, 5)
    done.set()
    for thread in threads:
        thread.join()
    eventually(lambda: answer(snapshots.current("acme")) == "deny")
    assert all(answer(policies) in ("allow", "deny") for policies in seen[-10:])
