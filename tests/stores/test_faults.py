"""What goes wrong with a real server while an app runs, seen through Snapshots as a request would."""

from __future__ import annotations

import logging
import secrets
import threading
from collections.abc import Callable
from typing import Any

import pytest
import redis

from policy_middleware.model.errors import NoUsablePolicy, StoreUnavailable
from policy_middleware.stores import RedisStore, Snapshots
from tests.servers import FaultProxy, Server
from tests.stores.documents import BAD, allowing, answer, denying, guardrail, revision_of
from tests.waiting import eventually

NewServer = Callable[..., Server]
NewSnapshots = Callable[..., Snapshots]

ACME = "policy:doc:{acme}"
GLOBAL = "policy:doc:{_global}"


def follow(url: str, new_snapshots: NewSnapshots, *tenants: str, **settings: Any) -> Snapshots:
    """Open snapshots and wait until the tenants are answered from memory."""
    snapshots = new_snapshots(RedisStore(url), **settings)
    for tenant in tenants:
        snapshots.load(tenant)
    eventually(lambda: all(snapshots.current(tenant) for tenant in tenants))
    return snapshots


def commands_processed(client: redis.Redis) -> dict[str, int]:
    """How often each command ran at the server, by name; the count of INFO itself is left out."""
    statistics: Any = client.info("commandstats")
    return {name: entry["calls"] for name, entry in statistics.items() if name != "cmdstat_info"}


def refused(snapshots: Snapshots, tenant: str = "acme") -> bool:
    try:
        snapshots.load(tenant)
    except StoreUnavailable:
        return True
    return False


def test_bare_set_replaces_the_policy_in_force(new_server: NewServer, new_snapshots: NewSnapshots) -> None:
    server = new_server()
    with server.client() as client:
        client.set(ACME, allowing())
        snapshots = follow(server.url, new_snapshots, "acme")
        client.set(ACME, denying())
        assert snapshots.wait_until_in_force("acme", revision_of(denying()), 5)
        assert answer(snapshots.current("acme")) == "deny"


def test_each_bare_set_of_a_long_row_takes_effect(new_server: NewServer, new_snapshots: NewSnapshots) -> None:
    server = new_server()
    with server.client() as client:
        client.set(ACME, allowing())
        snapshots = follow(server.url, new_snapshots, "acme")
        for number in range(100):
            body = denying(str(number))
            client.set(ACME, body)
            assert snapshots.wait_until_in_force("acme", revision_of(body), 5)


def test_the_steady_path_makes_no_round_trip(new_server: NewServer, new_snapshots: NewSnapshots) -> None:
    server = new_server()
    with server.client() as client:
        client.set(ACME, allowing())
        client.set("policy:meta", "1")
        store = RedisStore(server.url)
        snapshots = new_snapshots(store)
        snapshots.load("acme")
        snapshots.load("unknown")
        eventually(lambda: snapshots.current("acme"))
        eventually(lambda: store.reports("acme") and store.history("acme"))
        eventually(lambda: heard_between_two_heartbeats(client) == set())  # what was loaded is reported
        before = commands_processed(client)
        for _ in range(20_000):
            assert snapshots.current("acme") is not None
            assert snapshots.current("unknown") is not None
        assert changed_since(before, client) <= {"cmdstat_ping"}


def heard_between_two_heartbeats(client: redis.Redis) -> set[str]:
    """Return what the server was asked, but for the listener's heartbeat, until that was heard again."""
    before = commands_processed(client)
    eventually(lambda: "cmdstat_ping" in changed_since(before, client))
    return changed_since(before, client) - {"cmdstat_ping"}


def changed_since(before: dict[str, int], client: redis.Redis) -> set[str]:
    after = commands_processed(client)
    return {name for name in after if after[name] != before.get(name, 0)}


def test_a_bad_set_over_a_good_document_changes_nothing_but_the_status(
    new_server: NewServer, new_snapshots: NewSnapshots, caplog: pytest.LogCaptureFixture
) -> None:
    server = new_server()
    with server.client() as client:
        client.set(ACME, allowing())
        snapshots = follow(server.url, new_snapshots, "acme")
        client.set(ACME, BAD)
        [report] = eventually(
            lambda: [report for report in snapshots.store.reports("acme") if report.rejected_revision]
        )
        assert report.revision == revision_of(allowing())
        assert report.rejected_revision == revision_of(BAD)
        assert str(report.rejected_because).startswith("$: ")
        assert b"rejected" in client.hvals("policy:status:{acme}")[0]
        assert answer(snapshots.current("acme")) == "allow"
        assert [record.levelno for record in caplog.records].count(logging.ERROR) == 1
        with pytest.raises(NoUsablePolicy):
            new_snapshots(RedisStore(server.url)).load("acme")


