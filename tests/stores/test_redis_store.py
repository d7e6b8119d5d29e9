from __future__ import annotations

import json
import multiprocessing
import threading
from collections.abc import Callable
from contextlib import closing

import pytest
import redis

from policy_middleware.model.documents import revision_of
from policy_middleware.model.errors import RevisionConflict, StoreUnavailable
from policy_middleware.stores import ProcessReport, RedisStore
from tests.conftest import RedisPlace
from tests.servers import Server
from tests.stores.documents import allowing, denying


def test_the_layout_is_what_a_plain_client_sees(new_server: Callable[..., Server]) -> None:
    server = new_server()
    with closing(RedisStore(server.url)) as store, server.client() as client:
        store.publish("acme", allowing(), author="dana", note="SEC-12")
        assert sorted(client.keys()) == [b"policy:doc:{acme}", b"policy:history:{acme}", b"policy:meta"]
        assert client.get("policy:doc:{acme}") == allowing()
        [(_, fields)] = client.xrange("policy:history:{acme}") or []
        assert fields == {
            b"revision": revision_of(allowing()).encode(),
            b"body": allowing(),
            b"via": b"publish",
            b"author": b"dana",
            b"note": b"SEC-12",
        }


def test_who_waits_for_an_answer_gets_it_though_the_store_is_closed(
    redis_store: RedisStore, clean_redis: RedisPlace
) -> None:
    pool = redis_store.client.connection_pool
    connection = pool.get_connection()
    connection.send_command("PING")
    redis_store.close()
    assert connection.read_response() == b"PONG"
    pool.release(connection)


def test_a_bare_set_is_in_the_history_before_it_is_overwritten(
    redis_store: RedisStore, clean_redis: RedisPlace
) -> None:
    redis_store.publish("acme", allowing("first"), author="dana")
    clean_redis.client.set(clean_redis.keys.doc("acme"), denying("by hand"))
    redis_store.publish("acme", allowing("third"), author="dana")
    third, by_hand, first = redis_store.history("acme")
    assert (by_hand.body, by_hand.author, by_hand.via) == (denying("by hand"), "unknown", "SET")
    assert (third.body, first.body) == (allowing("third"), allowing("first"))


def test_a_publish_based_on_what_was_there_before_a_bare_set_conflicts(
    redis_store: RedisStore, clean_redis: RedisPlace
) -> None:
    base = redis_store.publish("acme", allowing()).revision
    clean_redis.client.set(clean_redis.keys.doc("acme"), denying())
    with pytest.raises(RevisionConflict):
        redis_store.publish("acme", allowing("late"), expected_revision=base)
    assert clean_redis.client.get(clean_redis.keys.doc("acme")) == denying()


def test_binary_rubbish_set_by_hand_is_kept_in_the_history_as_it_was(
    redis_store: RedisStore, clean_redis: RedisPlace
) -> None:
    clean_redis.client.set(clean_redis.keys.doc("acme"), b"\xff\x00rubbish")
    redis_store.publish("acme", allowing())
    assert redis_store.history("acme")[1].body == b"\xff\x00rubbish"


def test_a_publish_that_cannot_be_recorded_changes_nothing(
    redis_store: RedisStore, clean_redis: RedisPlace
) -> None:
    redis_store.publish("acme", allowing())
    clean_redis.client.delete(clean_redis.keys.history("acme"))
    clean_redis.client.set(clean_redis.keys.history("acme"), "no stream")
    with pytest.raises(StoreUnavailable, match="wrong kind of value"):
        redis_store.publish("acme", denying())
    assert clean_redis.client.get(clean_redis.keys.doc("acme")) == allowing()


def _increment(url: str, prefix: str, rounds: int) -> None:
    with closing(RedisStore(url, key_prefix=prefix)) as store:
        published = 0
        while published < rounds:
            body = store.read(["acme"]).bodies["acme"]
            assert body is not None
            counter = json.loads(body)["n"] + 1
            try:
                store.publish(
                    "acme", json.dumps({"n": counter}).encode(), expected_revision=revision_of(body)
                )
            except RevisionConflict:
                continue
            published += 1


