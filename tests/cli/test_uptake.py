from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from policy_middleware.cli.uptake import (
    SILENT_AFTER_SECONDS,
    Standing,
    sentences,
    uptakes,
    wait_for_uptake,
)
from policy_middleware.stores.memory import MemoryStore
from policy_middleware.stores.protocol import ProcessReport

OLD, NEW, OTHER = "0" * 64, "1" * 64, "2" * 64


def report(
    process: str = "web:1",
    revision: str | None = NEW,
    rejected: str | None = None,
    because: str | None = None,
    age: float = 1.0,
) -> ProcessReport:
    return ProcessReport(process, revision, rejected, because, time.time() - age)


@pytest.mark.parametrize(
    ("told", "standing"),
    [
        (report(revision=NEW), Standing.IN_FORCE),
        (report(revision=OLD), Standing.BEHIND),
        (report(revision=None), Standing.BEHIND),
        (report(revision=OLD, rejected=NEW, because="$: no"), Standing.REFUSED),
        (report(revision=OLD, rejected=None, because="$: cannot be read"), Standing.REFUSED),
        (report(revision=OLD, rejected=OTHER, because="$: no"), Standing.BEHIND),
        (report(revision=OLD, age=SILENT_AFTER_SECONDS + 10), Standing.SILENT),
    ],
)
def test_how_a_process_stands_to_the_stored_revision(told: ProcessReport, standing: Standing) -> None:
    assert uptakes([told], NEW, time.time())[0].standing is standing


class Clock:
    """A clock that moves only when somebody pauses; `each_pause` is what the processes do meanwhile."""

    def __init__(self, each_pause: Callable[[int], None] = lambda number: None) -> None:
        self.now = 0.0
        self.pauses = 0
        self._each_pause = each_pause

    def pause(self, seconds: float) -> None:
        self.now += seconds
        self.pauses += 1
        self._each_pause(self.pauses)

    def __call__(self) -> float:
        return self.now


def store_with(*reports: ProcessReport) -> MemoryStore:
    store = MemoryStore()
    for one in reports:
        store.report(one.process, {"acme": one})
    return store


def test_waiting_ends_when_every_process_reports_the_revision() -> None:
    store = store_with(report("web:1", OLD), report("web:2", OLD))

    def follow(pause: int) -> None:
        store.report(f"web:{pause}", {"acme": report(f"web:{pause}", NEW)})

    clock = Clock(follow)
    found = wait_for_uptake(store, "acme", NEW, pause=clock.pause, clock=clock)
    assert [one.standing for one in found] == [Standing.IN_FORCE, Standing.IN_FORCE]
    assert clock.pauses == 2


def test_waiting_ends_with_a_refusal() -> None:
    store = store_with(report("web:1", OLD))
    clock = Clock(lambda pause: store.report("web:1", {"acme": report("web:1", OLD, NEW, "$: no")}))
    found = wait_for_uptake(store, "acme", NEW, pause=clock.pause, clock=clock)
    assert [one.standing for one in found] == [Standing.REFUSED]
    assert clock.pauses == 1


def test_waiting_is_bounded_when_a_process_never_follows() -> None:
    clock = Clock()
    found = wait_for_uptake(
        store_with(report("web:1", OLD)), "acme", NEW, patience=1.0, pause=clock.pause, clock=clock
    )
    assert [one.standing for one in found] == [Standing.BEHIND]
    assert 1.0 <= clock.now < 1.1


@pytest.mark.parametrize("reports", [(), (report("gone:1", OLD, age=SILENT_AFTER_SECONDS + 10),)])
def test_nobody_is_waited_for_who_is_not_there(reports: tuple[ProcessReport, ...]) -> None:
    clock = Clock()
    wait_for_uptake(store_with(*reports), "acme", NEW, pause=clock.pause, clock=clock)
    assert clock.pauses == 0


def test_people_are_told_who_follows_who_lags_and_who_refuses() -> None:
    found = uptakes(
        [
            report("web:1", NEW),
            report("web:2", NEW),
            report("web:3", OLD),
            report("web:4", OLD, NEW, "$.rules[0].effect: is unknown"),
        ],
        NEW,
        time.time(),
    )
    (following, lagging, refusing) = sentences(found, "acme")
    assert following == (True, "in force in web:1, web:2")
    assert lagging[0] is False
    assert lagging[1].startswith("not yet in force in web:3, which had 000000000000 when last heard at ")
    assert refusing == (False, "refused by web:4: $.rules[0].effect: is unknown")


def test_people_are_told_when_no_process_holds_the_document() -> None:
    assert list(sentences([], "acme")) == [
        (True, "no process holds it yet; each loads it with the first request that needs it")
    ]
