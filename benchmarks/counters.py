"""What counters answer under fire and what they cost: races, window edges, round trips, microseconds.

`python -m benchmarks.counters`. Every figure is taken on a real server. Windows are two seconds long, so that
edges come by often; the truth is kept beside the counters, as intervals of the server's clock around each
write, and an answer is wrong only if no order of events explains it.
"""

from __future__ import annotations

import argparse
import logging
import multiprocessing
import random
import statistics
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, Final

import redis

from benchmarks.workload import JsonObject
from policy_middleware import PolicyEnforcer
from policy_middleware.counters import RedisCounters
from policy_middleware.evaluation.counting import Entry, Question
from policy_middleware.model.errors import StoreUnavailable
from policy_middleware.stores.redis_store import RedisStore
from tests.servers import Server

PROCESSES: Final = 8
WINDOW: Final = 2.0
EVENTS: Final = Entry("edges", WINDOW, 100_000)
ASKED: Final = Question("edges", WINDOW)

FOREVER: Final = 2**62

Interval = tuple[int, int]
"""Microseconds of the server's clock right before and right after something happened."""


def limited(most: int) -> JsonObject:
    """Return a document that allows so many exports a day."""
    rule = {"id": "limited", "when": {"action": "export"}, "effect": "allow", "reason": "Some a day."}
    return _document(rule | {"limit": {"per": ["subject.id"], "within": "24h", "max": most}})


def counting(effect: str, threshold: int) -> JsonObject:
    """Return a document that denies exports after so many decisions of an effect, and allows them before."""
    count = {"effect": effect, "per": ["subject.id"], "within": "1h", "gte": threshold}
    return _document(
        {
            "id": "often",
            "when": {"action": "export", "count": count},
            "effect": "deny",
            "reason": "Often enough.",
        },
        {
            "id": "others",
            "when": {"action": {"in": ["export", "read"]}},
            "effect": "allow",
            "reason": "Work.",
        },
    )


def _document(*rules: JsonObject) -> JsonObject:
    return {"schema": 1, "default": "deny", "rules": list(rules)}


def asking(action: str) -> Mapping[str, object]:
    """Return a request of the one subject that everybody is here."""
    return {"tenant": "acme", "subject.id": "ann", "action": action}


def _enforcer(url: str) -> PolicyEnforcer:
    return PolicyEnforcer.from_url(url, decision_log=_ignore)


def _ignore(record: object) -> None:
    pass


def _exports(url: str, times: int, start: Any, answers: Any) -> None:
    with _enforcer(url) as enforcer:
        enforcer.evaluate(asking("read"))
        start.wait()
        answers.put(sum(enforcer.decide(asking("export")).allowed for _ in range(times)))


def race(url: str, document: JsonObject, times: int) -> int:
    """Let every process export `times` times at once; return how many exports were allowed."""
    with _enforcer(url) as enforcer:
        enforcer.publish("acme", document)
    rows = _at_once(lambda start, answers: (_exports, (url, times, start, answers)))
    return sum(int(row) for row in rows)


def _write_and_tell(url: str, number: int, seconds: float, start: Any, answers: Any) -> None:
    store = RedisStore(url)
    counters, chance = RedisCounters(store.client, store.keys), random.Random(number)
    told: list[Interval] = []
    start.wait()
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        with suppress(StoreUnavailable, redis.RedisError):  # a crowded machine
            before = _clock(store.client)
            told.append((before, FOREVER))  # may have happened at any time, until it is known to have
            counters.write("acme", f"{number}-{len(told)}", [EVENTS])
            told[-1] = before, _clock(store.client)
        time.sleep(chance.random() * 0.2)
    answers.put(told)


def _read_and_tell(url: str, number: int, seconds: float, start: Any, answers: Any) -> None:
    store = RedisStore(url)
    counters, chance = RedisCounters(store.client, store.keys), random.Random(number)
    seen: list[tuple[Interval, int]] = []
    start.wait()
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        with suppress(StoreUnavailable, redis.RedisError):
            before = _clock(store.client)
            [count] = counters.read("acme", [ASKED])
            seen.append(((before, _clock(store.client)), count))
        time.sleep(chance.random() * 0.02)
    answers.put(seen)


