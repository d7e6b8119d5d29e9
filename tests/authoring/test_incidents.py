from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policy_middleware.authoring.incidents import (
    EditRefused,
    Emergency,
    pattern_condition,
    rules_of,
    switch_off,
    switch_on,
)
from policy_middleware.authoring.rule_edits import UnknownRule
from policy_middleware.evaluation.reference import evaluate_document, holds
from policy_middleware.model.context import RequestContext
from policy_middleware.model.documents import parse_document
from policy_middleware.model.effect import Effect
from policy_middleware.model.errors import DocumentError
from policy_middleware.model.times import format_time, moment_seconds
from policy_middleware.model.when_parser import parse_when
from tests.authoring.linting import NOW, rule

AGENTS = Emergency("agent.*", Effect.DENY, NOW + 7200, "Agents are off for now.")


def asked(action: str, tenant: str = "acme") -> RequestContext:
    return RequestContext(tenant, {"tenant": tenant, "action": action}, NOW)


def effect(raw: bytes, action: str, tenant: str = "acme") -> Effect | None:
    outcome = evaluate_document(parse_document(raw, name="_incident"), asked(action, tenant)).outcome
    return None if outcome is None else outcome.effect


def written(*rules: Any, **more: Any) -> bytes:
    until = {"valid_until": format_time(NOW + 999)}
    return json.dumps({"rules": [{**until, **one} for one in rules], **more}, indent=2).encode()


def test_an_emergency_begins_where_there_was_no_document() -> None:
    on = switch_on(None, replace(AGENTS, note="INC-42"))
    assert on.rule_id == "incident-agent"
    assert effect(on.body, "agent.run") is Effect.DENY
    assert effect(on.body, "document.read") is None
    [stored] = rules_of(on.body)
    assert (stored.reason, stored.note, stored.valid_until) == (
        "Agents are off for now.",
        "INC-42",
        NOW + 7200,
    )


def test_saying_it_again_changes_the_rule_and_adds_none() -> None:
    first = switch_on(None, AGENTS)
    second = switch_on(first.body, replace(AGENTS, until=NOW + 9000, effect=Effect.REQUIRE_APPROVAL))
    [stored] = rules_of(second.body)
    assert (stored.id, stored.valid_until, stored.effect) == (
        first.rule_id,
        NOW + 9000,
        Effect.REQUIRE_APPROVAL,
    )
    assert switch_on(first.body, AGENTS) == first


def test_on_and_off_again_gives_the_same_bytes() -> None:
    before = written(rule("other", "deny", {"action": "x"}))
    on = switch_on(before, AGENTS)
    assert switch_off(on.body, on.rule_id) == before


def test_each_pattern_has_a_rule_and_an_id_of_its_own() -> None:
    body = switch_on(None, AGENTS).body
    second = switch_on(body, replace(AGENTS, actions="agent"))
    third = switch_on(second.body, replace(AGENTS, actions="GET /customers/{id}"))
    everything = switch_on(third.body, replace(AGENTS, actions="*"))
    assert [one.id for one in rules_of(everything.body)] == [
        "incident-agent",
        "incident-agent-2",
        "incident-GET-customers-id",
        "incident-all",
    ]
    assert effect(everything.body, "whatever") is Effect.DENY


def test_no_emergency_rule_hides_another() -> None:
    masked = switch_on(None, replace(AGENTS, actions="agent.*", effect=Effect.MASK, fields=("**.email",)))
    both = switch_on(masked.body, replace(AGENTS, actions="agent.run"))
    assert effect(both.body, "agent.run") is Effect.DENY
    assert effect(both.body, "agent.stop") is Effect.MASK


def test_a_denial_goes_to_the_top_where_the_first_match_decides() -> None:
    before = written(rule("mask", "mask", {}), rule("no-x", "deny", {"action": "x"}))
    on = switch_on(before, AGENTS)
    assert [one.id for one in rules_of(on.body)] == ["incident-agent", "mask", "no-x"]


def test_a_weaker_rule_goes_below_the_stricter_ones() -> None:
    before = written(rule("no-x", "deny", {"action": "agent.x"}), rule("mask", "mask", {}))
    on = switch_on(before, replace(AGENTS, effect=Effect.REQUIRE_APPROVAL))
    assert [one.id for one in rules_of(on.body)] == ["no-x", "incident-agent", "mask"]
    assert effect(on.body, "agent.x") is Effect.DENY
    assert effect(on.body, "agent.y") is Effect.REQUIRE_APPROVAL


