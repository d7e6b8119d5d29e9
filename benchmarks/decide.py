"""What a decision costs: the decision record's loop, the specification and the index, side by side.

`python -m benchmarks.decide`. Every round times every engine at every size in a new random order, so that a
busy machine slows all of them; ratios are taken within a round and their median is printed. Times are CPU
time of the thread. Before anything is timed, every engine has to give the loop's answers.
"""

from __future__ import annotations

import argparse
import random
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from benchmarks.workload import SHAPES, TENANT, JsonObject, Loop, policy, requests
from policy_middleware import PolicyEnforcer, RequestContext
from policy_middleware.evaluation.index import CompiledDocument
from policy_middleware.evaluation.policy_set import PolicySet
from policy_middleware.evaluation.reference import evaluate_documents
from policy_middleware.model.documents import parse_document

SIZES: Final = (30, 300, 3000)
REQUESTS: Final = 4000
COMPILE_GOALS_MS: Final[Mapping[int, float]] = {30: 0.3, 3000: 50.0}
LOOP_GOALS: Final[Mapping[int, float]] = {30: 4.0, 3000: 500.0}
GROWTH_GOAL: Final = 2.0

LOOP: Final = "loop of the decision record"
REFERENCE: Final = "specification (reference.py)"
INDEX: Final = "index: context -> Outcome"
FULL: Final = "enforcer: context -> PolicyDecision"
FROM_MAPPING: Final = "enforcer: mapping -> PolicyDecision"
ENGINES: Final = (LOOP, REFERENCE, INDEX, FULL, FROM_MAPPING)
_RULES_PER_ROUND: Final = 120_000
"""How many rules an engine that walks all of them may visit in a round, so that rounds stay short."""


@dataclass(frozen=True)
class Engine:
    """One way to decide, with the questions it is asked: all of them, or for slow ones a few each round."""

    decide: Callable[[object], object]
    questions: Sequence[object]
    per_round: int

    def microseconds(self) -> float:
        """Return the mean time of a decision over one round's questions."""
        decide = self.decide
        first = random.randrange(len(self.questions) - self.per_round + 1)
        questions = self.questions[first : first + self.per_round]
        started = time.thread_time_ns()
        for question in questions:
            decide(question)
        return (time.thread_time_ns() - started) / len(questions) / 1000


