"""Counts and limits as the enforcer decides them, in memory and on a server."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from policy_middleware.counters import Counters
from policy_middleware.enforcer import PolicyEnforcer
from policy_middleware.model.decision import PolicyDecision
from policy_middleware.model.effect import Effect
from policy_middleware.testing import override_policies

from .conftest import Place
from .policies import FIVE, LOCK_OUT, LOCKED, STAFF, asking, policy

Publish = Callable[..., None]


@pytest.fixture
def enforcer(counters: Counters, monkeypatch: pytest.MonkeyPatch) -> Iterator[PolicyEnforcer]:
    with PolicyEnforcer.from_url("memory://", decision_log=lambda record: None) as enforcer:
        monkeypatch.setattr(enforcer, "_counters", counters)
        yield enforcer


def effects(enforcer: PolicyEnforcer, *actions: str, **more: Any) -> list[str]:
    return [str(enforcer.decide(asking(action, **more)).effect) for action in actions]


def rules(decisions: list[PolicyDecision]) -> list[str | None]:
    return [decision.rule_id for decision in decisions]


def test_three_denials_lock_a_subject_out_of_what_it_may_do(enforcer: PolicyEnforcer) -> None:
    enforcer.publish("acme", LOCK_OUT)
    assert effects(enforcer, "read", "steal", "steal", "read", "steal") == [
        "allow",
        "deny",
        "deny",
        "allow",
        "deny",
    ]
    locked = enforcer.decide(asking("read"))
    assert (locked.rule_id, locked.effect, locked.indeterminate) == ("locked", Effect.DENY, False)
    assert list(locked.facts.values()) == [3]
    assert effects(enforcer, "read", subject="bob") == ["allow"]


def test_more_than_three_prior_denials_is_one_rule(enforcer: PolicyEnforcer) -> None:
    """The question this package was measured by."""
    more = LOCKED | {"when": {"count": {"effect": "deny", "per": ["subject.id"], "within": "1h", "gt": 3}}}
    enforcer.publish("acme", policy(more, STAFF))
    decisions = [enforcer.decide(asking("steal")) for _ in range(6)]
    assert rules(decisions) == [None] * 4 + ["locked"] * 2


def test_a_lock_out_does_not_prolong_itself(enforcer: PolicyEnforcer, place: Place) -> None:
    enforcer.publish("acme", LOCK_OUT)
    effects(enforcer, "steal", "steal", "steal")
    for _ in range(5):
        place.pass_time(600)
        assert effects(enforcer, "read") == ["deny"]
    place.pass_time(601)
    assert effects(enforcer, "read") == ["allow"]


def test_evaluating_and_explaining_leave_counters_as_they_are(enforcer: PolicyEnforcer) -> None:
    enforcer.publish("acme", policy(LOCKED, FIVE))
    for _ in range(9):
        assert enforcer.evaluate(asking("export")).effect is Effect.ALLOW
        assert enforcer.explain(asking("export")).outcome.effect is Effect.ALLOW
        assert enforcer.evaluate(asking("steal")).rule_id is None


def test_an_explanation_shows_what_was_counted(enforcer: PolicyEnforcer) -> None:
    enforcer.publish("acme", policy(LOCKED, FIVE))
    effects(enforcer, *["export"] * 5)
    locked, five = enforcer.explain(asking("export")).documents[0].rules
    assert [str(leaf) for leaf in locked.leaves] == [
        "count of effect deny per subject.id within 1h except acme/locked is 0; gte 3 is false"
    ]
    assert [str(leaf) for leaf in five.leaves] == [
        "count of limit acme/five-a-day per subject.id within 1d is 5; lt 5 is false"
    ]


def test_a_limit_allows_so_many_and_no_more(enforcer: PolicyEnforcer, place: Place) -> None:
    enforcer.publish("acme", policy(FIVE))
    assert effects(enforcer, *["export"] * 7) == ["allow"] * 5 + ["deny"] * 2
    place.pass_time(24 * 3600 + 1)
    assert effects(enforcer, "export") == ["allow"]


def test_beyond_the_limit_the_next_rule_decides(enforcer: PolicyEnforcer) -> None:
    ask = {"id": "ask", "when": {"action": "export"}, "effect": "require_approval", "reason": "Ask."}
    enforcer.publish("acme", policy(FIVE, ask))
    assert effects(enforcer, *["export"] * 6)[-2:] == ["allow", "require_approval"]


def test_a_hundred_at_once_let_exactly_five_through(enforcer: PolicyEnforcer) -> None:
    enforcer.publish("acme", policy(FIVE))
    with ThreadPoolExecutor(20) as pool:
        decisions = list(pool.map(lambda _: enforcer.decide(asking("export")), range(100)))
    assert sorted(str(decision.effect) for decision in decisions) == ["allow"] * 5 + ["deny"] * 95


def test_history_is_exact_under_concurrency(enforcer: PolicyEnforcer) -> None:
    """Of a hundred reads at once, ten come before the tenth: no two decide on the same past."""
    often = {
        "id": "often",
        "when": {"count": {"effect": "allow", "per": ["subject.id"], "within": "1h", "gte": 10}},
        "effect": "deny",
        "reason": "Often enough.",
    }
    enforcer.publish("acme", policy(often, STAFF))
    with ThreadPoolExecutor(20) as pool:
        decisions = list(pool.map(lambda _: enforcer.decide(asking()), range(100)))
    assert sorted(map(str, rules(decisions))) == ["often"] * 90 + ["staff"] * 10


def test_what_a_guardrail_forbids_takes_no_place_in_a_limit(enforcer: PolicyEnforcer) -> None:
    enforcer.publish("acme", policy(FIVE))
    enforcer.publish(
        "_global",
        {"rules": [{"id": "no", "when": {"context.bad": True}, "effect": "deny", "reason": "No."}]},
    )
    for _ in range(6):
        assert enforcer.decide(asking("export", **{"context.bad": True})).rule_id == "no"
    assert effects(enforcer, *["export"] * 6) == ["allow"] * 5 + ["deny"]


def test_guardrails_count_what_the_tenants_documents_decided(enforcer: PolicyEnforcer) -> None:
    enforcer.publish("acme", policy(STAFF))
    enforcer.publish("globex", policy(STAFF))
    enforcer.publish("_global", {"rules": [LOCKED]})
    effects(enforcer, "steal", "steal", "steal")
    locked = enforcer.decide(asking("read"))
    assert (locked.document, locked.rule_id) == ("_global", "locked")
    assert enforcer.decide(asking("read") | {"tenant": "globex"}).effect is Effect.ALLOW


def test_the_default_document_counts_for_each_tenant_apart(counters: Counters) -> None:
    with PolicyEnforcer.from_url("memory://", on_missing_policy="default", decision_log=print) as enforcer:
        enforcer.publish("_default", policy(FIVE))
        assert effects(enforcer, *["export"] * 6)[-1] == "deny"
        assert enforcer.decide(asking("export") | {"tenant": "globex"}).effect is Effect.ALLOW


def test_a_limit_holds_where_a_guardrail_masks(enforcer: PolicyEnforcer) -> None:
    mask = {
        "id": "masked",
        "when": {},
        "effect": "mask",
        "reason": "Masked.",
        "mask": {"fields": {"a": "redact"}},
    }
    enforcer.publish("acme", policy(FIVE))
    enforcer.publish("_global", {"rules": [mask]})
    assert effects(enforcer, *["export"] * 6) == ["mask"] * 5 + ["deny"]


def test_the_strictest_of_many_still_reserves_for_all_that_allowed(enforcer: PolicyEnforcer) -> None:
    two = FIVE | {"id": "two", "limit": {"per": ["subject.id"], "within": "1h", "max": 2}}
    enforcer.publish("acme", policy(FIVE, two, combine="most_restrictive"))
    assert effects(enforcer, *["export"] * 6) == ["allow"] * 5 + ["deny"]


def test_a_missing_attribute_to_count_by_is_unknown(enforcer: PolicyEnforcer) -> None:
    enforcer.publish("acme", policy(LOCKED, STAFF, FIVE))
    decision = enforcer.decide(asking("read", subject=None))
    assert (decision.rule_id, decision.effect, decision.indeterminate) == ("locked", Effect.DENY, True)
    assert list(decision.facts.values()) == [None]
    enforcer.publish("acme", policy(FIVE))
    assert enforcer.decide(asking("export", subject=None)).rule_id is None


def test_application_events_are_counted(enforcer: PolicyEnforcer) -> None:
    failed = LOCKED | {
        "when": {"count": {"event": "login.failed", "per": ["subject.id"], "within": "15m", "gte": 3}}
    }
    enforcer.publish("acme", policy(failed, STAFF))
    for attempt in ("1", "2", "2"):
        enforcer.record("login.failed", {"tenant": "acme", "user": "ann"}, event_id=attempt)
    enforcer.record("login.worked", {"tenant": "acme", "user": "ann"})
    assert effects(enforcer, "read") == ["allow"]
    enforcer.record("login.failed", {"tenant": "acme", "user": "ann"})
    assert effects(enforcer, "read") == ["deny"]
    assert effects(enforcer, "read", subject="bob") == ["allow"]


def test_an_observed_lock_out_says_when_it_would_lock(enforcer: PolicyEnforcer) -> None:
    enforcer.publish("acme", policy(LOCKED | {"mode": "observe"}, STAFF))
    effects(enforcer, "steal", "steal", "steal")
    decision = enforcer.decide(asking("read"))
    assert decision.effect is Effect.ALLOW
    assert [seen.rule_id for seen in decision.observed] == ["locked"]


def test_an_observed_limit_is_never_used_up(enforcer: PolicyEnforcer) -> None:
    enforcer.publish("acme", policy(FIVE | {"mode": "observe"}, default="allow"))
    for _ in range(7):
        assert [seen.rule_id for seen in enforcer.decide(asking("export")).observed] == ["five-a-day"]


def test_counting_by_the_whole_tenant_and_by_several_attributes(enforcer: PolicyEnforcer) -> None:
    limit = {"per": ["tenant", "action"], "within": "1h", "max": 2}
    enforcer.publish("acme", policy(FIVE | {"limit": limit, "when": {}}))
    assert effects(enforcer, "a", "a", "b", "a") == ["allow", "allow", "allow", "deny"]
    assert effects(enforcer, "a", "b", subject="bob") == ["deny", "allow"]


def test_an_edited_rule_keeps_its_counters(enforcer: PolicyEnforcer) -> None:
    enforcer.publish("acme", policy(FIVE))
    effects(enforcer, *["export"] * 5)
    more = FIVE | {"limit": {**FIVE["limit"], "max": 6}, "reason": "Six a day."}
    enforcer.publish("acme", policy(more))
    assert effects(enforcer, "export", "export") == ["allow", "deny"]


def test_overridden_policies_count_in_counters_of_their_own(enforcer: PolicyEnforcer) -> None:
    enforcer.publish("acme", policy(FIVE))
    effects(enforcer, *["export"] * 5)
    for _ in range(2):
        with override_policies(policy(FIVE)):
            assert effects(enforcer, *["export"] * 6) == ["allow"] * 5 + ["deny"]
    assert effects(enforcer, "export") == ["deny"]