def test_a_rule_that_could_not_have_its_effect_is_refused_with_what_would() -> None:
    before = written(rule("mask", "mask", {}), rule("no-x", "deny", {"action": "x"}))
    with pytest.raises(EditRefused, match="'mask' would come before this one; use --effect deny"):
        switch_on(before, replace(AGENTS, effect=Effect.REQUIRE_APPROVAL))


def test_an_emergency_may_concern_some_tenants_only() -> None:
    on = switch_on(None, replace(AGENTS, tenants=("acme", "globex")))
    assert effect(on.body, "agent.run", "globex") is Effect.DENY
    assert effect(on.body, "agent.run", "initech") is None


def test_approvers_may_be_named() -> None:
    on = switch_on(None, replace(AGENTS, effect=Effect.REQUIRE_APPROVAL, approver_roles=("lead",)))
    [stored] = rules_of(on.body)
    assert stored.approval is not None
    assert holds(stored.approval.approvers, RequestContext("acme", {"subject.roles": ("lead",)})) is True


def test_an_emergency_that_makes_no_valid_rule_is_refused() -> None:
    with pytest.raises(DocumentError, match="mask"):
        switch_on(None, replace(AGENTS, effect=Effect.MASK))
    with pytest.raises(DocumentError, match="allow"):
        switch_on(None, replace(AGENTS, effect=Effect.ALLOW))


def test_off_ends_one_or_all() -> None:
    body = switch_on(switch_on(None, AGENTS).body, replace(AGENTS, actions="x")).body
    one_left = switch_off(body, "incident-agent")
    assert [one.id for one in rules_of(one_left)] == ["incident-x"]
    assert rules_of(switch_off(body)) == ()
    assert rules_of(None) == ()


def test_off_where_nothing_is_on_changes_nothing() -> None:
    empty = b'{"rules": [ ]}'
    assert switch_off(None) is None
    assert switch_off(empty) == empty


@pytest.mark.parametrize(
    ("raw", "sentence"),
    [
        (None, "no emergency rule 'x' is on, and no other"),
        (written(), "no emergency rule 'x' is on; there is none"),
        (written(rule("a", "deny", {})), "no emergency rule 'x' is on; there is 'a'"),
    ],
)
def test_an_unknown_emergency_rule_is_answered_with_those_there_are(raw: bytes | None, sentence: str) -> None:
    with pytest.raises(UnknownRule) as caught:
        switch_off(raw, "x")
    assert str(caught.value) == sentence


@pytest.mark.parametrize("nonsense", [b"nonsense", b"\xff\xfe", b'{"rules": [{"id": 1}]}', b""])
def test_nonsense_is_never_edited_but_can_be_ended(nonsense: bytes) -> None:
    with pytest.raises(EditRefused, match="policyctl rollback _incident REVISION"):
        switch_on(nonsense, AGENTS)
    with pytest.raises(EditRefused):
        switch_off(nonsense, "a")
    assert rules_of(switch_off(nonsense)) == ()


def test_the_form_of_the_decision_record_can_be_edited() -> None:
    until = format_time(NOW + 999)
    before = json.dumps(
        [{"conditions": {"role": "x"}, "action": "deny", "reason": "No x.", "valid_until": until}]
    )
    on = switch_on(before.encode(), AGENTS)
    assert len(rules_of(on.body)) == 2
    assert switch_off(on.body, on.rule_id) == before.encode()
    assert rules_of(switch_off(on.body)) == ()


@pytest.mark.parametrize(
    ("pattern", "condition"),
    [
        ("agent.run", {"action": "agent.run"}),
        ("agent.*", {"action": {"prefix": "agent."}}),
        ("*", {}),
        ("*.delete", {"action": {"matches": r"(?s)^.*\.delete$"}}),
        ("GET /a/{id}*x", {"action": {"matches": r"(?s)^GET /a/\{id\}.*x$"}}),
    ],
)
def test_a_pattern_becomes_the_plainest_condition(pattern: str, condition: Any) -> None:
    assert pattern_condition(pattern) == condition


@given(
    st.lists(
        st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=4), min_size=1, max_size=3
    ),
    st.text("a.*x", max_size=4),
)
def test_a_pattern_holds_for_what_fills_its_stars(parts: list[str], filling: str) -> None:
    parts = [part.replace("*", "x") for part in parts]
    condition = parse_when(pattern_condition("*".join(parts))).condition
    assert holds(condition, asked(filling.join(parts))) is True
    if len(parts) > 1:
        other = "b" if parts[0].startswith("a") else "a"
        assert holds(condition, asked(other + filling.join(parts))) is False


def test_times_are_written_to_the_second() -> None:
    assert moment_seconds(format_time(NOW)) == NOW
