"""What every queue does, in memory and on real servers, also when each command arrives twice."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace

import pytest

from policy_middleware.approvals import (
    ApprovalLimits,
    ApprovalQueue,
    ApprovalStatus,
    Approver,
    ConsumptionOutcome,
    Verdict,
    Verification,
    Vote,
)
from policy_middleware.approvals.checked_queue import CheckedQueue, Step
from policy_middleware.approvals.task import is_task_id, new_task_id
from policy_middleware.model.conditions import AllOf, Leaf, Not, Operator
from policy_middleware.model.errors import ApprovalError, ContextError
from tests.approvals.conftest import NewQueue
from tests.approvals.parking import (
    BEA,
    CARL,
    DORA,
    fingerprint_of,
    park,
    requirement,
    role,
    use,
)
from tests.waiting import eventually


def refused(code: str) -> pytest.RaisesExc[ApprovalError]:
    return pytest.RaisesExc(ApprovalError, check=lambda error: error.code == code)


# Asking


def test_a_parked_request_is_pending_and_keeps_everything_about_it(queue: ApprovalQueue) -> None:
    asked = requirement(
        approvers=AllOf((role("dpo"), Not(Leaf("subject.department", Operator.IN, ("sales", 3))))), required=2
    )

    task = park(queue, asked)

    assert task.status is ApprovalStatus.PENDING
    assert is_task_id(task.id)
    assert (task.tenant, task.requester, task.fingerprint) == ("acme", "alice", fingerprint_of())
    assert (task.action, task.resource, task.decision_id) == ("report.export", "report:7", "d-1")
    assert task.requirements == (asked,)
    assert (task.approvals_required, task.approvals_received) == (2, 0)
    assert task.revisions == {"acme": "r1"}
    assert (task.summary.method, task.summary.path, task.summary.body_size) == ("POST", "/exports", 8)
    assert task.expires_at - task.created_at == pytest.approx(3600)
    assert queue.get("acme", task.id) == task


def test_the_same_request_again_is_the_same_task(queue: ApprovalQueue) -> None:
    first = park(queue)
    assert park(queue) == first
    queue.approve("acme", first.id, BEA)
    assert park(queue).id == first.id, "also once it is approved, until it is used"


def test_another_body_subject_or_tenant_is_another_task(queue: ApprovalQueue) -> None:
    tasks = [
        park(queue),
        park(queue, body="export 2"),
        park(queue, requester="zoe"),
        park(queue, tenant="globex"),
    ]
    assert len({task.id for task in tasks}) == 4


def test_a_request_whose_task_has_ended_is_asked_anew(queue: ApprovalQueue) -> None:
    denied = park(queue)
    queue.deny("acme", denied.id, BEA, "No.")
    cancelled = park(queue)
    queue.cancel("acme", cancelled.id, "alice")
    used = park(queue)
    queue.approve("acme", used.id, BEA)
    use(queue, used)

    assert len({denied.id, cancelled.id, used.id, park(queue).id}) == 4


def test_a_changed_rule_supersedes_a_pending_task(queue: ApprovalQueue) -> None:
    before = park(queue, requirement(digest="d1"))

    after = park(queue, requirement(digest="d2"))

    assert after.id != before.id
    stale = queue.get("acme", before.id)
    assert stale is not None
    assert (stale.status, stale.superseded) == (ApprovalStatus.CANCELLED, True)
    assert use(queue, before).outcome is ConsumptionOutcome.SUPERSEDED


def test_an_approval_by_more_rules_than_now_ask_still_stands(queue: ApprovalQueue) -> None:
    task = park(queue, requirement("a"), requirement("b"))
    queue.approve("acme", task.id, BEA)
    assert park(queue, requirement("a")).id == task.id


def test_an_approval_does_not_cover_a_rule_that_came_later(queue: ApprovalQueue) -> None:
    task = park(queue, requirement("a"))
    queue.approve("acme", task.id, BEA)
    assert park(queue, requirement("a"), requirement("b")).id != task.id
    assert use(queue, task).outcome is ConsumptionOutcome.SUPERSEDED


def test_nobody_asks_anonymously(queue: ApprovalQueue) -> None:
    with refused("no_subject"):
        park(queue, requester="")


@pytest.mark.parametrize("subject", ["x" * 513, "a\udcffb"])
def test_a_subject_that_cannot_be_stored_is_refused(queue: ApprovalQueue, subject: str) -> None:
    with refused("invalid_subject"):
        park(queue, requester=subject)


@pytest.mark.parametrize("tenant", ["", "_global", "a{b}", "a b"])
def test_a_tenant_that_is_none_never_reaches_a_key(queue: ApprovalQueue, tenant: str) -> None:
    with pytest.raises(ContextError):
        park(queue, tenant=tenant)
    with pytest.raises(ContextError):
        queue.get(tenant, new_task_id())


def test_one_requester_cannot_fill_the_queue(new_queue: NewQueue) -> None:
    queue = new_queue(ApprovalLimits(open_per_requester=2))
    tasks = [park(queue, body=f"export {number}") for number in range(2)]
    with refused("too_many_pending"):
        park(queue, body="export 2")
    assert park(queue, body="export 0") == tasks[0], "what waits already is still found"
    assert park(queue, requester="zoe").status is ApprovalStatus.PENDING

    queue.cancel("acme", tasks[0].id, "alice")

    assert park(queue, body="export 2").status is ApprovalStatus.PENDING


def test_a_full_queue_takes_no_more(new_queue: NewQueue) -> None:
    queue = new_queue(ApprovalLimits(open_per_tenant=2))
    park(queue, requester="alice")
    park(queue, requester="zoe")
    with refused("queue_full"):
        park(queue, requester="yan")
    assert park(queue, tenant="globex").status is ApprovalStatus.PENDING, "another tenant has its own queue"


def test_expired_tasks_make_room(new_queue: NewQueue) -> None:
    queue = new_queue(ApprovalLimits(open_per_tenant=1))
    park(queue, requirement(expires_in=0.01))

    def another() -> bool:
        try:
            return bool(park(queue, requester="zoe"))
        except ApprovalError:
            return False

    eventually(another)


def test_an_ended_task_is_forgotten_when_there_are_too_many(new_queue: NewQueue) -> None:
    queue = new_queue(ApprovalLimits(ended_per_tenant=2))
    tasks = []
    for number in range(4):
        tasks.append(park(queue, body=f"export {number}"))
        queue.cancel("acme", tasks[-1].id, "alice")
    open_task = park(queue)

    kept = {task.id for task in queue.list("acme").tasks}

    assert kept == {tasks[2].id, tasks[3].id, open_task.id}
    assert queue.get("acme", tasks[0].id) is None


def test_an_ended_task_is_forgotten_after_a_time(new_queue: NewQueue) -> None:
    queue = new_queue(ApprovalLimits(keep_ended=0.01))
    task = park(queue)
    queue.cancel("acme", task.id, "alice")

    def forgotten() -> bool:
        park(queue, body="another")
        return queue.get("acme", task.id) is None

    eventually(forgotten)


# Voting


def test_one_approval_is_enough_when_one_is_asked_for(queue: ApprovalQueue) -> None:
    task = queue.approve("acme", park(queue).id, BEA, " checked ")

    assert task.status is ApprovalStatus.APPROVED
    assert task.approved_at is not None
    assert task.approved_until is not None
    assert task.approved_until - task.approved_at == pytest.approx(600)
    [vote] = task.votes
    assert (vote.approver, vote.verdict, vote.comment) == ("bea", Verdict.APPROVE, "checked")
    assert (vote.verified, vote.operator, vote.counts_for) == (Verification.ASSERTED, None, (0,))
    assert vote.at == task.approved_at
    assert queue.get("acme", task.id) == task


def test_a_vote_tells_how_the_approver_was_verified(queue: ApprovalQueue) -> None:
    asked = requirement(required=3)
    park(queue, asked)
    by_host = Approver("bea", roles=("dpo",), verified=Verification.HOST)
    by_word = Approver("carl", roles=("dpo",), operator="root")

    queue.approve("acme", park(queue, asked).id, by_host)
    task = queue.approve("acme", park(queue, asked).id, by_word)

    assert {(vote.approver, vote.verified, vote.operator) for vote in task.votes} == {
        ("bea", Verification.HOST, None),
        ("carl", Verification.ASSERTED, "root"),
    }


def test_the_quorum_has_to_be_complete(queue: ApprovalQueue) -> None:
    task = park(queue, requirement(required=2))
    halfway = queue.approve("acme", task.id, BEA)
    assert (halfway.status, halfway.received) == (ApprovalStatus.PENDING, (1,))
    assert queue.approve("acme", task.id, CARL).status is ApprovalStatus.APPROVED


def test_two_rules_need_their_own_approvers(queue: ApprovalQueue) -> None:
    task = park(queue, requirement("dpo"), requirement("money", approvers=role("finance")))

    halfway = queue.approve("acme", task.id, BEA)

    assert (halfway.status, halfway.received) == (ApprovalStatus.PENDING, (1, 0))
    assert [part.satisfied for part in halfway.progress] == [True, False]
    with refused("not_eligible"):
        queue.approve("acme", task.id, Approver("ben", roles=("dpo",)))
    done = queue.approve("acme", task.id, DORA)
    assert (done.status, done.received) == (ApprovalStatus.APPROVED, (1, 1))
    assert [vote.counts_for for vote in sorted(done.votes, key=lambda vote: vote.approver)] == [(0,), (1,)]


def test_one_person_with_both_roles_satisfies_both_rules(queue: ApprovalQueue) -> None:
    task = park(queue, requirement("dpo"), requirement("money", approvers=role("finance")))
    assert queue.approve("acme", task.id, CARL).status is ApprovalStatus.APPROVED


def test_a_vote_for_a_rule_that_has_enough_is_not_counted(queue: ApprovalQueue) -> None:
    task = park(queue, requirement("dpo"), requirement("money", approvers=role("finance"), required=2))
    queue.approve("acme", task.id, BEA)
    after = queue.approve("acme", task.id, CARL)
    assert after.received == (1, 1)
    assert {vote.approver: vote.counts_for for vote in after.votes} == {"bea": (0,), "carl": (1,)}


def test_the_shortest_times_of_two_rules_hold(queue: ApprovalQueue) -> None:
    task = park(
        queue,
        requirement("a", expires_in=100, use_within=60),
        requirement("b", expires_in=50, use_within=70),
    )
    assert task.expires_at - task.created_at == pytest.approx(50)
    done = queue.approve("acme", task.id, BEA)
    assert done.approved_at is not None
    assert done.approved_until == pytest.approx(done.approved_at + 60)


def test_nobody_votes_on_their_own_request(queue: ApprovalQueue) -> None:
    task = park(queue, requester="bea")
    with refused("self_approval"):
        queue.approve("acme", task.id, BEA)
    with refused("self_approval"):
        queue.deny("acme", task.id, BEA, "Mine.")


@pytest.mark.parametrize(
    "spelling", ["Bea", "BEA", " bea", "bea\u00a0", "\uff42\uff45\uff41", "be\u200ba", "\u2066bea"]
)
def test_another_spelling_of_an_id_is_not_another_person(queue: ApprovalQueue, spelling: str) -> None:
    own = park(queue, requester="bea")
    with refused("self_approval"):
        queue.approve("acme", own.id, replace(BEA, id=spelling))
    other = park(queue, requirement(required=2), body="export 2")
    queue.approve("acme", other.id, BEA)
    with refused("already_voted"):
        queue.approve("acme", other.id, replace(BEA, id=spelling))


def test_two_spellings_at_the_same_moment_are_one_vote(queue: ApprovalQueue) -> None:
    assert isinstance(queue, CheckedQueue)
    task = park(queue, requirement(required=2))

    def vote(name: str) -> Step:
        # As two processes do that have both read the task before either voted.
        return queue._vote(task, Vote(name, Verdict.APPROVE, None, 0.0, Verification.ASSERTED, None, (0,)))

    assert [vote("bea").outcome, vote("Bea").outcome] == ["ok", "already_voted"]
    voted = queue.get("acme", task.id)
    assert voted is not None
    assert (voted.received, len(voted.votes)) == ((1,), 1)


def test_nobody_votes_twice(queue: ApprovalQueue) -> None:
    task = park(queue, requirement(required=2))
    queue.approve("acme", task.id, BEA)
    with refused("already_voted"):
        queue.approve("acme", task.id, BEA)
    with refused("already_voted"):
        queue.deny("acme", task.id, BEA, "On second thought.")
    unchanged = queue.get("acme", task.id)
    assert unchanged is not None
    assert unchanged.received == (1,)


def test_only_approvers_of_the_rule_vote(queue: ApprovalQueue) -> None:
    task = park(queue)
    with refused("not_eligible"):
        queue.approve("acme", task.id, DORA)
    with refused("not_eligible"):
        queue.deny("acme", task.id, DORA, "No.")


def test_an_anonymous_vote_is_refused(queue: ApprovalQueue) -> None:
    with refused("no_subject"):
        queue.approve("acme", park(queue).id, Approver("", roles=("dpo",)))


def test_one_denial_ends_it(queue: ApprovalQueue) -> None:
    task = park(queue, requirement(required=2))
    queue.approve("acme", task.id, BEA)

    denied = queue.deny("acme", task.id, CARL, "Not before the audit.")

    assert denied.status is ApprovalStatus.DENIED
    assert denied.ended_at is not None
    assert {vote.approver: vote.comment for vote in denied.votes} == {
        "bea": None,
        "carl": "Not before the audit.",
    }
    with refused("invalid_task_state"):
        queue.approve("acme", task.id, Approver("eve", roles=("dpo",)))


@pytest.mark.parametrize("comment", ["", "  "])
def test_a_denial_needs_a_comment(queue: ApprovalQueue, comment: str) -> None:
    task = park(queue)
    with refused("comment_required"):
        queue.deny("acme", task.id, BEA, comment)
    assert queue.get("acme", task.id) == task


def test_a_comment_has_an_end(queue: ApprovalQueue) -> None:
    with refused("comment_too_long"):
        queue.approve("acme", park(queue).id, BEA, "x" * 4097)


def test_odd_names_and_comments_survive(queue: ApprovalQueue) -> None:
    odd = Approver("é: {x} 7 - \n\x00", roles=("dpo",))
    task = queue.approve("acme", park(queue, requester="a}:*\r\n").id, odd, 'said "yes" ☂ 100 %')
    assert (task.requester, task.votes[0].approver) == ("a}:*\r\n", odd.id)
    assert task.votes[0].comment == 'said "yes" ☂ 100 %'


@pytest.mark.parametrize("task_id", ["", "x", "apr_" + "x" * 22, "apr_*", "open", "apr_" + "é" * 22])
def test_unknown_and_malformed_ids_lead_nowhere(queue: ApprovalQueue, task_id: str) -> None:
    park(queue)
    assert queue.get("acme", task_id) is None
    with refused("unknown_task"):
        queue.approve("acme", task_id, BEA)
    with refused("unknown_task"):
        queue.cancel("acme", task_id, "alice")
    outcome = queue.consume(
        "acme", task_id, fingerprint=fingerprint_of(), requester="alice", nonce="n"
    ).outcome
    assert outcome is ConsumptionOutcome.MISSING


def test_an_id_of_another_tenant_leads_nowhere(queue: ApprovalQueue) -> None:
    task = park(queue)
    assert queue.get("globex", task.id) is None
    with refused("unknown_task"):
        queue.approve("globex", task.id, BEA)
    outcome = queue.consume(
        "globex", task.id, fingerprint=task.fingerprint, requester="alice", nonce="n"
    ).outcome
    assert outcome is ConsumptionOutcome.MISSING


# Cancelling and superseding


def test_the_requester_cancels(queue: ApprovalQueue) -> None:
    task = queue.cancel("acme", park(queue).id, "alice")
    assert (task.status, task.superseded) == (ApprovalStatus.CANCELLED, False)
    with refused("invalid_task_state"):
        queue.approve("acme", task.id, BEA)
    with refused("invalid_task_state"):
        queue.cancel("acme", task.id, "alice")


def test_nobody_else_cancels(queue: ApprovalQueue) -> None:
    task = park(queue)
    with refused("not_requester"):
        queue.cancel("acme", task.id, "bea")
    assert queue.get("acme", task.id) == task


def test_what_is_approved_is_not_cancelled(queue: ApprovalQueue) -> None:
    task = park(queue)
    queue.approve("acme", task.id, BEA)
    with refused("invalid_task_state"):
        queue.cancel("acme", task.id, "alice")


def test_an_approved_task_can_be_superseded_until_it_is_used(queue: ApprovalQueue) -> None:
    task = park(queue)
    queue.approve("acme", task.id, BEA)
    assert queue.supersede("acme", task.id).superseded
    assert use(queue, task).outcome is ConsumptionOutcome.SUPERSEDED
    used = park(queue)
    queue.approve("acme", used.id, BEA)
    use(queue, used)
    with refused("invalid_task_state"):
        queue.supersede("acme", used.id)


# Using


def test_an_approval_is_used_once(queue: ApprovalQueue) -> None:
    task = park(queue)
    queue.approve("acme", task.id, BEA)

    first = use(queue, task, "attempt 1")
    second = use(queue, task, "attempt 2")

    assert (first.outcome, second.outcome) == (ConsumptionOutcome.OK, ConsumptionOutcome.USED)
    assert first.task is not None
    assert first.task.status is ApprovalStatus.APPROVED
    assert first.task.consumed_at is not None
    assert second.task == first.task == queue.get("acme", task.id)


def test_the_same_attempt_repeated_is_still_the_one_use(queue: ApprovalQueue) -> None:
    task = park(queue)
    queue.approve("acme", task.id, BEA)
    assert use(queue, task, "attempt 1").outcome is ConsumptionOutcome.OK
    assert use(queue, task, "attempt 1").outcome is ConsumptionOutcome.OK
    assert use(queue, task, "attempt 2").outcome is ConsumptionOutcome.USED


def test_what_is_not_approved_is_not_used(queue: ApprovalQueue) -> None:
    pending = park(queue, requirement(required=2))
    queue.approve("acme", pending.id, BEA)
    assert use(queue, pending).outcome is ConsumptionOutcome.PENDING
    queue.deny("acme", pending.id, CARL, "No.")
    assert use(queue, pending).outcome is ConsumptionOutcome.DENIED
    cancelled = queue.cancel("acme", park(queue).id, "alice")
    assert use(queue, cancelled).outcome is ConsumptionOutcome.CANCELLED


@pytest.mark.parametrize(
    ("fingerprint", "requester"),
    [
        (fingerprint_of("another body"), "alice"),
        (fingerprint_of(), "mallory"),
        (fingerprint_of(), ""),
        (fingerprint_of(), "a\udcff"),
        ("", "alice"),
    ],
)
def test_an_approval_is_for_its_own_request_only(
    queue: ApprovalQueue, fingerprint: str, requester: str
) -> None:
    task = park(queue)
    queue.approve("acme", task.id, BEA)

    foreign = queue.consume("acme", task.id, fingerprint=fingerprint, requester=requester, nonce="n")

    assert (foreign.outcome, foreign.task) == (ConsumptionOutcome.MISMATCH, None)
    assert use(queue, task).outcome is ConsumptionOutcome.OK


def test_a_used_approval_mismatches_another_request_even_with_its_nonce(queue: ApprovalQueue) -> None:
    task = park(queue)
    queue.approve("acme", task.id, BEA)
    use(queue, task, "n")
    foreign = queue.consume("acme", task.id, fingerprint=fingerprint_of("x"), requester="alice", nonce="n")
    assert foreign.outcome is ConsumptionOutcome.MISMATCH


# Expiring


def test_a_pending_task_expires(queue: ApprovalQueue) -> None:
    task = park(queue, requirement(expires_in=0.01))
    eventually(lambda: use(queue, task).outcome is ConsumptionOutcome.EXPIRED)
    with refused("task_expired"):
        queue.approve("acme", task.id, BEA)
    expired = queue.get("acme", task.id)
    assert expired is not None
    assert (expired.status, expired.approved_at) == (ApprovalStatus.EXPIRED, None)
    assert park(queue).id != task.id


def test_an_approval_that_is_not_used_expires(queue: ApprovalQueue) -> None:
    task = park(queue, requirement(use_within=0.01))
    queue.approve("acme", task.id, BEA)
    eventually(lambda: queue.list("acme", status=ApprovalStatus.EXPIRED).tasks)
    assert use(queue, task).outcome is ConsumptionOutcome.EXPIRED
    expired = queue.get("acme", task.id)
    assert expired is not None
    assert expired.approved_at is not None


PATIENCE = (0.2, 1.0, 4.0)
"""Seconds a task of these tests lives: the first that is enough on this machine is used."""


def expired(queue: ApprovalQueue, task_id: str) -> bool:
    return any(task.id == task_id for task in queue.list("acme", status=ApprovalStatus.EXPIRED).tasks)


def test_an_approval_outlives_the_time_for_voting(queue: ApprovalQueue) -> None:
    for patience in PATIENCE:
        task = park(queue, requirement(expires_in=patience), body=f"approved in {patience}")
        other = park(queue, requirement(expires_in=patience), body=f"ignored for {patience}")
        with suppress(ApprovalError):
            queue.approve("acme", task.id, BEA)
            break
    eventually(lambda: expired(queue, other.id))
    assert use(queue, task).outcome is ConsumptionOutcome.OK


def test_what_was_used_does_not_expire(queue: ApprovalQueue) -> None:
    for patience in PATIENCE:
        task = park(queue, requirement(use_within=patience), body=f"used in {patience}")
        other = park(queue, requirement(use_within=patience), body=f"ignored for {patience}")
        for parked in (task, other):
            queue.approve("acme", parked.id, BEA)
        if use(queue, task).outcome is ConsumptionOutcome.OK:
            break
    eventually(lambda: expired(queue, other.id))
    assert use(queue, task, "attempt 2").outcome is ConsumptionOutcome.USED
    assert not expired(queue, task.id)


# Listing


def test_a_listing_shows_the_newest_first_page_by_page(queue: ApprovalQueue) -> None:
    ids = [park(queue, body=f"export {number}").id for number in range(5)]

    first = queue.list("acme", limit=2)
    park(queue, body="meanwhile")
    second = queue.list("acme", limit=2, before=first.next)
    third = queue.list("acme", limit=2, before=second.next)

    assert [task.id for page in (first, second, third) for task in page.tasks] == ids[::-1]
    assert third.next is None


@pytest.mark.parametrize("status", [None, ApprovalStatus.PENDING])
def test_a_full_last_page_has_no_next(queue: ApprovalQueue, status: ApprovalStatus | None) -> None:
    for number in range(2):
        park(queue, body=f"export {number}")
    assert queue.list("acme", status=status, limit=2).next is None
    page = queue.list("acme", status=status, limit=1)
    assert page.next == page.tasks[0].position
    assert len(queue.list("acme", status=status, limit=1, before=page.next).tasks) == 1


def test_a_listing_is_filtered_by_status_and_requester(queue: ApprovalQueue) -> None:
    mine = park(queue)
    theirs = park(queue, requester="zoe")
    denied = queue.deny("acme", park(queue, body="bad").id, BEA, "No.")
    park(queue, tenant="globex")

    assert queue.list("acme", status=ApprovalStatus.PENDING).tasks == (theirs, mine)
    assert queue.list("acme", status=ApprovalStatus.DENIED).tasks == (denied,)
    assert queue.list("acme", requester="alice").tasks == (denied, mine)
    assert queue.list("acme", status=ApprovalStatus.PENDING, requester="zoe").tasks == (theirs,)
    assert queue.list("initech").tasks == ()


def test_a_listing_calls_expired_what_has_expired(queue: ApprovalQueue) -> None:
    task = park(queue, requirement(expires_in=0.01))
    eventually(lambda: not queue.list("acme", status=ApprovalStatus.PENDING).tasks)
    [expired] = queue.list("acme").tasks
    assert (expired.id, expired.status) == (task.id, ApprovalStatus.EXPIRED)


def test_a_listing_reaches_past_many_others(new_queue: NewQueue) -> None:
    queue = new_queue(ApprovalLimits(open_per_requester=500))
    wanted = park(queue, requester="zoe")
    for number in range(120):
        park(queue, body=f"export {number}")
    assert queue.list("acme", requester="zoe").tasks == (wanted,)
    assert len(queue.list("acme", limit=500).tasks) == 121


@pytest.mark.parametrize("limit", [0, 501])
def test_a_page_has_a_sensible_size(queue: ApprovalQueue, limit: int) -> None:
    with pytest.raises(ValueError, match="limit"):
        queue.list("acme", limit=limit)


# Idempotency keys, and what a requester has open


@pytest.fixture
def few_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("policy_middleware.approvals.memory.MAX_CLAIMS", 2)
    monkeypatch.setattr("policy_middleware.approvals.redis.MAX_CLAIMS", 2)


@pytest.mark.usefixtures("few_keys")
def test_idempotency_keys_of_one_requester_are_limited(queue: ApprovalQueue) -> None:
    for key in ("k1", "k2", "k1"):
        queue.claim("acme", "alice", key, "digest")
    with refused("too_many_keys"):
        queue.claim("acme", "alice", "k3", "digest")
    assert queue.claim("acme", "alice", "k2", "digest") is None
    assert queue.claim("acme", "bob", "k3", "digest") is None
    with refused("duplicate_request"):
        queue.claim("acme", "alice", "k1", "another digest")


def test_what_a_requester_has_open_is_found_among_the_requests_of_others(queue: ApprovalQueue) -> None:
    approved, pending, used = (park(queue, body=body) for body in ("approved", "pending", "used"))
    park(queue, requester="bob")
    for task in (approved, used):
        queue.approve("acme", task.id, BEA)
    use(queue, used)
    assert {task.id for task in queue.open_of("acme", "alice")} == {approved.id, pending.id}
    assert (
        queue.open_of("acme", "nobody") == queue.open_of("globex", "alice") == queue.open_of("acme", "") == ()
    )
