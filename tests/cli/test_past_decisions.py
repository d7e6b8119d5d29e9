"""`policyctl explain DECISION_ID` and `policyctl replay`: what was decided, asked again."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from policy_middleware import PolicyEnforcer
from policy_middleware.decision_log.record import timestamp
from tests.cli.running import GUARDRAIL, POLICY, Shell

READER = {"tenant": "acme", "user": "ana", "role": "reader", "action": "document.read", "resource.rows": 1}
GUEST = {**READER, "user": "gus", "role": "guest"}
EXPORT = {**READER, "action": "report.export", "resource.rows": 5000, "role": "guest"}
LOCK_OUT: dict[str, Any] = {
    "schema": 1,
    "default": "deny",
    "rules": [
        {
            "id": "lock-out",
            "when": {"count": {"effect": "deny", "per": ["subject.id"], "within": "1h", "gte": 2}},
            "effect": "deny",
            "reason": "Locked out.",
        },
        {"id": "readers", "when": {"role": "reader"}, "effect": "allow", "reason": "Readers read."},
    ],
}


class Past:
    """A store with a history, and a log that is written to a file of its own."""

    def __init__(self, directory: Path, **settings: Any) -> None:
        store = directory / "policies"
        store.mkdir()
        self.log = directory / "decisions.jsonl"
        self.shell = Shell(directory, {"POLICY_STORE_URL": f"file://{store}"})
        self.enforcer = PolicyEnforcer.from_url(
            f"file://{store}", decision_log=f"file://{self.log}", **settings
        )

    def decide(self, context: dict[str, Any]) -> str:
        return self.enforcer.decide(context).decision_id

    def records(self) -> list[dict[str, Any]]:
        self.enforcer.decision_log.flush()
        return [json.loads(line) for line in self.log.read_text().splitlines()]

    def rewrite(self, *records: dict[str, Any]) -> None:
        self.log.write_text("".join(json.dumps(record) + "\n" for record in records))

    def explain(self, decision_id: str, *options: str) -> Any:
        self.enforcer.decision_log.flush()
        return self.shell("explain", decision_id, "--file", str(self.log), *options)

    def replay(self, document: dict[str, Any], *options: str, name: str = "acme.json") -> Any:
        self.enforcer.decision_log.flush()
        draft = self.shell.write(name, document)
        return self.shell("replay", "--policy", draft, "--file", str(self.log), *options)


@pytest.fixture
def past(tmp_path: Path) -> Iterator[Past]:
    place = Past(tmp_path)
    with place.enforcer:
        yield place


def without(document: dict[str, Any], rule_id: str) -> dict[str, Any]:
    return {**document, "rules": [rule for rule in document["rules"] if rule["id"] != rule_id]}


def test_a_past_decision_is_explained_over_the_revisions_of_then(past: Past) -> None:
    past.enforcer.publish("_global", GUARDRAIL)
    past.enforcer.publish("acme", POLICY)
    decision = past.decide(READER)
    past.enforcer.publish("acme", without(POLICY, "readers"))
    past.decide(READER)
    said = past.explain(decision)
    assert said.code == 0, said.err
    assert "asked again  the same: allow" in said.out
    assert "_global at " in said.out
    assert "readers   allow              decides" in said.out
    data = past.explain(decision, "-o", "json").data
    assert (data["same"], data["again"]["rule_id"], data["lost"]) == (True, "readers", [])
    assert [document["name"] for document in data["documents"]] == ["_global", "acme"]


def test_what_happened_afterwards_is_told(past: Past) -> None:
    past.enforcer.publish("acme", POLICY)
    decision = past.decide({**READER, "role": "support"})
    past.enforcer.decision_log.event("masked", decision, {"count": 3}, "acme")
    said = past.explain(decision)
    assert "afterwards" in said.out
    assert "count 3" in said.out


def test_a_revision_that_is_gone_is_named_plainly(past: Past, tmp_path: Path) -> None:
    past.enforcer.publish("_global", GUARDRAIL)
    past.enforcer.publish("acme", POLICY)
    decision = past.decide(READER)
    (record,) = past.records()
    record["bundles"]["acme"]["revision"] = "0" * 64
    past.rewrite(record)
    said = past.explain(decision)
    assert said.code == 6
    assert "Revision 000000000000 of 'acme' is not in the history any more." in said.out
    assert "no-agents" in said.out
    assert "asked again" not in said.out


def test_erased_masked_and_shortened_values_make_it_inexact(tmp_path: Path) -> None:
    place = Past(tmp_path, decision_log_erase=["/input/subject.roles"], decision_log_mask=["/input/action"])
    with place.enforcer:
        place.enforcer.publish("acme", POLICY)
        decision = place.decide(READER)
        said = place.explain(decision)
    assert said.code == 6
    assert "does not hold action and subject.roles whole" in said.out
    assert "NOT what was recorded" in said.out


def test_recorded_numbers_about_the_past_are_used(past: Past) -> None:
    past.enforcer.publish("acme", LOCK_OUT)
    for _ in range(2):
        past.decide(GUEST)
    locked_out = past.decide({**GUEST, "role": "reader"})
    data = past.explain(locked_out, "-o", "json").data
    assert (data["same"], data["again"]["rule_id"], data["cautions"]) == (True, "lock-out", [])


def test_numbers_that_were_not_recorded_are_named(past: Past) -> None:
    past.enforcer.publish("acme", LOCK_OUT)
    decision = past.decide(READER)
    (record,) = past.records()
    del record["facts"]
    past.rewrite(record)
    said = past.explain(decision)
    assert said.code == 6
    assert "was not recorded and counts as unknown" in said.out


def test_a_changed_record_does_not_explain_itself(past: Past) -> None:
    past.enforcer.publish("acme", POLICY)
    decision = past.decide(READER)
    (record,) = past.records()
    past.rewrite({**record, "effect": "deny", "rule": "support"})
    said = past.explain(decision)
    assert said.code == 6
    assert "policyctl log verify" in said.out


def test_a_tenant_without_a_policy_is_explained(past: Past) -> None:
    decision = past.decide(READER)
    assert past.explain(decision, "-o", "json").data["same"] is True


def test_a_refusal_has_no_rules_to_show(past: Past) -> None:
    past.enforcer.decision_log.append(past.enforcer.refuse("No tenant."), refusal="tenant-missing")
    (record,) = past.records()
    said = past.explain(record["decision_id"])
    assert said.code == 0
    assert "was refused before any policy was asked" in said.out


def test_an_approved_request_is_asked_with_its_approval(past: Past) -> None:
    past.enforcer.publish("acme", without(POLICY, "readers"))
    decision = past.decide(EXPORT)
    (record,) = past.records()
    past.rewrite({**record, "effect": "allow", "rule": "export", "matched": "approval", "approval": "apr_x"})
    said = past.explain(decision)
    assert said.code == 0, said.out
    assert "It brought an approval" in said.out


@pytest.mark.parametrize(
    "stored", [[], [{"event": "masked", "decision_id": "d-1"}], [{"event": "gap", "decision_id": None}]]
)
def test_an_unknown_decision_is_a_usage_error(past: Past, stored: list[dict[str, Any]]) -> None:
    past.rewrite(*stored)
    said = past.explain("d-1")
    assert said.code == 2
    assert "'d-1'" in said.err


@pytest.mark.parametrize("arguments", [(), ("d-1", "-i", "{}"), ("d-1", "--policy", "x.json")])
def test_explain_takes_a_decision_or_a_request(shell: Shell, arguments: tuple[str, ...]) -> None:
    assert shell("explain", *arguments).code == 2


def test_a_record_that_holds_no_request_says_so(past: Past) -> None:
    past.enforcer.publish("acme", POLICY)
    decision = past.decide(READER)
    (record,) = past.records()
    past.rewrite({**record, "input": {**record["input"], "planet.name": "mars"}})
    said = past.explain(decision)
    assert "cannot be asked again" in said.out


def test_replay_tells_what_would_change_wider_first(past: Past) -> None:
    past.enforcer.publish("acme", POLICY)
    for context in (READER, READER, GUEST, {**READER, "role": "support"}):
        past.decide(context)
    candidate = {
        **without(POLICY, "readers"),
        "rules": [{**POLICY["rules"][0], "when": {"role": "guest"}}, *POLICY["rules"][1:]],
    }
    said = past.replay(candidate)
    assert said.code == 6
    assert "4 recorded requests decided again, 3 would be decided otherwise" in said.out
    assert said.out.index("WIDER") < said.out.index("narrower")
    data = past.replay(candidate, "-o", "json").data
    (wider, narrower) = data["changes"]
    assert (wider["from"], wider["to"], wider["requests"]) == (
        {"effect": "deny", "by": "default"},
        {"effect": "allow", "by": "readers"},
        1,
    )
    assert (narrower["direction"], narrower["requests"], narrower["examples"][0]["subject"]) == (
        "narrower",
        2,
        "ana",
    )


def test_replay_of_the_same_document_changes_nothing(past: Past) -> None:
    past.enforcer.publish("acme", POLICY)
    past.decide(READER)
    past.decide({**READER, "tenant": "globex"})
    said = past.replay(POLICY)
    assert said.code == 0
    assert "1 recorded request decided again, 0 would" in said.out
    assert past.replay(POLICY, name="initech.json").code == 0


def test_replay_keeps_the_other_documents_of_then(past: Past) -> None:
    past.enforcer.publish("acme", POLICY)
    past.enforcer.publish(
        "_global", {**GUARDRAIL, "rules": [{**GUARDRAIL["rules"][0], "when": {"role": "guest"}}]}
    )
    past.decide(GUEST)
    past.enforcer.publish("_global", {"schema": 1, "rules": []})
    assert past.replay({**POLICY, "default": "allow"}).code == 0


def test_replay_of_a_guardrail_asks_every_tenant(past: Past) -> None:
    for tenant in ("acme", "globex"):
        past.enforcer.publish(tenant, POLICY)
        past.decide({**READER, "tenant": tenant, "subject.type": "agent"})
    data = past.replay(GUARDRAIL, "-o", "json", name="_global.json").data
    assert {(change["tenant"], change["to"]["by"]) for change in data["changes"]} == {
        ("acme", "_global/no-agents"),
        ("globex", "_global/no-agents"),
    }


def test_replay_claims_nothing_where_the_record_is_not_enough(tmp_path: Path) -> None:
    place = Past(tmp_path, decision_log_erase=["/input/subject.roles"])
    with place.enforcer:
        place.enforcer.publish("acme", POLICY)
        place.decide(READER)
        said = place.replay(POLICY)
    assert said.code == 0
    assert "cannot be told: 1, the record does not hold subject.roles" in said.err


def test_replay_of_a_rule_that_counts_says_that_its_numbers_were_not_recorded(past: Past) -> None:
    past.enforcer.publish("acme", POLICY)
    past.decide(READER)
    said = past.replay(LOCK_OUT)
    assert said.code == 0
    assert "cannot be told: 1, the count of effect deny" in said.err


def test_replay_passes_over_what_no_policy_decided_and_what_is_older(past: Past) -> None:
    past.enforcer.publish("acme", POLICY)
    past.decide(READER)
    (record,) = past.records()
    old = {**record, "timestamp": timestamp(1_000_000_000)}
    past.rewrite(
        {**record, "overridden": True},
        {**record, "matched": "store_unavailable"},
        {**record, "matched": "refusal", "effect": "deny"},
        {**record, "effect": "rejected"},
        {"event": "gap"},
        old,
    )
    data = past.replay({**POLICY, "rules": []}, "-o", "json").data
    assert (data["asked"], data["changed"], sum(data["not_asked"].values())) == (0, 0, 4)


def test_replay_refuses_what_is_no_valid_document(past: Past) -> None:
    past.rewrite({"event": "gap"})
    assert past.replay({"schema": 1, "default": "maybe", "rules": []}).code == 3
    assert past.shell("replay", "--policy", str(past.log), "--file", str(past.log), "-t", "acme").code == 3


def test_replay_reads_the_stream_and_the_history_of_a_redis_store(redis_shell: Shell) -> None:
    place = redis_shell.environment
    with PolicyEnforcer.from_url(
        place["POLICY_STORE_URL"], key_prefix=place["POLICY_KEY_PREFIX"]
    ) as enforcer:
        enforcer.publish("acme", POLICY)
        decision = enforcer.decide(READER).decision_id
        enforcer.publish("acme", without(POLICY, "readers"))
    assert redis_shell("explain", decision).code == 0
    draft = redis_shell.write("acme.json", without(POLICY, "readers"))
    said = redis_shell("replay", "--policy", draft)
    assert said.code == 6
    assert "narrower" in said.out
