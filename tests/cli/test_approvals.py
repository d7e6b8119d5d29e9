from __future__ import annotations

import json
import os
import signal
import subprocess

import pytest

from policy_middleware.approvals import ApprovalQueue, ApprovalTask, Approver, RedisApprovals, RequestSummary
from policy_middleware.cli.options import operating_system_user
from policy_middleware.model.decision import ApprovalRequirement
from policy_middleware.model.documents import parse_document
from tests.cli.running import POLICY, PROGRAM, Shell
from tests.conftest import RedisPlace

EXPORT = POLICY["rules"][1]


@pytest.fixture
def queue(clean_redis: RedisPlace) -> ApprovalQueue:
    return RedisApprovals(clean_redis.client, clean_redis.keys)


def park(
    queue: ApprovalQueue,
    *,
    required: int = 1,
    requester: str = "ana",
    path: str = "/e",
    approvers: object = None,
) -> ApprovalTask:
    rule = {**EXPORT, "approval": {"approvers": approvers or {"role": "dpo"}, "required": required}}
    parsed = parse_document({**POLICY, "rules": [rule]}, name="acme").rules[0]
    assert parsed.approval is not None
    return queue.request(
        "acme",
        fingerprint=path + requester,
        requester=requester,
        action="report.export",
        resource="report:7",
        reason=parsed.reason,
        requirements=(ApprovalRequirement("acme", parsed.id, parsed.digest, parsed.reason, parsed.approval),),
        revisions={"acme": "0" * 64},
        summary=RequestSummary("POST", path, "rows=5000", "application/json", 12),
    )


def test_an_approver_approves_and_is_told_what_the_requester_may_do(
    redis_shell: Shell, queue: ApprovalQueue
) -> None:
    task = park(queue)
    arguments = ("--tenant", "acme", "--as", "bea", "--role", "dpo", "-m", "checked")
    said = redis_shell("approvals", "approve", task.id, *arguments)
    assert (said.code, said.err) == (0, "")
    assert said.out.startswith(f"{task.id}: approved; ana may repeat the request once until ")
    assert said.out.endswith(f"with the header X-Approval-Id: {task.id}\n")
    stored = queue.get("acme", task.id)
    assert stored is not None
    (vote,) = stored.votes
    assert (vote.approver, vote.comment, vote.verified.value, vote.operator) == (
        "bea",
        "checked",
        "asserted",
        operating_system_user(),
    )


def test_a_vote_that_is_not_the_last_one_needed_says_what_is_missing(
    redis_shell: Shell, queue: ApprovalQueue
) -> None:
    task = park(queue, required=2)
    said = redis_shell("approvals", "approve", task.id, "-t", "acme", "--as", "bea", "--role", "dpo")
    assert said.code == 0
    assert "your vote is counted; still needed before " in said.out
    assert "1 vote for export" in said.out


@pytest.mark.parametrize(
    ("who", "role", "sentence"),
    [
        ("ana", "dpo", "nobody votes on their own request"),
        ("bob", "intern", "this person answers to none of the rules"),
    ],
)
def test_a_vote_that_does_not_count_is_refused_with_a_sentence(
    redis_shell: Shell, queue: ApprovalQueue, who: str, role: str, sentence: str
) -> None:
    task = park(queue)
    said = redis_shell("approvals", "approve", task.id, "-t", "acme", "--as", who, "--role", role)
    assert (said.code, said.out) == (6, "")
    assert sentence in said.err


def test_nobody_votes_twice(redis_shell: Shell, queue: ApprovalQueue) -> None:
    task = park(queue, required=2)
    vote = ("approvals", "approve", task.id, "-t", "acme", "--as", "bea", "--role", "dpo")
    assert redis_shell(*vote).code == 0
    said = redis_shell(*vote)
    assert said.code == 6
    assert "has already voted" in said.err


@pytest.mark.parametrize("task_id", ["apr_" + "A" * 22, "nonsense", "../x", "a\x1b[31m"])
@pytest.mark.parametrize("command", ["show", "approve", "cancel"])
def test_an_unknown_id_is_refused(redis_shell: Shell, command: str, task_id: str) -> None:
    who = () if command == "show" else ("--as", "bea")
    said = redis_shell("approvals", command, task_id, "-t", "acme", *who)
    assert (said.code, said.out) == (6, "")
    assert "there is no such approval in this tenant; check the id and the tenant" in said.err


