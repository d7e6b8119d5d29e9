from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from policy_middleware.authoring.rule_edits import Switch, UnknownRule, switch_rule
from policy_middleware.model.documents import parse_document
from policy_middleware.model.errors import DocumentError
from policy_middleware.model.policy import Rule
from tests.authoring.linting import document, rule
from tests.model.strategies import documents


def written(raw: Any, indent: int | None = 2) -> bytes:
    return json.dumps(raw, indent=indent, ensure_ascii=False).encode()


def rules(raw: bytes) -> tuple[Rule, ...]:
    return parse_document(raw, name="acme").rules


def stands(one: Rule, switch: Switch) -> bool:
    return {
        Switch.ENABLE: one.enabled,
        Switch.DISABLE: not one.enabled,
        Switch.OBSERVE: one.observe,
        Switch.ENFORCE: not one.observe,
    }[switch]


@settings(max_examples=100, deadline=None)
@given(documents(), st.sampled_from(Switch), st.sampled_from([None, 1, 2]), st.data())
def test_a_switch_does_what_it_says_to_one_rule_and_nothing_else(
    raw: Any, switch: Switch, indent: int | None, data: st.DataObject
) -> None:
    before = written(raw, indent)
    old = rules(before)
    if not old:
        return
    index = data.draw(st.integers(0, len(old) - 1))
    after = switch_rule(before, old[index].id, switch, name="acme")
    new = rules(after)
    assert [one.id for one in new] == [one.id for one in old]
    assert stands(new[index], switch)
    assert repr(new[:index] + new[index + 1 :]) == repr(old[:index] + old[index + 1 :])
    assert (after == before) is stands(old[index], switch)
    assert switch_rule(after, old[index].id, switch, name="acme") == after


@pytest.mark.parametrize("switch", [Switch.DISABLE, Switch.OBSERVE])
def test_the_opposite_switch_brings_back_the_same_bytes(switch: Switch) -> None:
    before = written(document(rule("a", "allow", {"role": "x"}), rule("b", "deny", {"role": "y"})))
    after = switch_rule(before, "b", switch, name="acme")
    assert after != before
    assert switch_rule(after, "b", switch.opposite, name="acme") == before


def test_the_switch_stands_right_behind_the_id() -> None:
    before = (
        b'{"default": "deny", "rules": [{"id": "a", "when": {}, "effect": "deny", "reason": "Not now."}]}'
    )
    assert switch_rule(before, "a", Switch.DISABLE, name="acme") == before.replace(
        b'"a",', b'"a", "enabled": false,'
    )


def test_a_value_that_was_written_out_is_replaced_or_goes() -> None:
    before = written(document(rule("a", "deny", {}, enabled=True, mode="observe")))
    assert b'"enabled": false' in switch_rule(before, "a", Switch.DISABLE, name="acme")
    assert b"mode" not in switch_rule(before, "a", Switch.ENFORCE, name="acme")


def test_a_rule_without_an_id_of_its_own_keeps_the_one_it_was_known_by() -> None:
    before = written([{"conditions": {"role": "x"}, "action": "deny", "reason": "Not now."}])
    [known] = rules(before)
    after = switch_rule(before, known.id, Switch.OBSERVE, name="acme")
    assert [(one.id, one.observe) for one in rules(after)] == [(known.id, True)]


@pytest.mark.parametrize(
    ("ids", "asked", "sentence"),
    [
        (["no-export", "no-delete"], "no-exprt", "'acme' has no rule 'no-exprt'; did you mean 'no-export'?"),
        (["a", "b"], "zzz", "'acme' has no rule 'zzz'; there are 'a' and 'b'"),
        (["a"], "zzz", "'acme' has no rule 'zzz'; there is 'a'"),
        ([], "zzz", "'acme' has no rule 'zzz'; it has no rules at all"),
        ([f"{n}-rule" for n in range(11)], "zzz", "'acme' has no rule 'zzz'; it has 11 others"),
    ],
)
def test_an_unknown_rule_is_answered_with_those_there_are(ids: list[str], asked: str, sentence: str) -> None:
    raw = written(document(*(rule(one, "deny", {"role": one}) for one in ids)))
    with pytest.raises(UnknownRule) as caught:
        switch_rule(raw, asked, Switch.DISABLE, name="acme")
    assert str(caught.value) == sentence


def test_nonsense_is_not_edited() -> None:
    with pytest.raises(DocumentError):
        switch_rule(b"nonsense", "a", Switch.DISABLE, name="acme")


def test_a_byte_order_mark_survives() -> None:
    before = b"\xef\xbb\xbf" + written(document(rule("a", "deny", {})))
    after = switch_rule(before, "a", Switch.DISABLE, name="acme")
    assert after.startswith(b"\xef\xbb\xbf")
    assert switch_rule(after, "a", Switch.ENABLE, name="acme") == before
