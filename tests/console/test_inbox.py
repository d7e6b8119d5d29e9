from __future__ import annotations

import pytest

from policy_middleware.approvals import ApprovalStatus, Approver, Verification
from policy_middleware.console import Visitor
from policy_middleware.model.decision import ApprovalRequirement
from policy_middleware.model.errors import StoreUnavailable
from policy_middleware.model.policy import ApprovalSpec, EscalationSpec
from tests.approvals.parking import requirement, role
from tests.console.visiting import BASE, BEA, FORM, Desk, header_of, path_of, text_of
from tests.waiting import eventually

CARL = Visitor(Approver("carl", ("dpo",)), ("acme", "globex"))
STRANGER = Visitor(Approver("ivy", ("intern",)), ("acme",))
ALICE = Visitor(Approver("Alice ", ("dpo",)), ("acme",))


def test_the_list_says_who_asks_for_what_and_why(desk: Desk) -> None:
    task = desk.park()
    page = desk.open()
    assert page.status == 200
    text = text_of(page)
    assert "alice asks to perform report.export on report:7" in text
    assert task.reason in text
    assert "0 of 1 approval" in text
    assert "Expires in 59 min" in text
    assert f'href="{BASE}{path_of(task)}"' in page.body.decode()


def test_an_empty_list_says_that_nothing_is_waiting(desk: Desk) -> None:
    assert "Nothing is waiting" in text_of(desk.open())
    assert "Nothing here yet" in text_of(desk.open(query="status=denied"))


def test_the_page_of_a_request_shows_all_there_is_to_decide_on(desk: Desk) -> None:
    task = desk.park()
    text = text_of(desk.open(path_of(task)))
    for shown in (
        "alice asks to perform report.export on report:7",
        "POST /exports?a=1",
        "8 bytes of text/plain",
        "somebody with the role dpo",
        "Rule big-export",
        task.id,
        "alice asked",
    ):
        assert shown in text


def test_a_vote_counts_as_verified_by_the_host(desk: Desk) -> None:
    asserted = Visitor(Approver("bea", ("dpo",), verified=Verification.HOST), ("acme",))
    task = desk.park()
    answer = desk.send(path_of(task, "approve"), asserted, comment="checked")
    assert (answer.status, header_of(answer, "Location")) == (
        303,
        f"{BASE}{path_of(task)}?notice=approved",
    )
    (vote,) = desk.task(task).votes
    assert (vote.approver, vote.comment, vote.verified) == ("bea", "checked", Verification.HOST)


def test_a_vote_that_is_not_the_last_needed_says_so(desk: Desk) -> None:
    task = desk.park(requirement(required=2))
    answer = desk.send(path_of(task, "approve"))
    assert (header_of(answer, "Location") or "").endswith("?notice=counted")
    text = text_of(desk.open(path_of(task), "notice=counted"))
    assert "Your approval is counted. 1 more approval needed." in text
    assert "You have approved. Another approver has to decide as well." in text


def test_a_denial_ends_the_request_and_keeps_the_comment(desk: Desk) -> None:
    task = desk.park()
    assert desk.send(path_of(task, "deny"), comment="not today\r\nask again").status == 303
    denied = desk.task(task)
    assert denied.status is ApprovalStatus.DENIED
    assert denied.votes[0].comment == "not today\nask again"
    assert "bea denied" in text_of(desk.open(path_of(task)))


def test_a_denial_without_a_comment_is_asked_for_one(desk: Desk) -> None:
    task = desk.park()
    answer = desk.send(path_of(task, "deny"), comment="  ")
    assert answer.status == 422
    assert b'role="alert"' in answer.body
    assert b'aria-invalid="true"' in answer.body
    assert desk.task(task).status is ApprovalStatus.PENDING


def test_what_was_written_is_not_lost_when_a_vote_is_refused(desk: Desk) -> None:
    task = desk.park()
    answer = desk.send(path_of(task, "deny"), comment="x" * 5000)
    assert answer.status == 422
    assert "x" * 5000 in answer.body.decode()