@pytest.mark.parametrize("name", ["acme", "_global", "_incident", "_default"])
def test_a_typo_by_bare_set_in_any_document_leaves_the_running_app_as_it_was(
    name: str, new_server: NewServer, new_snapshots: NewSnapshots
) -> None:
    server = new_server()
    with server.client() as client:
        for known, body in {
            "acme": allowing(),
            "_global": b'{"schema": 1, "rules": []}',
            "_default": allowing(),
        }.items():
            client.set(f"policy:doc:{{{known}}}", body)
        snapshots = follow(server.url, new_snapshots, "acme", "other", on_missing_policy="default")
        client.set(f"policy:doc:{{{name}}}", BAD)
        eventually(lambda: [held for held in snapshots.status() if held.name == name and held.rejected])
        assert answer(snapshots.current("acme")) == "allow"
        assert answer(snapshots.current("other")) == "allow"


def test_deleted_and_expired_documents_mean_a_missing_policy(
    new_server: NewServer, new_snapshots: NewSnapshots
) -> None:
    server = new_server()
    with server.client() as client:
        for tenant in ("acme", "globex"):
            client.set(f"policy:doc:{{{tenant}}}", allowing())
        snapshots = follow(server.url, new_snapshots, "acme", "globex")
        client.delete(ACME)
        client.pexpire("policy:doc:{globex}", 1)
        eventually(lambda: answer(snapshots.current("acme")) == "deny")
        eventually(lambda: answer(snapshots.current("globex")) == "deny")


@pytest.mark.parametrize("on_missing", ["deny", "default", "allow"])
def test_flushall_closes_the_door_whatever_holds_for_missing_policies(
    on_missing: str, new_server: NewServer, new_snapshots: NewSnapshots
) -> None:
    server = new_server()
    snapshots = new_snapshots(RedisStore(server.url), on_missing_policy=on_missing)
    snapshots.publish("acme", allowing())
    snapshots.publish("_default", allowing())
    snapshots.load("acme")
    eventually(lambda: answer(snapshots.current("acme")) == "allow")
    with server.client() as client:
        client.flushall()
    eventually(lambda: answer(snapshots.current("acme")) == "deny")


def test_a_flushed_global_document_goes_on_restricting_with_an_error(
    new_server: NewServer, new_snapshots: NewSnapshots, caplog: pytest.LogCaptureFixture
) -> None:
    server = new_server()
    with server.client() as client:
        client.set(ACME, allowing())
        client.set(GLOBAL, guardrail())
        snapshots = follow(server.url, new_snapshots, "acme")
        client.flushall()
        client.set(ACME, allowing())
        eventually(lambda: "stays in force" in caplog.text)
        eventually(lambda: snapshots.wait_until_in_force("acme", revision_of(allowing()), 1))
        assert answer(snapshots.current("acme")) == "deny"


def test_require_global_refuses_on_a_cold_start_without_one(
    new_server: NewServer, new_snapshots: NewSnapshots
) -> None:
    server = new_server()
    with server.client() as client:
        client.set(ACME, allowing())
        snapshots = new_snapshots(RedisStore(server.url), require_global=True)
        with pytest.raises(NoUsablePolicy, match="require_global"):
            snapshots.load("acme")
        client.set(GLOBAL, b'{"schema": 1, "rules": []}')
        eventually(lambda: not refused(snapshots))


def test_a_wrong_password_is_told_at_the_first_request(
    new_server: NewServer, new_snapshots: NewSnapshots
) -> None:
    server = new_server(password="secret")
    snapshots = new_snapshots(RedisStore(f"redis://:wrong@127.0.0.1:{server.port}/0"))
    with pytest.raises(StoreUnavailable, match="check user and password"):
        snapshots.load("acme")
    eventually(lambda: "check user and password" in snapshots.listener)


def test_no_server_at_the_start_refuses_and_recovers_when_there_is_one(
    new_server: NewServer, new_snapshots: NewSnapshots
) -> None:
    server = new_server()
    server.stop()
    snapshots = new_snapshots(RedisStore(server.url))
    assert refused(snapshots)
    server.start()
    with server.client() as client:
        client.set(ACME, allowing())
    eventually(lambda: not refused(snapshots), timeout=10)
    eventually(lambda: answer(snapshots.current("acme")) == "allow")


@pytest.mark.parametrize("fault", ["kill", "pause", "stop"])
def test_an_outage_is_bridged_for_max_stale_then_refused_and_ends_with_the_new_policy(
    fault: str, new_server: NewServer, new_snapshots: NewSnapshots
) -> None:
    server = new_server(persistent=True)
    with server.client() as client:
        client.set(ACME, allowing())
    snapshots = follow(server.url, new_snapshots, "acme", max_stale=600)
    getattr(server, fault)()
    eventually(lambda: snapshots.listener.startswith("lost"), timeout=20)
    assert answer(snapshots.current("acme")) == "allow"
    eventually(lambda: refused(snapshots, "never-seen"))
    snapshots._follower._max_stale = snapshots._follower.freshness._max_stale = 0.0
    eventually(lambda: snapshots.current("acme") is None, timeout=20)
    assert refused(snapshots)
    snapshots._follower._max_stale = snapshots._follower.freshness._max_stale = 600
    if fault == "pause":
        server.resume()
    else:
        server.start()
    with server.client() as client:
        client.set(ACME, denying())
    eventually(lambda: answer(snapshots.current("acme")) == "deny", timeout=20)


