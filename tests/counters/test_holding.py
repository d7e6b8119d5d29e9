"""People can look at what rules have counted of somebody, and let somebody in again who was locked out."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from policy_middleware.counters import MemoryCounters, NoSuchCount
from policy_middleware.enforcer import PolicyEnforcer
from policy_middleware.evaluation.counting import Entry, Question
from tests.counters.policies import FIVE, LOCKED, STAFF, asking, policy
from tests.servers import Server

PER_ACTION = {
    "id": "busy",
    "when": {"count": {"rule": "staff", "per": ["subject.id", "action"], "within": "1h", "gt": 10}},
    "effect": "deny",
    "reason": "Too busy.",
}


@pytest.fixture
def records() -> list[dict[str, Any]]:
    return []


@pytest.fixture(params=["memory", "redis"])
def enforcer(request: pytest.FixtureRequest, records: list[dict[str, Any]]) -> Iterator[PolicyEnforcer]:
    url = "memory://"
    if request.param == "redis":
        server: Server = request.getfixturevalue("server")
        with server.client() as client:
            client.flushall()
        url = server.url
    settings = {"decision_log": records.append, "decision_log_mask": "/input/subject.id"}
    with PolicyEnforcer.from_url(url, **settings) as opened:
        opened.publish("acme", policy(LOCKED, PER_ACTION, STAFF, FIVE))
        yield opened


def locked(enforcer: PolicyEnforcer, subject: str = "ann") -> bool:
    return enforcer.evaluate(asking(subject=subject)).rule_id == "locked"


def lock(enforcer: PolicyEnforcer, *subjects: str) -> None:
    for subject in subjects:
        for _ in range(3):
            enforcer.decide(asking("payroll", subject=subject))


def test_what_is_counted_of_somebody_is_told_by_rule(enforcer: PolicyEnforcer) -> None:
    lock(enforcer, "ann")
    for _ in range(2):
        enforcer.decide(asking("export", subject="bob"))
    ann = {one.rule: one for one in enforcer.counts({"tenant": "acme", "user": "ann"})}
    bob = {one.rule: one for one in enforcer.counts({"tenant": "acme", "user": "bob"})}
    assert (ann["locked"].number, ann["locked"].asks) == (3, "gte 3")
    assert (bob["locked"].number, bob["five-a-day"].number, bob["five-a-day"].asks) == (0, 2, "limit 5")
    assert (ann["busy"].number, ann["busy"].missing) == (None, ("action",))
    [busy] = enforcer.counts(asking(), "acme/busy")
    assert busy.number == 0


def test_somebody_who_is_locked_out_is_let_in_again_and_nobody_else(
    enforcer: PolicyEnforcer, records: list[dict[str, Any]]
) -> None:
    lock(enforcer, "ann", "bob")
    assert locked(enforcer, "ann")
    assert locked(enforcer, "bob")
    whose = {"tenant": "acme", "user": "ann"}
    [was] = enforcer.reset_counts(whose, "locked", author="dana", note="she called")
    assert was.number == 3
    assert not locked(enforcer, "ann")
    assert locked(enforcer, "bob")
    lock(enforcer, "ann")
    assert locked(enforcer, "ann")
    enforcer.decision_log.flush()
    [event] = [record for record in records if record["event"] == "counters_reset"]
    assert (event["rule"], event["author"], event["note"]) == ("locked", "dana", "she called")
    assert list(event["facts"].values()) == [3]
    assert event["input"] == {"subject.id": "***"}  # what operators hide of decisions is hidden here, too


def test_a_used_up_limit_is_given_anew(enforcer: PolicyEnforcer) -> None:
    assert [enforcer.decide(asking("export")).effect for _ in range(6)].count("allow") == 5
    enforcer.reset_counts({"tenant": "acme", "user": "ann"}, "five-a-day", author="dana")
    assert [enforcer.decide(asking("export")).effect for _ in range(6)].count("allow") == 5


def test_what_cannot_be_set_back_is_said(enforcer: PolicyEnforcer) -> None:
    with pytest.raises(NoSuchCount, match=r"subject\.id"):
        enforcer.reset_counts({"tenant": "acme"}, "locked", author="dana")
    with pytest.raises(NoSuchCount, match="action"):
        enforcer.reset_counts({"tenant": "acme", "user": "ann"}, "busy", author="dana")
    with pytest.raises(NoSuchCount, match="'staff'"):
        enforcer.counts({"tenant": "acme", "user": "ann"}, "staff")


def test_a_fork_while_another_thread_counts_leaves_the_child_counters_that_work() -> None:
    counters = MemoryCounters()
    entry, question = Entry("a", 60, 100), Question("a", 60)
    stop = threading.Event()

    def count() -> None:
        number = 0
        while not stop.is_set():
            number += 1
            counters.write("acme", str(number), [entry])

    thread = threading.Thread(target=count)
    thread.start()
    try:
        for _ in range(20):
            child = os.fork()
            if child == 0:
                done = threading.Event()

                def ask(done: threading.Event = done) -> None:
                    counters.read("acme", [question])
                    counters.write("acme", "child", [entry])
                    done.set()

                threading.Thread(target=ask, daemon=True).start()
                os._exit(0 if done.wait(10) else 1)
            assert os.waitpid(child, 0)[1] == 0
    finally:
        stop.set()
        thread.join()


def test_a_shared_store_whose_counters_are_not_shared_says_so_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with PolicyEnforcer.from_url(f"file://{tmp_path}", decision_log=print) as enforcer:
        enforcer.publish("acme", policy(LOCKED, STAFF))
        enforcer.decide(asking())
        assert "counts and limits" not in caplog.text  # nothing was counted yet
        for _ in range(3):
            enforcer.decide(asking("payroll"))
    assert caplog.text.count("counts and limits are kept in this process's memory") == 1
