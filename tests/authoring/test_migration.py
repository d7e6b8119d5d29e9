from __future__ import annotations

import json
from typing import Any

from hypothesis import given, settings

from policy_middleware.authoring.migration import migrate
from policy_middleware.model.documents import parse_document
from tests.model.documents import RECORD
from tests.model.strategies import documents


@settings(max_examples=60, deadline=None)
@given(documents())
def test_a_migrated_document_says_the_same_and_migrates_to_itself(raw: Any) -> None:
    done = migrate(json.dumps(raw), name="acme")
    before, after = parse_document(raw, name="acme"), parse_document(done.body, name="acme")
    assert (repr(after.rules), after.default) == (repr(before.rules), before.default)
    again = migrate(done.body, name="acme")
    assert again.body == done.body
    assert not [one for one in again.assumptions if not one.startswith("short names")]


def test_everything_that_was_assumed_is_told() -> None:
    told = migrate(json.dumps(RECORD), name="acme").assumptions
    ids = [rule.id for rule in parse_document(RECORD, name="acme").rules]
    assert told[0].startswith('the default is "allow", as a bare list means it')
    for number, (rule_id, sentence) in enumerate(zip(ids, told[1:3], strict=True), 1):
        assert sentence.startswith(f"rule {number} had no id and is called {rule_id!r} from now on")
    assert told[3:] == (
        "'conditions' of a rule is written 'when'",
        "'action' of a rule is written 'effect'",
        "short names of attributes stay as they are: 'role' means 'subject.roles'",
    )


def test_ids_are_the_ones_decisions_already_had() -> None:
    assert [rule.id for rule in parse_document(migrate(RECORD).body, name="acme").rules] == [
        rule.id for rule in parse_document(RECORD, name="acme").rules
    ]


def test_a_guardrail_gets_no_default() -> None:
    deny: list[object] = [{"conditions": {"role": "x"}, "action": "deny", "reason": "Not for you."}]
    done = migrate(deny, name="_global")
    assert "default" not in json.loads(done.body)
    assert not any("default" in one for one in done.assumptions)
