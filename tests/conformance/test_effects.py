"""What each decision does to a request."""

from __future__ import annotations

import pytest

from .conftest import Build, Records
from .harness import FORBIDDEN_PAGE, Adapter, Call, document
from .policies import ALLOW_ALL, DENY_ALL, IDENTITY, only


def test_an_allowed_request_reaches_its_handler_and_names_the_decision(
    build: Build, records: Records
) -> None:
    service = build(ALLOW_ALL)
    answer = service.call(Call(target="/docs/7", headers=IDENTITY))
    assert answer.status == 200
    assert answer.body == document("7")
    assert "read 7" in service.journal
    (record,) = records.decisions()
    assert answer.header("x-policy-decision-id") == record["decision_id"]


def test_a_denied_request_never_reaches_its_handler(build: Build) -> None:
    service = build(only("deny", {"tags": "pii"}, default="deny"))
    answer = service.call(Call(target="/docs/7", headers=IDENTITY))
    assert answer.status == 403
    assert service.journal == [] or all(entry.startswith("received") for entry in service.journal)


def test_a_denial_is_a_problem_document_that_no_cache_keeps(
    build: Build, adapter: Adapter, records: Records
) -> None:
    service = build(only("deny", {}, default="allow"))
    answer = service.call(Call(target="/docs/7", headers=IDENTITY))
    (record,) = records.decisions()
    assert answer.header("content-type") == "application/problem+json"
    assert answer.header("cache-control") == "no-store"
    assert answer.header("content-length") == str(len(answer.body))
    assert answer.header("x-policy-decision-id") == record["decision_id"]
    problem = answer.json()
    assert problem["status"] == 403
    assert problem["detail"] == "Because the rule says so."
    assert problem["decision_id"] == record["decision_id"]
    assert problem["action"] == ("document.read" if adapter.expects.knows_routes else "GET /docs/7")
    assert {"rule", "document", "revisions"}.isdisjoint(problem)


def test_debug_exposure_names_the_rule(build: Build) -> None:
    service = build(only("deny", {}, default="allow"), expose="debug")
    assert service.call(Call(target="/docs/7", headers=IDENTITY)).json()["rule"] == "the-rule"


def test_a_denied_head_request_has_no_body(build: Build) -> None:
    answer = build(DENY_ALL).call(Call("HEAD", "/docs/7", headers=IDENTITY))
    assert answer.status == 403
    assert answer.body == b""


def test_head_is_decided_as_the_get_it_is(build: Build, adapter: Adapter) -> None:
    action = "document.read" if adapter.expects.knows_routes else "GET /docs/7"
    service = build(only("allow", {"action": action}))
    answer = service.call(Call("HEAD", "/docs/7", headers=IDENTITY))
    assert answer.status == 200
    assert answer.body == b""
    assert answer.header("content-length") == str(len(document("7")))


def test_a_decorator_names_action_resource_and_tags(build: Build, adapter: Adapter) -> None:
    when = {
        "action": "document.read",
        "resource.type": "document",
        "resource.id": "7",
        "tags": "pii",
        "http.route": "/docs/{id}",
    }
    service = build(only("allow", when))
    expected = 200 if adapter.expects.knows_routes else 403
    assert service.call(Call(target="/docs/7", headers=IDENTITY)).status == expected
    assert service.call(Call(target="/docs/8", headers=IDENTITY)).status == 403


def test_an_undecorated_handler_is_its_method_and_template(build: Build, adapter: Adapter) -> None:
    action = "GET /plain/{name}" if adapter.expects.knows_routes else "GET /plain/ann"
    service = build(only("allow", {"action": action}))
    assert service.call(Call(target="/plain/ann", headers=IDENTITY)).body == b"hello ann"


def test_the_method_of_a_view_wins_over_its_class(build: Build, adapter: Adapter) -> None:
    if not adapter.expects.knows_routes:
        pytest.skip("no routes are known")
    service = build(only("allow", {"action": "thing.delete", "resource.id": "5"}))
    assert service.call(Call("DELETE", "/things/5", headers=IDENTITY)).status == 204
    assert service.call(Call("GET", "/things/5", headers=IDENTITY)).status == 403
    assert service.journal.count("delete 5") == 1


def test_the_class_of_a_view_speaks_for_its_other_methods(build: Build, adapter: Adapter) -> None:
    if not adapter.expects.knows_routes:
        pytest.skip("no routes are known")
    service = build(only("allow", {"action": "thing.any", "resource.id": "5"}))
    assert service.call(Call("GET", "/things/5", headers=IDENTITY)).body == b"thing 5"
    assert service.call(Call("DELETE", "/things/5", headers=IDENTITY)).status == 403


