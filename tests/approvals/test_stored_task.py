"""A stored task is read back as it was written, and by people too."""

from __future__ import annotations

import json

from policy_middleware.approvals import ApprovalStatus
from policy_middleware.approvals.opening import open_approvals
from policy_middleware.approvals.redis import RedisApprovals
from policy_middleware.stores.redis_store import RedisStore
from tests.approvals.parking import BEA, park, requirement, role
from tests.conftest import RedisPlace


def test_hgetall_answers_who_waits_for_whom(clean_redis: RedisPlace) -> None:
    queue = RedisApprovals(clean_redis.client, clean_redis.keys)
    task = park(queue, requirement(approvers=role("dpo"), required=2))
    queue.approve("acme", task.id, BEA, "Fine with me.")

    stored = clean_redis.client.hgetall(clean_redis.keys.approval("acme", "task", task.id))

    assert (stored[b"status"], stored[b"requester"]) == (b"pending", b"alice")
    body = json.loads(stored[b"body"])
    assert body["requirements"][0]["approvers"] == {"subject.roles": {"eq": "dpo"}}
    assert (stored[b"received:1"], stored[b"required:1"]) == (b"1", b"2")
    assert b"Fine with me." in stored[b"vote:bea"]


def test_what_people_are_shown_may_hold_octets_that_are_no_text(clean_redis: RedisPlace) -> None:
    queue = RedisApprovals(clean_redis.client, clean_redis.keys)
    task = park(queue)
    odd = queue.request(
        "acme",
        fingerprint="f" * 64,
        requester="alice",
        action="a\udcff",
        resource=None,
        reason="Because.",
        requirements=task.requirements,
        revisions={},
        summary=task.summary,
    )
    assert (odd.status, odd.action, odd.resource) == (ApprovalStatus.PENDING, "a?", None)


def test_the_queue_of_a_redis_store_is_on_the_same_server_under_the_same_prefix(
    clean_redis: RedisPlace,
) -> None:
    store = RedisStore(clean_redis.url, key_prefix=clean_redis.key_prefix)
    try:
        task = park(open_approvals(store))
    finally:
        store.close()
    assert clean_redis.client.exists(clean_redis.keys.approval("acme", "task", task.id))
