"""Interpreters that end without closing anything."""

from __future__ import annotations

import subprocess
import sys

import pytest

from policy_middleware.stores import RedisStore
from tests.conftest import RedisPlace
from tests.stores.documents import allowing

PROGRAM = """
import sys
from policy_middleware.stores import RedisStore, Snapshots
snapshots = Snapshots(RedisStore(sys.argv[1], key_prefix=sys.argv[2]))
snapshots.load("acme")
assert snapshots.wait_until_in_force("acme", sys.argv[3], 10)
while not snapshots.store.reports("acme"):
    pass
if sys.argv[4] == "raise":
    raise SystemExit(3)
"""
ENFORCER = """
import sys, time
from policy_middleware import PolicyEnforcer
from policy_middleware.stores import RedisStore

def slow(record):
    while not enforcer.decision_log._closed:  # so it writes at the end only
        time.sleep(0.001)
    print(record["event"], len(other.reports("acme")))

other = RedisStore(sys.argv[1], key_prefix=sys.argv[2])
enforcer = PolicyEnforcer.from_url(sys.argv[1], key_prefix=sys.argv[2], decision_log=slow)
enforcer.decide({"tenant": "acme", "action": "read"})
assert enforcer.snapshots.wait_until_in_force("acme", sys.argv[3], 10)
while not other.reports("acme"):
    pass
enforcer.decide({"tenant": "acme", "action": "read"})
"""


@pytest.mark.parametrize(("ending", "code"), [("fall off the end", 0), ("raise", 3)])
def test_the_end_of_the_interpreter_stops_the_threads_and_withdraws_the_status(
    ending: str, code: int, redis_store: RedisStore, clean_redis: RedisPlace
) -> None:
    revision = redis_store.publish("acme", allowing()).revision
    finished = subprocess.run(
        [
            sys.executable,
            "-W",
            "error",
            "-c",
            PROGRAM,
            clean_redis.url,
            clean_redis.key_prefix,
            revision,
            ending,
        ],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (finished.returncode, finished.stderr) == (code, "")
    assert redis_store.reports("acme") == []


def test_the_log_is_written_before_the_store_that_it_is_written_to_is_closed(
    redis_store: RedisStore, clean_redis: RedisPlace
) -> None:
    revision = redis_store.publish("acme", allowing()).revision
    finished = subprocess.run(
        [sys.executable, "-c", ENFORCER, clean_redis.url, clean_redis.key_prefix, revision],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert finished.stdout.splitlines()[-1] == "decision 1"
    assert redis_store.reports("acme") == []