def test_another_tenant_does_not_see_a_request(redis_shell: Shell, queue: ApprovalQueue) -> None:
    task = park(queue)
    assert redis_shell("approvals", "show", task.id, "-t", "globex").code == 6
    assert redis_shell("approvals", "list", "-t", "globex", "-o", "json").data == []


def test_a_denial_needs_a_comment(redis_shell: Shell, queue: ApprovalQueue) -> None:
    task = park(queue)
    without = redis_shell("approvals", "deny", task.id, "-t", "acme", "--as", "bea", "--role", "dpo")
    assert without.code == 2
    assert "--comment" in without.err
    said = redis_shell(
        "approvals", "deny", task.id, "-t", "acme", "--as", "bea", "--role", "dpo", "-m", "too much"
    )
    assert (said.code, said.out) == (0, f"{task.id}: denied; ana is told why\n")


def test_only_the_requester_cancels(redis_shell: Shell, queue: ApprovalQueue) -> None:
    task = park(queue)
    assert redis_shell("approvals", "cancel", task.id, "-t", "acme", "--as", "bob").code == 6
    said = redis_shell("approvals", "cancel", task.id, "-t", "acme", "--as", "ana")
    assert (said.code, said.out) == (0, f"{task.id}: cancelled\n")


def test_a_request_is_shown_with_everything_an_approver_needs(
    redis_shell: Shell, queue: ApprovalQueue
) -> None:
    task = park(queue)
    redis_shell("approvals", "deny", task.id, "-t", "acme", "--as", "bea", "--role", "dpo", "-m", "too much")
    said = redis_shell("approvals", "show", task.id, "-t", "acme")
    for shown in ("ana", "POST /e?rows=5000", "12 bytes of application/json", "report:7", "0 of 1 vote"):
        assert shown in said.out
    assert f"asserted by {operating_system_user()}: too much" in said.out


def test_requests_are_listed_newest_first_and_filtered(redis_shell: Shell, queue: ApprovalQueue) -> None:
    first, second = park(queue, path="/a"), park(queue, path="/b", requester="cem")
    redis_shell("approvals", "cancel", first.id, "-t", "acme", "--as", "ana")

    def listed(*options: str) -> list[str]:
        data = redis_shell("approvals", "list", "-t", "acme", "-o", "json", *options).data
        return [task["id"] for task in data]

    assert listed() == [second.id, first.id]
    assert listed("--status", "pending") == [second.id]
    assert listed("--requester", "ana") == [first.id]
    assert listed("--limit", "1") == [second.id]
    table = redis_shell("approvals", "list", "-t", "acme")
    assert "0 of 1" in table.out
    assert "report.export" in table.out


def test_a_cut_list_says_that_there_is_more(redis_shell: Shell, queue: ApprovalQueue) -> None:
    park(queue, path="/a"), park(queue, path="/b")
    said = redis_shell("approvals", "list", "-t", "acme", "--limit", "1")
    assert "there are more than 1" in said.err
    assert redis_shell("approvals", "list", "-t", "acme").err == ""


def test_an_empty_list_says_so(redis_shell: Shell) -> None:
    said = redis_shell("approvals", "list", "-t", "acme", "--status", "pending")
    assert (said.code, said.out, said.err) == (0, "", "no pending request in 'acme'\n")


def test_a_request_is_data_under_json(redis_shell: Shell, queue: ApprovalQueue) -> None:
    task = park(queue)
    said = redis_shell("approvals", "show", task.id, "-t", "acme", "-o", "json")
    assert said.data["request"]["fingerprint"] == "/eana"
    assert said.data["requirements"] == [
        {"document": "acme", "rule_id": "export", "required": 1, "received": 0}
    ]


@pytest.mark.parametrize("url", ["memory://", "file:///tmp"])
def test_approvals_that_no_command_can_see_are_not_shown_as_none(shell: Shell, url: str) -> None:
    said = shell("--store", url, "approvals", "list", "-t", "acme")
    assert (said.code, said.out) == (2, "")
    assert "name a" in said.err


