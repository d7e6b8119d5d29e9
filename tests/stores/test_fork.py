"""A process that forks after it has loaded policies, as `gunicorn --preload` does."""

from __future__ import annotations

import os
import threading
import traceback
from collections.abc import Callable
from contextlib import closing

import pytest

from policy_middleware.stores import RedisStore, Snapshots, Store
from tests.servers import Server
from tests.stores.documents import allowing, answer, denying, revision_of
from tests.waiting import eventually

pytestmark = [
    pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork"),
    pytest.mark.filterwarnings("ignore:.*use of fork.*:DeprecationWarning"),
]


def in_child(run: Callable[[], None]) -> None:
    """Fork, run in the child, and fail when the child does."""
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        report = b"ok"
        try:
            run()
        except BaseException:  # noqa: BLE001  # the child must end here whatever happens
            report = traceback.format_exc().encode()[-4000:]
        os.write(write, report)
        os._exit(0)
    os.close(write)
    with os.fdopen(read, "rb") as pipe:
        told = pipe.read()
    os.waitpid(child, 0)
    assert told == b"ok", told.decode()


def test_a_child_does_not_serve_what_its_parent_held_before_it_listens_itself(
    store: Store,
) -> None:
    store.publish("acme", allowing())
    with closing(Snapshots(store)) as snapshots:
        snapshots.load("acme")
        eventually(lambda: snapshots.current("acme"))

        def child() -> None:
            assert snapshots.current("acme") is None
            assert not any(thread.name.startswith("policy-") for thread in threading.enumerate())
            assert answer(snapshots.load("acme")) == "allow"
            eventually(lambda: answer(snapshots.current("acme")) == "allow")
            snapshots.publish("acme", denying())
            assert answer(snapshots.load("acme")) == "deny"
            snapshots.close()

        in_child(child)
        assert snapshots.current("acme") is not None


def test_parent_and_child_each_hear_changes_on_a_connection_of_their_own(
    new_server: Callable[..., Server],
) -> None:
    server = new_server()
    with server.client() as client, closing(Snapshots(RedisStore(server.url))) as snapshots:
        client.set("policy:doc:{acme}", allowing())
        snapshots.load("acme")
        eventually(lambda: snapshots.current("acme"))

        def child() -> None:
            with server.client() as mine:
                snapshots.load("acme")
                eventually(lambda: snapshots.current("acme"))
                listeners = [entry for entry in mine.client_list() if entry["name"] == "policy-invalidation"]
                assert len(listeners) == 2
                mine.set("policy:doc:{acme}", denying())
                assert snapshots.wait_until_in_force("acme", revision_of(denying()), 5)
                eventually(lambda: len(snapshots.store.reports("acme")) == 2)
                snapshots.close()

        in_child(child)
        eventually(lambda: answer(snapshots.current("acme")) == "deny")
        [report] = snapshots.store.reports("acme")
        assert report.process.endswith(f":{os.getpid()}")


def test_forking_while_other_threads_load_leaves_no_lock_held_in_the_child(store: Store) -> None:
    for number in range(50):
        store.publish(f"t{number}", allowing())
    with closing(Snapshots(store, max_tenants=10)) as snapshots:
        done = threading.Event()

        def load() -> None:
            number = 0
            while not done.is_set():
                number += 1
                snapshots.load(f"t{number % 50}")

        threads = [threading.Thread(target=load) for _ in range(3)]
        for thread in threads:
            thread.start()
        try:
            for _ in range(5):
                in_child(lambda: _load_some(snapshots))
        finally:
            done.set()
            for thread in threads:
                thread.join()


def _load_some(snapshots: Snapshots) -> None:
    for number in range(20):
        assert answer(snapshots.load(f"t{number}")) == "allow"
    snapshots.close()


def test_a_child_of_a_parent_that_never_loaded_starts_for_itself(store: Store) -> None:
    store.publish("acme", allowing())
    with closing(Snapshots(store)) as snapshots:
        in_child(lambda: _load_and_close(snapshots))


def _load_and_close(snapshots: Snapshots) -> None:
    assert answer(snapshots.load("acme")) == "allow"
    snapshots.close()