def engines(enforcer: PolicyEnforcer, raw: JsonObject, shape: str, size: int) -> dict[str, Engine]:
    """Return every engine over one policy, after checking that all of them agree."""
    tenant = f"{TENANT}-{shape}-{size}"
    document = parse_document(raw, name=tenant)
    enforcer.publish(tenant, raw)
    mappings = [{**asked, "tenant_id": tenant} for asked in requests(raw, shape, REQUESTS)]
    contexts = [RequestContext.from_mapping(asked) for asked in mappings]
    policies = PolicySet((CompiledDocument(document, "0" * 64),))
    loop = Loop(raw)
    few = max(10, min(REQUESTS, _RULES_PER_ROUND // size))

    def specification(context: RequestContext) -> object:
        return evaluate_documents((document,), context)

    compared: dict[str, tuple[Callable[..., object], Sequence[object], int]] = {
        LOOP: (loop.evaluate, mappings, few),
        REFERENCE: (specification, contexts, max(10, few // 5)),
        INDEX: (policies.evaluate, contexts, REQUESTS),
        FULL: (enforcer.evaluate, contexts, REQUESTS),
        FROM_MAPPING: (enforcer.evaluate, mappings, REQUESTS),
    }
    for name, (decide, questions, _) in compared.items():
        for question, mapping in list(zip(questions, mappings, strict=True))[:200]:
            expected = loop.evaluate(mapping).action
            found = getattr(decide(question), "effect", expected)
            if found != expected:
                raise SystemExit(f"{name} answers {found}, the loop {expected}: {mapping}")
    return {name: Engine(*parts) for name, parts in compared.items()}


def timed(cells: Mapping[tuple[int, str], Engine], rounds: int) -> dict[tuple[int, str], list[float]]:
    """Return microseconds per decision of every cell, round by round."""
    order = list(cells)
    taken: dict[tuple[int, str], list[float]] = {cell: [] for cell in order}
    for cell in order:
        cells[cell].microseconds()
    for _ in range(rounds):
        random.shuffle(order)
        for cell in order:
            taken[cell].append(cells[cell].microseconds())
    return taken


def ratio(numerators: Sequence[float], denominators: Sequence[float]) -> float:
    """Return the median of the ratios taken round by round."""
    return statistics.median(above / below for above, below in zip(numerators, denominators, strict=True))


def print_decisions(shape: str, taken: Mapping[tuple[int, str], list[float]]) -> None:
    """Print one shape: microseconds, times faster than the loop, and growth with the number of rules."""
    print(f"\n{shape:<38}" + "".join(f"{f'{size} rules':>22}" for size in SIZES) + f"{'30 -> 3000':>14}")
    for name in ENGINES:
        line = f"  {name:<36}"
        for size in SIZES:
            faster = ratio(taken[size, LOOP], taken[size, name])
            line += f"{statistics.median(taken[size, name]):>10.2f} us {f'({faster:.1f}x)':>9}"
        print(line + f"{'x' + format(ratio(taken[SIZES[-1], name], taken[SIZES[0], name]), '.2f'):>14}")
    for name in (FULL, FROM_MAPPING):
        growth = ratio(taken[SIZES[-1], name], taken[SIZES[0], name])
        verdicts = [
            _against(f"3000 at {growth:.2f}x of 30 (goal <= {GROWTH_GOAL:g}x)", growth <= GROWTH_GOAL)
        ]
        for size, goal in LOOP_GOALS.items():
            faster = ratio(taken[size, LOOP], taken[size, name])
            verdicts.append(_against(f"{size}: {faster:.1f}x the loop (goal >= {goal:g}x)", faster >= goal))
        print(f"  {name}: " + "; ".join(verdicts))


def print_compile_times(policies: Mapping[tuple[str, int], JsonObject], rounds: int) -> None:
    """Print milliseconds to compile a validated document."""
    print(f"\n{'compile':<38}" + "".join(f"{f'{size} rules':>22}" for size in SIZES))
    parsed = {cell: parse_document(raw, name=TENANT) for cell, raw in policies.items()}
    taken: dict[tuple[str, int], list[float]] = {cell: [] for cell in parsed}
    for _ in range(rounds):
        for cell, document in parsed.items():
            started = time.thread_time_ns()
            CompiledDocument(document, "0" * 64)
            taken[cell].append((time.thread_time_ns() - started) / 1e6)
    for shape in SHAPES:
        medians = {size: statistics.median(taken[shape, size]) for size in SIZES}
        print(f"  {shape:<36}" + "".join(f"{medians[size]:>19.2f} ms" for size in SIZES))
        verdicts = [
            _against(f"{size}: {medians[size]:.2f} ms (goal <= {goal:g} ms)", medians[size] <= goal)
            for size, goal in COMPILE_GOALS_MS.items()
        ]
        print("  " + "; ".join(verdicts))


def _against(figure: str, met: bool) -> str:
    return f"{figure} {'met' if met else 'MISSED'}"


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=15)
    options = parser.parse_args()
    policies = {(shape, size): policy(size, shape) for shape in SHAPES for size in SIZES}
    print(
        f"median of {options.rounds} interleaved rounds, {REQUESTS} requests; (x): times faster than the loop"
    )
    with PolicyEnforcer.from_url("memory://", decision_log="logging", max_tenants=100) as enforcer:
        for shape in SHAPES:
            cells = {
                (size, name): engine
                for size in SIZES
                for name, engine in engines(enforcer, policies[shape, size], shape, size).items()
            }
            print_decisions(shape, timed(cells, options.rounds))
    print_compile_times(policies, options.rounds)


if __name__ == "__main__":
    main()