@pytest.mark.parametrize(
    ("visitor", "status", "sentence"),
    [
        (STRANGER, 403, "answers to none of the rules"),
        (ALICE, 403, "nobody votes on their own request"),
        (
            Visitor(Approver("a.liddell", ("dpo",)), ("acme",), subject="alice"),
            403,
            "nobody votes on their own",
        ),
    ],
    ids=["not asked", "requester", "requester by the other name"],
)
def test_a_vote_that_does_not_count_says_why(
    desk: Desk, visitor: Visitor, status: int, sentence: str
) -> None:
    task = desk.park()
    answer = desk.send(path_of(task, "approve"), visitor)
    assert answer.status == status
    assert sentence.lower() in text_of(answer).lower()
    assert desk.task(task).votes == ()


@pytest.mark.parametrize("visitor", [STRANGER, ALICE])
def test_who_cannot_decide_is_offered_no_form(desk: Desk, visitor: Visitor) -> None:
    task = desk.park()
    page = desk.open(path_of(task), visitor=visitor).body
    assert b'method="post"' not in page


def test_a_second_vote_of_one_person_is_refused(desk: Desk) -> None:
    task = desk.park(requirement(required=2))
    desk.send(path_of(task, "approve"))
    answer = desk.send(path_of(task, "approve"))
    assert answer.status == 409
    assert "This person has already voted" in text_of(answer)


def test_a_vote_on_what_is_over_says_what_became_of_it(desk: Desk) -> None:
    task = desk.park()
    desk.enforcer.approvals.cancel("acme", task.id, "alice")
    answer = desk.send(path_of(task, "approve"))
    assert answer.status == 409
    assert "already cancelled" in text_of(answer)


def test_an_expired_request_says_so_and_offers_nothing(desk: Desk) -> None:
    task = desk.park(requirement(expires_in=0.001))
    eventually(lambda: desk.task(task).status is ApprovalStatus.EXPIRED)
    page = desk.open(path_of(task))
    assert "Expired: nobody decided in time." in text_of(page)
    assert b"<form" not in page.body
    assert "Expired" in text_of(desk.open(query="status=expired"))


@pytest.mark.parametrize("tenant", ["globex", "nobody", "_global", "..", "%00"])
def test_another_tenants_request_is_as_unknown_as_none(desk: Desk, tenant: str) -> None:
    task = desk.park(tenant="globex")
    for verb in ("", "/approve"):
        answer = (
            desk.open(f"/requests/{tenant}/{task.id}")
            if not verb
            else desk.send(f"/requests/{tenant}/{task.id}/approve")
        )
        assert answer.status == 404
        assert "alice" not in text_of(answer)
    assert desk.open(query=f"tenant={tenant}").status == 404
    assert desk.task(task).votes == ()


def test_an_approver_of_several_tenants_sees_each(desk: Desk) -> None:
    desk.park(tenant="globex", requester="gus")
    assert "Nothing is waiting" in text_of(desk.open(visitor=CARL))
    page = desk.open(query="tenant=globex", visitor=CARL)
    assert "gus asks" in text_of(page)
    assert b"<option selected>globex" in page.body


def test_filters_are_in_the_address(desk: Desk) -> None:
    desk.park(requester="alice", body="1")
    desk.park(requester="bob", body="2")
    text = text_of(desk.open(query="requester=bob"))
    assert "bob asks" in text
    assert "alice asks" not in text
    nobody = desk.open(query="requester=%3Cb%3Enobody")
    assert "Nothing from" in text_of(nobody)
    assert b"<b>nobody" not in nobody.body


@pytest.mark.parametrize(
    "query",
    ["status=nonsense", "before=-1", "before=9e9", "status=pending&before=" + "9" * 400, "a&&=", "%ff=%ff"],
)
def test_an_edited_address_shows_a_page_all_the_same(desk: Desk, query: str) -> None:
    desk.park()
    assert desk.open(query=query).status == 200


