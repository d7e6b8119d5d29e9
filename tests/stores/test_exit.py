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