def test_a_dead_server_costs_a_request_nothing(new_server: NewServer, new_snapshots: NewSnapshots) -> None:
    """Only the loader's thread talks to a frozen server once it is known to be away."""
    server = new_server()
    snapshots = follow(server.url, new_snapshots, "acme")
    readers: list[str] = []
    read = snapshots.store.read

    def spying(names: Any) -> Any:
        readers.append(threading.current_thread().name)
        return read(names)

    snapshots.store.read = spying  # type: ignore[method-assign]  # counts who reads
    server.pause()
    eventually(lambda: snapshots._follower._outage, timeout=20)
    readers.clear()
    for _ in range(2000):
        assert refused(snapshots, secrets.token_hex(4))
    eventually(lambda: len(readers) >= 2, timeout=20)
    assert set(readers) == {"policy-loader"}
    server.resume()


def test_a_half_open_connection_does_not_hide_a_change_for_ever(
    new_server: NewServer, new_proxy: Callable[[Server], FaultProxy], new_snapshots: NewSnapshots
) -> None:
    server = new_server()
    proxy = new_proxy(server)
    with server.client() as client:
        client.set(ACME, allowing())
        snapshots = follow(proxy.url, new_snapshots, "acme")
        proxy.swallow()
        client.set(ACME, denying())
        eventually(lambda: snapshots.listener.startswith("lost"), timeout=20)
        assert answer(snapshots.current("acme")) == "allow"
        proxy.cut()
        proxy.flow()
        eventually(lambda: answer(snapshots.current("acme")) == "deny", timeout=20)


def test_a_change_while_the_listener_is_away_is_found_when_it_is_back(
    new_server: NewServer, new_snapshots: NewSnapshots
) -> None:
    server = new_server()
    with server.client() as client:
        client.set(ACME, allowing())
        snapshots = follow(server.url, new_snapshots, "acme")
        [listener] = [entry for entry in client.client_list() if entry["name"] == "policy-invalidation"]
        with (
            client.pipeline() as transaction
        ):  # killed and overwritten in one go: nobody can have heard of it
            transaction.client_kill(listener["addr"])
            transaction.set(ACME, denying())
            transaction.execute()
        eventually(lambda: answer(snapshots.current("acme")) == "deny")


def test_random_tenants_by_the_thousand_leave_memory_and_store_as_they_were(
    new_server: NewServer, new_snapshots: NewSnapshots
) -> None:
    server = new_server()
    with server.client() as client:
        client.set(ACME, allowing())
        snapshots = follow(server.url, new_snapshots, "acme", max_unknown_tenants=100)
        for _ in range(3000):
            assert answer(snapshots.load(secrets.token_hex(8))) == "deny"
        holdings = snapshots._follower.holdings
        assert len(holdings.unknown) == 100
        assert len(holdings._read_at) == 100 + 1 + 3
        keys = {key.decode() for key in client.scan_iter(count=1000)}
        assert keys <= {ACME, "policy:history:{acme}", "policy:status:{acme}"}
        assert answer(snapshots.current("acme")) == "allow"


def test_a_bare_set_seen_by_many_processes_is_recorded_exactly_once(
    new_server: NewServer, new_snapshots: NewSnapshots
) -> None:
    server = new_server()
    with server.client() as client:
        client.set(ACME, allowing())
        followers = [follow(server.url, new_snapshots, "acme") for _ in range(6)]
        for number in range(5):
            body = denying(str(number))
            client.set(ACME, body)
            for snapshots in followers:
                assert snapshots.wait_until_in_force("acme", revision_of(body), 5)
        history = followers[0].store.history
        eventually(lambda: len(history("acme")) == 6)
        eventually(lambda: not any(snapshots._follower.paperwork._revisions for snapshots in followers))
        assert len({entry.revision for entry in history("acme")}) == len(history("acme")) == 6


def test_an_eviction_policy_that_may_drop_policies_is_warned_about_at_the_start(
    new_server: NewServer, new_snapshots: NewSnapshots, caplog: pytest.LogCaptureFixture
) -> None:
    server = new_server("--maxmemory-policy", "allkeys-lru")
    follow(server.url, new_snapshots, "acme")
    eventually(lambda: "may evict policy documents" in caplog.text)


def test_a_server_that_refuses_tracking_is_still_obeyed_one_read_per_request(
    new_server: NewServer, new_snapshots: NewSnapshots
) -> None:
    server = new_server()
    with server.client() as client:
        client.acl_setuser(
            "blind",
            enabled=True,
            passwords=["+pw"],
            keys=["*"],
            channels=["*"],
            commands=["+@all", "-client", "+client|id", "+client|setname"],
        )
        client.set(ACME, allowing())
        snapshots = new_snapshots(RedisStore(f"redis://blind:pw@127.0.0.1:{server.port}/0"))
        assert answer(snapshots.load("acme")) == "allow"
        client.set(ACME, denying())
        assert answer(snapshots.load("acme")) == "deny"
        eventually(lambda: "docs/redis.md" in snapshots.listener)
