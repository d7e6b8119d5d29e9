"""What the middleware costs: whole requests in process, bare and with a policy, side by side in one run.

`python -m benchmarks.middleware`. Every round times every application in a new random order, so that a busy
machine slows all of them; ratios are taken within one round. The minimum is what the code costs when nothing
interferes, the median what it cost here today.

Two costs are told apart. *Serving* is CPU time of the thread that serves: route resolution, decision, and
making and queueing the decision record. *Everything* is CPU time of the process: the same and the writer,
another thread, which makes each record a line of JSON and hands it to `logging`; what a handler then does
with it (here: nothing) is the application's. Policies come from a real server.
"""

from __future__ import annotations

import argparse
import logging
import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from statistics import median, quantiles
from typing import Final

from benchmarks import applications
from benchmarks.applications import ACTION, Application, policy_document
from policy_middleware import PolicyEnforcer
from policy_middleware.decision_log import LOGGER_NAME
from tests.servers import Server

GOALS: Final[Mapping[str, float]] = {"Starlette": 1.6, "FastAPI": 1.15, "Flask": 1.15, "Django": 1.15}
"""Whole request with a policy, as a multiple of the bare one."""


class Discarding(logging.Handler):
    """Takes every line and does nothing with it: what an application does is its own cost.

    (A NullHandler would not do: the log does not count it as somebody who listens.)
    """

    def emit(self, record: logging.LogRecord) -> None:
        """Do nothing."""


COUNTED_OUT: Final = frozenset({"ping", "info"})
"""Commands that are not made for a request: the listener's heartbeat, and this benchmark's own question."""


@dataclass(frozen=True, slots=True)
class Cost:
    """Microseconds of CPU time per request: in the thread that served it, and in all threads together."""

    serving: float
    everything: float


def cost_of(application: Application, requests: int, settle: Callable[[], object]) -> Cost:
    """Time one round; `settle` waits for what other threads still do for its requests."""
    everything, serving = time.process_time(), time.thread_time()
    application.run(requests)
    serving = time.thread_time() - serving
    settle()
    everything = time.process_time() - everything
    return Cost(serving / requests * 1e6, everything / requests * 1e6)


def compare(
    pairs: Mapping[str, tuple[Application, Application]],
    settle: Callable[[], object],
    rounds: int,
    requests: int,
) -> None:
    """Print the cost of a request, bare and with a policy, and the ratio of the two round by round."""
    order: list[tuple[str, bool]] = [(name, policed) for name in pairs for policed in (False, True)]
    taken: dict[tuple[str, bool], list[Cost]] = {key: [] for key in order}
    for name, policed in order:
        pairs[name][policed].run(requests)
    for _ in range(rounds):
        random.shuffle(order)
        for name, policed in order:
            taken[name, policed].append(cost_of(pairs[name][policed], requests, settle))
    for kind in ("serving", "everything"):
        print(f"\n{kind + ', us/request':<24}{'bare':>8}{'policy':>15}{'ratio of':>17}{'goal':>13}")
        print(f"{'':<11}{'min':>7}{'median':>8}{'min':>8}{'median':>8}{'min':>8}{'median':>8}{'range':>14}")
        for name in pairs:
            bare = [getattr(each, kind) for each in taken[name, False]]
            guarded = [getattr(each, kind) for each in taken[name, True]]
            ratios = [more / less for less, more in zip(bare, guarded, strict=True)]
            print(
                f"{name:<11}{min(bare):>7.1f}{median(bare):>8.1f}{min(guarded):>8.1f}{median(guarded):>8.1f}"
                f"{min(guarded) / min(bare):>8.2f}{median(ratios):>8.2f}"
                f"{f'{min(ratios):.2f}-{max(ratios):.2f}':>14}{GOALS[name]:>7.2f}"
            )


def count_round_trips(server: Server, application: Application, requests: int) -> None:
    """Print how many commands the server received while `requests` were allowed."""
    before = commands_received(server)
    application.run(requests)
    after = commands_received(server)
    made = {
        name: count - before.get(name, 0) for name, count in after.items() if count != before.get(name, 0)
    }
    print(f"\ncommands at the server during {requests} allowed requests: {sum(made.values())} {made or ''}")


def commands_received(server: Server) -> dict[str, int]:
    """Return how often each command was called at the server since it started."""
    with server.client() as client:
        stats = client.info("commandstats")
    calls = {name.removeprefix("cmdstat_"): int(entry["calls"]) for name, entry in stats.items()}
    return {name: count for name, count in calls.items() if name not in COUNTED_OUT}


def time_to_take_effect(server: Server, enforcer: PolicyEnforcer, changes: int) -> None:
    """Print how long a bare SET takes to decide the next request, and how long requests took meanwhile."""
    context = {"tenant": "acme", "role": "role0", "action": ACTION}
    in_force: list[float] = []
    slowest = 0.0
    with server.client() as client:
        for number in range(changes):
            reason = f"Change {number}."
            started = time.perf_counter()
            client.set("policy:doc:{acme}", policy_document(reason))
            while True:
                asked = time.perf_counter()
                decision = enforcer.evaluate(context)
                answered = time.perf_counter()
                slowest = max(slowest, answered - asked)
                if decision.reason == reason:
                    in_force.append(answered - started)
                    break
                # Without a pause this loop would hold the interpreter lock that the listener needs.
                time.sleep(0.00005)
    percentiles = quantiles(in_force, n=100)
    p50, p99 = percentiles[49] * 1e3, percentiles[98] * 1e3
    print(f"\nbare SET in force: p50 {p50:.2f} ms, p99 {p99:.2f} ms (goal: p99 <= 10 ms)")
    print(f"slowest decision meanwhile: {slowest * 1e3:.2f} ms")


def main() -> None:
    """Run everything on a private server."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=31)
    parser.add_argument("--requests", type=int, default=500, help="per application and round")
    parser.add_argument("--changes", type=int, default=300, help="documents set one after another")
    given = parser.parse_args()
    logger = logging.getLogger(LOGGER_NAME)
    logger.addHandler(Discarding())
    logger.propagate = False
    with Server() as server:
        with server.client() as client:
            client.set("policy:doc:{acme}", policy_document("Reads are allowed."))
        enforcer = PolicyEnforcer.from_url(server.url, decision_log="logging")
        makers: Mapping[str, Callable[[PolicyEnforcer | None], Application]] = {
            "Starlette": applications.starlette,
            "FastAPI": applications.fastapi,
            "Flask": applications.flask,
            "Django": applications.django,
        }
        pairs = {name: (make(None), make(enforcer)) for name, make in makers.items()}
        compare(pairs, enforcer.decision_log.flush, given.rounds, given.requests)
        count_round_trips(server, pairs["Starlette"][True], given.requests)
        time_to_take_effect(server, enforcer, given.changes)
        enforcer.close()


if __name__ == "__main__":
    main()