def test_older_requests_are_a_page_further(desk: Desk) -> None:
    for number in range(27):
        desk.park(requester=f"person-{number}", body=str(number))
    page = desk.open().body.decode()
    assert page.count("<li id=") == 25
    older = page.split('rel="next"')[0].rsplit('href="', 1)[1].split('"')[0].partition("?")[2]
    second = text_of(desk.open(query=older.replace("&amp;", "&")))
    assert "person-0 asks" in second
    assert "person-26 asks" not in second


@pytest.mark.parametrize("verb", ["approve", "deny"])
def test_no_get_decides(desk: Desk, verb: str) -> None:
    task = desk.park()
    answer = desk.open(path_of(task, verb), "comment=x")
    assert (answer.status, header_of(answer, "Allow")) == (405, "POST")
    assert desk.task(task).status is ApprovalStatus.PENDING


@pytest.mark.parametrize("path", ["/", "/requests/acme/apr_" + "A" * 22])
def test_pages_are_read_with_get(desk: Desk, path: str) -> None:
    assert desk.send(path).status == 405
    assert desk.open(path, method="DELETE").status == 405


@pytest.mark.parametrize(
    "path",
    [
        "/nope",
        "/requests",
        "/requests/acme",
        "/requests/acme/x",
        "/requests/acme/apr_x/approve/more",
        "/../x",
    ],
)
def test_what_is_not_there_is_404(desk: Desk, path: str) -> None:
    assert desk.open(path).status == 404


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"sec-fetch-site": ("cross-site",)},
        {"sec-fetch-site": ("same-site",)},
        {"sec-fetch-site": ("none",)},
        {"sec-fetch-site": ("same-origin", "cross-site")},
        {"sec-fetch-site": ("cross-site",), "origin": ("http://app.test",), "host": ("app.test",)},
        {"origin": ("http://evil.test",), "host": ("app.test",)},
        {"origin": ("null",), "host": ("app.test",)},
        {"host": ("app.test",)},
        {"origin": ("http://app.test",)},
        {"origin": ("http://app.test:81",), "host": ("app.test",)},
    ],
)
def test_a_form_from_elsewhere_decides_nothing(desk: Desk, headers: dict[str, tuple[str, ...]]) -> None:
    task = desk.park()
    answer = desk.send(path_of(task, "approve"), headers={"content-type": FORM["content-type"], **headers})
    assert answer.status == 403
    assert "did not come from this inbox" in text_of(answer)
    assert desk.task(task).votes == ()


def test_hostile_names_are_shown_and_never_obeyed(desk: Desk) -> None:
    evil = "<script>alert(1)</script>\u202eesrever\"'"
    task = desk.park(requester=evil)
    for page in (desk.open(), desk.open(path_of(task))):
        body = page.body.decode()
        assert "<script>alert" not in body
        assert "\u202e" not in body
        assert "&lt;script&gt;" in body


def test_every_page_is_guarded(desk: Desk) -> None:
    task = desk.park()
    for page in (desk.open(), desk.open(path_of(task)), desk.open("/nope"), desk.send(path_of(task, "deny"))):
        policy = header_of(page, "Content-Security-Policy") or ""
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy
        assert header_of(page, "X-Frame-Options") == "DENY"
        assert header_of(page, "X-Content-Type-Options") == "nosniff"
        assert header_of(page, "Cache-Control") == "no-store"
        assert header_of(page, "Referrer-Policy") == "same-origin"
        assert b" style=" not in page.body
        assert b"<script>" not in page.body
        assert b"onclick" not in page.body


def test_an_unreachable_queue_is_a_page_that_says_so(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*arguments: object, **options: object) -> None:
        raise StoreUnavailable("no server")

    monkeypatch.setattr(desk.enforcer.approvals, "list", away)
    answer = desk.open()
    assert (answer.status, header_of(answer, "Retry-After")) == (503, "5")
    assert "Nothing was changed" in text_of(answer)