def edges(url: str, seconds: float) -> tuple[int, int, int, int]:
    """Return (events, samples, answers that were too low, answers that were too high)."""
    programs = iter([_write_and_tell] * (PROCESSES - 2) + [_read_and_tell] * 2)
    numbers = iter(range(PROCESSES))
    rows = _at_once(lambda start, answers: (next(programs), (url, next(numbers), seconds, start, answers)))
    writes = [one for row in rows for one in row if isinstance(one[0], int)]
    reads = [one for row in rows for one in row if not isinstance(one[0], int)]
    under = over = 0
    for (before, after), count in reads:
        certain = sum(w_after <= before and w_before > after - WINDOW * 1e6 for w_before, w_after in writes)
        possible = sum(w_before <= after and w_after > before - WINDOW * 1e6 for w_before, w_after in writes)
        under += count < certain
        over += count > possible
    return len(writes), len(reads), under, over


def _clock(client: redis.Redis) -> int:
    seconds, microseconds = client.time()
    return int(seconds) * 1_000_000 + int(microseconds)


def _at_once(program: Callable[[Any, Any], tuple[Callable[..., None], tuple[Any, ...]]]) -> list[Any]:
    context = multiprocessing.get_context("spawn")
    start, answers = context.Barrier(PROCESSES), context.Queue()
    running = []
    for _ in range(PROCESSES):
        target, arguments = program(start, answers)
        running.append(context.Process(target=target, args=arguments))
    for process in running:
        process.start()
    rows = [answers.get(timeout=300) for _ in running]
    for process in running:
        process.join()
    return rows


def round_trips(server: Server) -> dict[str, int]:
    """Return how many commands the server saw for one decision, by what the decision needed."""
    asked = {
        "other conditions do not hold": (counting("deny", 3), "read"),
        "other conditions hold": (counting("deny", 3), "export"),
        "decision is counted, nothing to know": (counting("deny", 3), "steal"),
        "both": (counting("allow", 1000), "export"),
        "limit": (limited(1000), "export"),
        "document without counts": (_document(), "export"),
    }
    found = {}
    for what, (document, action) in asked.items():
        with _enforcer(server.url) as enforcer, server.client() as admin:
            enforcer.publish("acme", document)
            for _ in range(2):  # loads the documents and the scripts
                enforcer.decide(asking(action))
            before = _calls(admin)
            for _ in range(100):
                enforcer.decide(asking(action))
            found[what] = (_calls(admin) - before) // 100
    return found


def _calls(admin: redis.Redis) -> int:
    stats: Any = admin.info("commandstats")
    # The listener's heartbeat and the paperwork are no part of a decision.
    return sum(int(each["calls"]) for name, each in stats.items() if name.startswith("cmdstat_eval"))


def costs(url: str, rounds: int) -> dict[str, float]:
    """Return microseconds per decision, the median of interleaved rounds."""
    documents = {
        "without counts": ("plain", _document()),
        "count not reached": ("apart", counting("deny", 3)),
        "one count read": ("reads", counting("deny", 3)),
        "read and reserved": ("limit", limited(100_000)),
    }
    taken: dict[str, list[float]] = {what: [] for what in documents}
    with _enforcer(url) as enforcer:
        for tenant, document in documents.values():
            enforcer.publish(tenant, document)
        for _ in range(rounds):
            for what, (tenant, _) in documents.items():
                action = "read" if what == "count not reached" else "export"
                context = {**asking(action), "tenant": tenant}
                started = time.perf_counter()
                for _ in range(200):
                    enforcer.decide(context)
                taken[what].append((time.perf_counter() - started) / 200 * 1e6)
    return {what: statistics.median(each) for what, each in taken.items()}


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=12.0, help="how long edges are sampled")
    parser.add_argument("--rounds", type=int, default=9)
    options = parser.parse_args()
    logging.disable(logging.WARNING)
    with Server() as server:
        for times, most in ((13, 5), (40, 50)):
            allowed = race(server.url, limited(most), times)
            print(f"{PROCESSES} processes x {times} under a limit of {most}: {allowed} allowed (goal {most})")
            _empty(server)
        allowed = race(server.url, counting("allow", 50), 40)
        print(f"{PROCESSES} processes x 40, denied after 50 allowed: {allowed} allowed (goal 50)")
        _empty(server)
        events, samples, under, over = edges(server.url, options.seconds)
        print(
            f"edges of a {WINDOW:g} s window: {samples} samples of {events} events by {PROCESSES} processes: "
            f"{under} too low, {over} too high (goal 0, 0)"
        )
        print("commands per decision, counted at the server:")
        for what, calls in round_trips(server).items():
            print(f"  {what:<40}{calls}")
        print("microseconds per decision:")
        for what, cost in costs(server.url, options.rounds).items():
            print(f"  {what:<40}{cost:.0f}")


def _empty(server: Server) -> None:
    with server.client() as admin:
        admin.flushall()


if __name__ == "__main__":
    main()