def test_a_routes_table_speaks_for_code_that_is_not_yours(build: Build, adapter: Adapter) -> None:
    if not adapter.expects.knows_routes:
        pytest.skip("no routes are known")
    table = {"/listed/{id}": {"action": "list.read", "resource": "list:{id}", "tags": ["money"]}}
    service = build(only("allow", {"action": "list.read", "resource.id": "3", "tags": "money"}), routes=table)
    assert service.call(Call(target="/listed/3", headers=IDENTITY)).body == b"listed 3"


def test_a_decorator_wins_over_the_routes_table(build: Build, adapter: Adapter) -> None:
    if not adapter.expects.knows_routes:
        pytest.skip("no routes are known")
    service = build(
        only("allow", {"action": "document.read"}), routes={"/docs/{id}": {"action": "something.else"}}
    )
    assert service.call(Call(target="/docs/7", headers=IDENTITY)).status == 200


def test_a_route_inside_a_mount_has_its_whole_template(build: Build, adapter: Adapter) -> None:
    action = "GET /mounted/inner/{id}" if adapter.expects.knows_routes else "GET /mounted/inner/4"
    service = build(only("allow", {"action": action}))
    answer = service.call(Call(target="/mounted/inner/4", headers=IDENTITY))
    assert (answer.status, answer.body) == (200, b"inner 4")


@pytest.mark.parametrize("effect", ["allow", "deny"])
def test_every_decided_request_leaves_exactly_one_record(build: Build, records: Records, effect: str) -> None:
    service = build(only(effect, {}, default="deny"))
    service.call(Call(target="/docs/7", headers=IDENTITY))
    assert [record["result"]["effect"] for record in records.decisions()] == [effect]


def test_health_probes_are_exempt_and_leave_no_record(build: Build, records: Records) -> None:
    service = build(DENY_ALL)
    answer = service.call(Call(target="/healthz"))
    assert (answer.status, answer.body) == (200, b"ok")
    assert answer.header("x-policy-decision-id") is None
    assert records.decisions() == []


def test_exemption_goes_by_whole_segments(build: Build) -> None:
    service = build(DENY_ALL, exempt=["/plain/ann"])
    assert service.call(Call(target="/plain/ann", headers=IDENTITY)).status == 200
    assert service.call(Call(target="/plain/anne", headers=IDENTITY)).status == 403


def test_a_handler_can_be_exempt(build: Build, adapter: Adapter, records: Records) -> None:
    if not adapter.expects.knows_routes:
        pytest.skip("no routes are known")
    assert build(DENY_ALL).call(Call(target="/free")).body == b"free"
    assert records.decisions() == []


def test_options_requests_are_decided_like_any_other(build: Build, adapter: Adapter) -> None:
    service = build(DENY_ALL)
    preflight = (("Origin", "https://example.com"), ("Access-Control-Request-Method", "GET"))
    answer = service.call(Call("OPTIONS", "/plain/ann", headers=(*IDENTITY, *preflight)))
    assert answer.status in (403, adapter.expects.wrong_method_denied)


def test_observing_lets_everything_pass_and_records_what_would_have_happened(
    build: Build, records: Records
) -> None:
    service = build(DENY_ALL, mode="observe")
    assert service.call(Call(target="/docs/7", headers=IDENTITY)).body == document("7")
    assert service.call(Call(target="/docs/8")).body == document("8")
    assert [record["result"]["effect"] for record in records.decisions()] == ["deny", "deny"]


def test_observing_masks_nothing_and_parks_nothing(build: Build) -> None:
    service = build(only("mask", {}, mask={"fields": {"email": "redact"}}), mode="observe")
    assert service.call(Call(target="/docs/7", headers=IDENTITY)).body == document("7")
    approving = only("require_approval", {}, approval={"approvers": {"role": "dpo"}})
    service = build(approving, mode="observe")
    assert service.call(Call(target="/docs/7", headers=IDENTITY)).body == document("7")


def test_people_are_shown_the_apps_own_forbidden_page(build: Build, adapter: Adapter) -> None:
    service = build(DENY_ALL, setup_forbidden_page=True)
    answer = service.call(Call(target="/docs/7", headers=(*IDENTITY, ("Accept", "text/html,*/*;q=0.8"))))
    assert answer.status == 403
    assert answer.header("x-policy-decision-id") is not None
    assert "no-store" in (answer.header("cache-control") or "")
    if adapter.expects.own_forbidden_page:
        assert answer.body == FORBIDDEN_PAGE
    else:
        assert answer.json()["status"] == 403


@pytest.mark.parametrize("accept", ["*/*", "application/json", "application/json, text/html;q=0.5"])
def test_programs_are_told_in_json_even_where_there_is_a_page(build: Build, accept: str) -> None:
    service = build(DENY_ALL, setup_forbidden_page=True)
    answer = service.call(Call(target="/docs/7", headers=(*IDENTITY, ("Accept", accept))))
    assert answer.json()["status"] == 403
