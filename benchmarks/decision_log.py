"""What the decision log costs and what it stands: `python -m benchmarks.decision_log`.

Costs are ratios of times taken side by side in one run; faults are real: a server that is killed, a full
disk, a sink that hangs, a log that is tampered with.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import random
import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from functools import partial
from multiprocessing.synchronize import Semaphore
from pathlib import Path
from typing import Final

from benchmarks.workload import TENANT, policy, requests
from policy_middleware import PolicyEnforcer, RequestContext
from policy_middleware.decision_log import DecisionLog, PlacedRecord, open_sinks
from policy_middleware.decision_log.stream_log import StreamLog
from policy_middleware.decision_log.verify_log import verify
from policy_middleware.model.decision import PolicyDecision
from policy_middleware.stores.opening import open_store
from policy_middleware.stores.redis_store import RedisStore

KEY: Final = bytes(range(32))
WRITERS: Final = 4
DECISIONS: Final = 6_000
COST_GOAL: Final = 1.5
MUTATIONS: Final = 500


class Nowhere:
    """A sink that encodes every record and keeps none."""

    def write(self, records: Sequence[PlacedRecord]) -> None:
        """Encode the records."""
        for record in records:
            _ = record.line

    def close(self) -> None:
        """Do nothing."""


class Kept(Nowhere):
    """A sink that keeps the lines."""

    def __init__(self) -> None:
        self.lines: list[bytes] = []

    def write(self, records: Sequence[PlacedRecord]) -> None:
        """Keep the lines."""
        self.lines += [record.line.encode() + b"\n" for record in records]


def decisions(enforcer: PolicyEnforcer, count: int) -> list[tuple[RequestContext, PolicyDecision]]:
    """Return contexts and the decisions about them, over 30 rules."""
    document = policy(30, "typical")
    enforcer.publish(TENANT, document)
    asked = [RequestContext.from_mapping(context) for context in requests(document, "typical", count)]
    return [(context, enforcer.evaluate(context)) for context in asked]


def cost(rounds: int) -> None:
    """Print what a record costs the request, and the writer, beside the decision itself."""
    per_round = 2_000
    with PolicyEnforcer.from_url("memory://", decision_log=lambda record: None) as enforcer:
        made = decisions(enforcer, per_round)
        on_request: list[float] = []
        for _ in range(rounds):
            # The writer sleeps in a sink, so that what it does is not taken for the request's.
            awake = threading.Event()
            log = DecisionLog(open_sinks(_asleep(awake)), capacity=10**6)
            log.append(made[0][1], made[0][0])
            time.sleep(0.05)
            deciding = _time(lambda: [enforcer.evaluate(context) for context, _ in made])
            recording = _time(partial(_append_all, log, made))
            on_request.append(recording / deciding)
            awake.set()
            log.close(30)
        ratio = statistics.median(on_request)
        print(
            f"a record on the request path       {ratio:.2f} of a decision at 30 rules"
            f"{_goal(ratio <= COST_GOAL)}"
        )
        for name, key in (("plain", None), ("sealed", KEY)):
            log = DecisionLog([Nowhere()], capacity=10**6, key=key)
            started = time.process_time_ns()
            for context, one in made * 5:
                log.append(one, context)
            log.flush(60)
            spent = (time.process_time_ns() - started) / len(made) / 5 / 1000
            log.close()
            print(f"a record in all, {name:<18}{spent:.1f} us of CPU")


def _append_all(log: DecisionLog, made: list[tuple[RequestContext, PolicyDecision]]) -> None:
    for context, one in made:
        log.append(one, context)


def _asleep(awake: threading.Event) -> Callable[[object], object]:
    return lambda record: awake.wait()


def _time(work: Callable[[], object]) -> float:
    started = time.thread_time_ns()
    work()
    return time.thread_time_ns() - started


def _goal(reached: bool) -> str:
    return " (goal reached)" if reached else " (GOAL MISSED)"


def _write(url: str, spill: str, begun: Semaphore, results: str) -> None:
    store = open_store(url)
    log = DecisionLog(open_sinks("redis", store, spill=Path(spill)), key=KEY)
    with PolicyEnforcer.from_url("memory://", decision_log=lambda record: None) as enforcer:
        made = decisions(enforcer, 500)
    for number in range(DECISIONS):
        context, one = made[number % len(made)]
        log.append(one._replace(decision_id=f"{log}-{number}"), context)
        time.sleep(0.0002)
        if number == DECISIONS // 4:
            begun.release()
    log.close(60)
    status = log.status
    Path(results).write_text(json.dumps([status.lost, status.failed]))


def outage() -> None:
    """Print what is left of the records of four processes when the server is killed between them."""
    from tests.servers import Server

    spawn = multiprocessing.get_context("spawn")
    begun = spawn.Semaphore(0)
    with tempfile.TemporaryDirectory() as directory, Server(persistent=True) as server:
        results = [f"{directory}/result-{number}" for number in range(WRITERS)]
        spill = f"{directory}/spill"
        workers = [
            spawn.Process(target=_write, args=(server.url, spill, begun, result)) for result in results
        ]
        for worker in workers:
            worker.start()
        for _ in workers:
            begun.acquire()
        server.kill()
        time.sleep(1)
        server.start()
        for worker in workers:
            worker.join()
        store = open_store(server.url)
        assert isinstance(store, RedisStore)
        lines = list(StreamLog(store).lines())
        records = [json.loads(line) for line in lines]
        unique = {(record["writer"], record["seq"]) for record in records}
        made = sum(record["event"] == "decision" for record in records)
        lost = [
            sum(numbers)
            for numbers in zip(*(json.loads(Path(one).read_text()) for one in results), strict=True)
        ]
        result = verify(lines, [KEY])
        good = (
            made == WRITERS * DECISIONS and len(unique) == len(records) and result.intact and lost == [0, 0]
        )
        print(
            f"{WRITERS} writers x {DECISIONS}, server killed  {made} decisions in the stream, "
            f"{len(records) - len(unique)} twice, {lost[0]} lost, {lost[1]} failed, "
            f"{len(result.findings)} findings, {len(list(Path(spill).glob('*')))} files left{_goal(good)}"
        )


def tampering() -> None:
    """Print how many of many mutations are found, and how long verifying takes."""
    with PolicyEnforcer.from_url("memory://", decision_log=lambda record: None) as enforcer:
        made = decisions(enforcer, 2_000)
    sink = Kept()
    log = DecisionLog([sink], key=KEY, capacity=10**6)
    for context, one in made:
        log.append(one, context)
    log.close()
    lines = sink.lines
    started = time.process_time_ns()
    intact = verify(lines, [KEY])
    spent = (time.process_time_ns() - started) / len(lines) / 1000
    anchors = list(intact.heads.values())
    draw = random.Random(1)
    few = lines[:60]
    few_anchors = list(verify(few, [KEY]).heads.values())
    found = sum(not verify(_mutated(few, draw), [KEY], anchors=few_anchors).intact for _ in range(MUTATIONS))
    alarms = len(intact.findings) + len(verify(lines, [KEY], anchors=anchors).findings)
    good = found == MUTATIONS and alarms == 0
    print(
        f"mutations of a sealed log          {found} of {MUTATIONS} found, {alarms} false alarms{_goal(good)}"
    )
    print(f"verifying                          {spent:.1f} us a record")


def _mutated(lines: list[bytes], draw: random.Random) -> list[bytes]:
    whole, copy = b"".join(lines), list(lines)
    at, one, other = (
        draw.randrange(len(whole) - 1),
        draw.randrange(len(lines)),
        draw.randrange(len(lines) - 1),
    )
    match draw.randrange(6):
        case 0:
            whole = whole[:at] + bytes([whole[at] ^ (1 << draw.randrange(8))]) + whole[at + 1 :]
        case 1:
            whole = whole[:at] + whole[at + 1 :]
        case 2:
            whole = whole[:at]
        case 3:
            del copy[one]
            whole = b"".join(copy)
        case 4:
            copy.insert(other, copy[one])
            whole = b"".join(copy)
        case _:
            other += other >= one
            copy[one], copy[other] = copy[other], copy[one]
            whole = b"".join(copy)
    return whole.splitlines(keepends=True)


def main() -> None:
    """Run every measurement."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=15)
    options = parser.parse_args()
    cost(options.rounds)
    tampering()
    outage()


if __name__ == "__main__":
    main()