def test_similar_requests_show_how_they_were_decided(desk: Desk) -> None:
    first, second = desk.park(requester="ann", body="1"), desk.park(requester="ben", body="2")
    desk.send(path_of(first, "approve"))
    desk.send(path_of(second, "deny"), comment="no")
    text = text_of(desk.open(path_of(desk.park(requester="cat", body="3"))))
    assert "Of the latest 2 requests for report.export, 1 was approved, 1 denied and 0 lapsed." in text


def test_a_vote_typed_on_the_command_line_is_told_from_one_of_somebody_signed_in(desk: Desk) -> None:
    task = desk.park(requirement(required=2))
    asserted = Approver("dan", ("dpo",), operator="root")
    desk.enforcer.approvals.approve("acme", task.id, asserted, "seen")
    assert "Said so on the command line by root; not signed in." in text_of(desk.open(path_of(task)))


def test_static_files_are_named_by_their_content_and_kept_by_browsers(desk: Desk) -> None:
    from policy_middleware.console import PageRequest
    from policy_middleware.console.rendering import static_path

    page = desk.open().body.decode()
    for name, kind in (("inbox.css", "text/css"), ("inbox.js", "text/javascript"), ("icon.svg", "image/svg")):
        assert f"{BASE}{static_path(name)}" in page
        answer = desk.inbox.public(PageRequest("GET", static_path(name), BASE))
        assert answer.status == 200
        assert (header_of(answer, "Content-Type") or "").startswith(kind)
        assert "immutable" in (header_of(answer, "Cache-Control") or "")
    for path in (
        "/static/0/inbox.css",
        "/static/inbox.css",
        "/static/../inbox.py",
        "/static/x/../../inbox.py",
    ):
        assert desk.inbox.public(PageRequest("GET", path, BASE)).status == 404


def test_nobody_is_an_approver_by_accident() -> None:
    from policy_middleware.console import visitor_of
    from policy_middleware.model.errors import SettingsError

    assert visitor_of(None, tenant="acme", subject="ana") is None
    for wrong in ("ana", True, {"id": "ana"}, object()):
        with pytest.raises(SettingsError, match="return an Approver"):
            visitor_of(wrong, tenant="acme", subject="ana")
    with pytest.raises(SettingsError, match="no tenant id"):
        visitor_of(Approver("bea", tenants=("_global",)), tenant="acme", subject=None)
    visitor = visitor_of(Approver("bea", operator="root"), tenant="acme", subject=None)
    assert visitor is not None
    assert (visitor.tenants, visitor.approver.verified, visitor.approver.operator) == (
        ("acme",),
        Verification.HOST,
        None,
    )


def test_form_of_another_kind_is_no_vote_with_a_comment(desk: Desk) -> None:
    task = desk.park()
    headers = {"content-type": ("text/plain",), "sec-fetch-site": ("same-origin",)}
    assert desk.send(path_of(task, "deny"), headers=headers, comment="x").status == 422
    assert desk.open(path_of(task), visitor=BEA).status == 200


def with_second_group(after: float, *, host_verified: bool = False) -> ApprovalRequirement:
    spec = ApprovalSpec(
        role("dpo"), host_verified=host_verified, escalation=EscalationSpec(after, role("ceo"))
    )
    return ApprovalRequirement("acme", "big-export", "d1", "Exports need a second person.", spec)


def test_a_second_group_of_approvers_is_announced_and_then_named(desk: Desk) -> None:
    later = desk.park(with_second_group(1800.0, host_verified=True), body="1")
    text = text_of(desk.open(path_of(later)))
    assert "by somebody with the role dpo, signed in here" in text
    assert "on also by somebody with the role ceo" in text
    now = desk.park(with_second_group(0.001), body="2")
    eventually(lambda: "or by somebody with the role ceo" in text_of(desk.open(path_of(now))))
    text = text_of(desk.open(path_of(now)))
    assert "by somebody with the role dpo, or by somebody with the role ceo" in text
    assert "Rule big-export asks a second group of people as well." in text
    chief = Visitor(Approver("cleo", ("ceo",)), ("acme",))
    assert desk.send(path_of(now, "approve"), chief).status == 303
