from __future__ import annotations

import time

import pytest

from policy_middleware import PolicyEnforcer
from policy_middleware.decision_log import DecisionLog, open_sinks
from policy_middleware.decision_log.stream_log import StreamLog
from policy_middleware.model.errors import StoreUnavailable
from policy_middleware.stores.opening import open_store
from policy_middleware.stores.redis_store import RedisStore
from tests.conftest import RedisPlace


def _store(place: RedisPlace) -> RedisStore:
    store = open_store(place.url, key_prefix=place.key_prefix)
    assert isinstance(store, RedisStore)
    return store


def test_with_redis_every_decision_is_found_in_the_stream(clean_redis: RedisPlace) -> None:
    with PolicyEnforcer.from_url(clean_redis.url, key_prefix=clean_redis.key_prefix) as enforcer:
        decision = enforcer.decide({"tenant": "acme", "role": "viewer", "action": "document.read"})
    store = _store(clean_redis)
    (record,) = StreamLog(store).records()
    store.close()
    assert (record["decision_id"], record["effect"]) == (decision.decision_id, "deny")


def test_many_records_are_read_page_by_page_and_from_a_moment_on(clean_redis: RedisPlace) -> None:
    store = _store(clean_redis)
    log = DecisionLog(open_sinks("redis", store))
    for number in range(2500):
        log.event("numbered", None, {"number": number})
    log.close()
    assert [record["number"] for record in StreamLog(store).records()] == list(range(2500))
    assert list(StreamLog(store).records(since=time.time() + 3600)) == []
    store.close()


def test_a_stream_that_cannot_be_reached_says_so() -> None:
    store = open_store("redis://127.0.0.1:1/0")
    assert isinstance(store, RedisStore)
    with pytest.raises(StoreUnavailable):
        list(StreamLog(store).records())
    store.close()