def test_concurrent_processes_never_overwrite_each_other(
    redis_store: RedisStore, clean_redis: RedisPlace
) -> None:
    redis_store.publish("acme", b'{"n": 0}')
    context = multiprocessing.get_context("spawn")
    arguments = (clean_redis.url, clean_redis.key_prefix, 25)
    processes = [context.Process(target=_increment, args=arguments) for _ in range(4)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
    assert [process.exitcode for process in processes] == [0] * 4
    assert redis_store.read(["acme"]).bodies["acme"] == b'{"n": 100}'
    assert len(redis_store.history("acme")) == 101


def test_publishers_who_expect_nothing_all_get_through_one_after_the_other(redis_store: RedisStore) -> None:
    threads = [
        threading.Thread(target=redis_store.publish, args=("acme", allowing(str(number))))
        for number in range(10)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({entry.revision for entry in redis_store.history("acme")}) == 10


def test_a_key_of_another_type_reads_as_missing(redis_store: RedisStore, clean_redis: RedisPlace) -> None:
    clean_redis.client.hset(clean_redis.keys.doc("acme"), "field", "value")
    assert redis_store.read(["acme"]).bodies == {"acme": None}


def test_names_leave_out_keys_that_are_no_documents(redis_store: RedisStore, clean_redis: RedisPlace) -> None:
    redis_store.publish("acme", allowing())
    clean_redis.client.set(clean_redis.keys.documents + "globex", "no braces")
    assert redis_store.names() == ["acme"]


def test_the_marker_is_not_written_twice(redis_store: RedisStore, clean_redis: RedisPlace) -> None:
    clean_redis.client.set(clean_redis.keys.meta(), "7")
    redis_store.mark()
    redis_store.publish("acme", allowing())
    assert clean_redis.client.get(clean_redis.keys.meta()) == b"7"


def test_reports_of_dead_processes_are_swept_away_by_the_living(
    redis_store: RedisStore, clean_redis: RedisPlace
) -> None:
    status = clean_redis.keys.status("acme")
    seconds, _ = clean_redis.client.time()
    clean_redis.client.hset(status, "dead:1", json.dumps({"revision": "a" * 64, "at": seconds - 10_000}))
    clean_redis.client.hset(status, "odd:1", "not JSON")
    redis_store.report("live:1", {"acme": ProcessReport("live:1", "b" * 64, None, None, float(seconds))})
    assert [report.process for report in redis_store.reports("acme")] == ["live:1"]
    assert clean_redis.client.ttl(status) > 0


def test_a_report_that_cannot_be_read_is_shown_as_such(
    redis_store: RedisStore, clean_redis: RedisPlace
) -> None:
    clean_redis.client.hset(clean_redis.keys.status("acme"), "odd:1", "[]")
    [report] = redis_store.reports("acme")
    assert (report.process, report.revision) == ("odd:1", None)
    assert "cannot be read" in str(report.rejected_because)


@pytest.mark.parametrize(
    ("policy", "warned"), [("allkeys-lru", True), ("noeviction", False), ("volatile-lru", False)]
)
def test_a_server_that_may_evict_policies_is_warned_about(
    policy: str, warned: bool, new_server: Callable[..., Server]
) -> None:
    server = new_server("--maxmemory-policy", policy)
    with closing(RedisStore(server.url)) as store:
        assert any(policy in warning for warning in store.warnings()) is warned


def test_errors_of_every_method_name_the_server_and_no_secret() -> None:
    with closing(RedisStore("redis://user:secret@127.0.0.1:1/0")) as store:
        calls: list[Callable[[], object]] = [
            lambda: store.read(["acme"]),
            store.names,
            lambda: store.publish("acme", allowing()),
            lambda: store.history("acme"),
            lambda: store.record("acme", allowing()),
            store.mark,
            lambda: store.report("p", {"acme": None}),
            lambda: store.reports("acme"),
            lambda: list(store.warnings()),
        ]
        for call in calls:
            with pytest.raises(StoreUnavailable, match=r"redis://\*\*\*@127\.0\.0\.1:1/0") as refused:
                call()
            assert "secret" not in str(refused.value)


def test_a_publish_that_meets_a_full_server_changes_nothing(new_server: Callable[..., Server]) -> None:
    server = new_server()
    with closing(RedisStore(server.url)) as store, server.client() as client:
        store.publish("acme", allowing())
        client.config_set("maxmemory", "1")
        with pytest.raises(StoreUnavailable, match="maxmemory"):
            store.publish("acme", denying())
        client.config_set("maxmemory", "0")
        assert store.read(["acme"]).bodies["acme"] == allowing()
        assert len(store.history("acme")) == 1


def test_the_client_can_be_shared_with_other_parts(redis_store: RedisStore) -> None:
    assert isinstance(redis_store.client, redis.Redis)
    assert redis_store.client.ping()