def test_a_guardrail_is_no_tenant_to_ask_approvals_of(shell: Shell) -> None:
    assert shell("approvals", "list", "-t", "_global").code == 2


def test_the_approvers_name_is_needed(shell: Shell) -> None:
    said = shell("approvals", "approve", "apr_x", "-t", "acme")
    assert said.code == 2
    assert "--as" in said.err


def test_rules_may_ask_more_of_an_approver_than_a_role(redis_shell: Shell, queue: ApprovalQueue) -> None:
    task = park(queue, approvers={"subject.department": "finance", "subject.level": {"gte": 3}})
    vote = ("approvals", "approve", task.id, "-t", "acme", "--as", "bea")
    finance = ("--attribute", "subject.department=finance")
    assert redis_shell(*vote, *finance, "--attribute", "subject.level=2").code == 6
    assert redis_shell(*vote, *finance, "--attribute", "subject.level=3").code == 0


@pytest.mark.parametrize(
    "attribute",
    [
        "department=finance",
        "subject.department",
        'subject.a={"b": 1}',
        "subject.a=NaN",
        "tenant=globex",
        "subject.a=",
    ],
)
def test_an_attribute_of_an_approver_that_makes_no_sense_is_a_usage_error(
    shell: Shell, attribute: str
) -> None:
    said = shell("approvals", "approve", "apr_x", "-t", "acme", "--as", "bea", "--attribute", attribute)
    assert said.code == 2
    assert "--attribute" in said.err


def test_the_id_and_the_roles_of_an_approver_are_no_attributes(
    redis_shell: Shell, queue: ApprovalQueue
) -> None:
    task = park(queue)
    vote = ("approvals", "approve", task.id, "-t", "acme", "--as", "bea")
    assert redis_shell(*vote, "--attribute", "subject.roles=dpo").code == 6
    assert redis_shell(*vote, "--as", "ana", "--role", "dpo", "--attribute", "subject.id=bea").code == 6


def test_a_vote_on_the_command_line_is_in_the_decision_log(
    redis_shell: Shell, queue: ApprovalQueue, clean_redis: RedisPlace
) -> None:
    task = park(queue)
    vote = ("approvals", "approve", task.id, "-t", "acme", "--as", "bea", "--role", "dpo", "-m", "checked")
    assert redis_shell(*vote).code == 0
    records = [
        json.loads(fields[b"record"]) for _, fields in clean_redis.client.xrange(clean_redis.keys.decisions())
    ]
    kinds = [record["event"] for record in records]
    assert any("approv" in kind for kind in kinds)
    assert any(
        "bea" in json.dumps(record) and operating_system_user() in json.dumps(record) for record in records
    )


@pytest.mark.parametrize("output", ["table", "json"])
def test_watching_tells_of_every_change(redis_shell: Shell, queue: ApprovalQueue, output: str) -> None:
    task = park(queue)
    watching = subprocess.Popen(
        [PROGRAM, "approvals", "watch", "-t", "acme", "-o", output],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, **redis_shell.environment},
    )
    assert watching.stdout is not None
    try:
        assert any(task.id in line and "pending" in line for line in watching.stdout)
        queue.approve("acme", task.id, Approver("bea", ("dpo",)))
        line = next(line for line in watching.stdout if "approved" in line)
        assert task.id in line
        if output == "json":
            assert json.loads(line)["status"] == "approved"
    finally:
        watching.send_signal(signal.SIGINT)
        watching.stdout.read()
        watching.stdout.close()
        assert watching.wait(10) == 0


def test_a_vote_that_cannot_be_recorded_stands_and_is_told_with_its_record(
    redis_shell: Shell, queue: ApprovalQueue, clean_redis: RedisPlace
) -> None:
    clean_redis.client.set(clean_redis.keys.decisions(), "somebody keeps something else here")
    task = park(queue)
    said = redis_shell("approvals", "approve", task.id, "-t", "acme", "--as", "bea", "--role", "dpo")
    assert said.code == 5
    assert "could not be written to the decision log" in said.err
    assert '"event": "approval_approved"' in said.err
    assert operating_system_user() in said.err
    approved = queue.get("acme", task.id)
    assert approved is not None
    assert approved.status == "approved"
