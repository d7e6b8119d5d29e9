from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from policy_middleware.approvals import Approver
from policy_middleware.attributes import Source, WouldBlock, body, header
from policy_middleware.enforcer import PolicyEnforcer
from policy_middleware.gate import Gate, build_gate
from policy_middleware.model.decision import Matched
from policy_middleware.model.effect import Effect
from policy_middleware.model.errors import MaskError, SettingsError, StoreUnavailable
from policy_middleware.routing import policy_exempt, route_policy
from policy_middleware.steps import (
    Awaiting,
    Blocking,
    FinalStep,
    Proceed,
    ProceedMasked,
    Respond,
    drive,
    drive_async,
)
from tests.requests import FakeRequest

POLICY = {
    "schema": 1,
    "default": "deny",
    "rules": [
        {"id": "readers", "when": {"role": "reader"}, "effect": "allow", "reason": "Readers read."},
        {
            "id": "support",
            "when": {"role": "support"},
            "effect": "mask",
            "reason": "Support sees masked data.",
            "mask": {"fields": {"email": "redact"}},
        },
        {
            "id": "export",
            "when": {"role": "analyst"},
            "effect": "require_approval",
            "reason": "Exports need a second person.",
            "approval": {"approvers": {"role": "dpo"}},
        },
        {"id": "guests", "when": {"role": "guest"}, "effect": "deny", "reason": "Guests <may> not."},
    ],
}
DPO = Approver("dora", roles=("dpo",))


class Log:
    """A decision log sink that keeps what it is told."""

    def __init__(self) -> None:
        self.records: list[dict[str, Any]] = []

    def __call__(self, record: dict[str, Any]) -> None:
        self.records.append(record)


@pytest.fixture
def log() -> Log:
    return Log()


@pytest.fixture
def enforcer(log: Log) -> Iterator[PolicyEnforcer]:
    with PolicyEnforcer.from_url("memory://", decision_log=log) as enforcer:
        enforcer.publish("acme", POLICY)
        yield enforcer


@pytest.fixture
def gate(enforcer: PolicyEnforcer) -> Gate:
    return _gate(enforcer)


def _gate(enforcer: PolicyEnforcer, **options: object) -> Gate:
    sources = {"tenant": header("X-Tenant"), "subject": header("X-User"), "roles": header("X-Roles")}
    return build_gate({"enforcer": enforcer, **sources, **options})


def _request(role: str = "reader", *, user: str = "bob", tenant: str = "acme", **fields: Any) -> FakeRequest:
    headers = (("x-tenant", tenant), ("x-user", user), ("x-roles", role), *fields.pop("headers", ()))
    return FakeRequest(headers=headers, **fields)


def _drive(gate: Gate, request: FakeRequest, body: bytes = b"") -> FinalStep:
    return drive(gate.open(request), lambda limit: body if len(body) <= limit else None)


def _answer(
    gate: Gate, request: FakeRequest, body: bytes = b""
) -> tuple[int, dict[str, str], dict[str, Any]]:
    step = _drive(gate, request, body)
    assert isinstance(step, Respond)
    return step.response.status, dict(step.response.headers), json.loads(step.response.body)


def test_an_allowed_request_proceeds_with_its_decision_id(gate: Gate) -> None:
    step = _drive(gate, _request())
    assert isinstance(step, Proceed)
    assert step.decision is not None
    assert step.decision.rule_id == "readers"
    assert step.headers == (("X-Policy-Decision-Id", step.decision.decision_id),)


def test_the_steady_path_takes_no_step_that_blocks(gate: Gate) -> None:
    _drive(gate, _request())
    assert isinstance(gate.open(_request()), Proceed)


def test_a_tenant_that_is_not_in_memory_is_loaded_by_a_blocking_step(enforcer: PolicyEnforcer) -> None:
    step = _gate(enforcer).open(_request(tenant="globex"))
    assert isinstance(step, Blocking)
    answer = step.run()
    assert isinstance(answer, Respond)
    assert json.loads(answer.response.body)["type"].endswith(":policy-missing")


def test_a_denied_request_gets_the_public_reason_and_nothing_else(gate: Gate) -> None:
    status, headers, body = _answer(gate, _request("guest"))
    assert (status, body["detail"], body["action"]) == (403, "Guests <may> not.", "GET /customers/{id}")
    assert headers["X-Policy-Decision-Id"] == body["decision_id"]
    assert set(body) == {"type", "title", "status", "detail", "instance", "decision_id", "action"}


def test_debug_mode_names_the_rule(enforcer: PolicyEnforcer) -> None:
    _, _, body = _answer(_gate(enforcer, expose="debug"), _request("guest"))
    assert (body["rule"], body["document"], body["matched"]) == ("guests", "acme", "rule")


def test_a_browser_may_be_shown_the_frameworks_own_page(gate: Gate) -> None:
    step = _drive(gate, _request("guest", headers=[("accept", "text/html,*/*;q=0.1")]))
    assert isinstance(step, Respond)
    assert step.html


def test_a_masked_request_carries_its_mask(gate: Gate, enforcer: PolicyEnforcer, log: Log) -> None:
    step = _drive(gate, _request("support"))
    assert isinstance(step, ProceedMasked)
    step.mask.open(200, [("content-type", "application/json")])
    step.mask.feed(b'{"email": "a@b.example", "n": 1}')
    masked = step.mask.close()
    step.masked(masked.report)
    assert b"a@b.example" not in masked.body
    enforcer.decision_log.flush()
    assert [record.get("effect") for record in log.records if record.get("effect")] == ["mask"]


def test_a_mask_that_fails_answers_502_without_the_cause(gate: Gate) -> None:
    step = _drive(gate, _request("support"))
    assert isinstance(step, ProceedMasked)
    response = step.refuse(MaskError("secret value"))
    assert response.status == 502
    assert b"secret" not in response.body


@pytest.mark.parametrize(
    ("role", "detail"),
    [("analyst", "cannot be parked for approval"), ("guest", "Guests")],
)
def test_a_websocket_that_is_not_allowed_is_denied(gate: Gate, role: str, detail: str) -> None:
    status, _, body = _answer(gate, _request(role, method="WEBSOCKET"))
    assert status == 403
    assert detail in body["detail"]


def test_the_messages_of_a_websocket_can_be_masked(gate: Gate) -> None:
    step = _drive(gate, _request("support", method="WEBSOCKET"))
    assert isinstance(step, ProceedMasked)
    assert step.mask.messages().report().count == 0


def test_exempt_paths_are_matched_by_whole_segments(gate: Gate) -> None:
    for path in ("/healthz", "/healthz/deep"):
        assert _drive(gate, FakeRequest(path=path, route=None)) == Proceed(None)
    assert isinstance(_drive(gate, FakeRequest(path="/healthz-status", route=None)), Respond)
    assert isinstance(_drive(gate, FakeRequest(path="/x/healthz", route=None)), Respond)


@pytest.mark.parametrize(
    "path", ["/healthz/../private/s.txt", "/healthz/./x", "/healthz/a/..", "/healthz/..\\private"]
)
def test_a_path_with_dot_segments_is_never_exempt(gate: Gate, path: str) -> None:
    assert isinstance(_drive(gate, FakeRequest(path=path, route=None)), Respond)


def test_the_identity_header_counts_only_from_trusted_proxies(enforcer: PolicyEnforcer) -> None:
    options = {"subject": None, "roles": None, "identity": header("X-User"), "trusted_proxies": "10.0.0.1"}
    gate = _gate(enforcer, **options)
    assert _status(_drive(gate, _request())) == (401, "identity-missing")
    assert _status(_drive(gate, _request(client="10.0.0.1"))) == (403, "denied")


def test_an_exempt_handler_is_not_decided(gate: Gate) -> None:
    route = route_policy("GET", "/login", policy_exempt(lambda: None))
    assert _drive(gate, FakeRequest(route=route)) == Proceed(None)


def test_refusals_say_what_is_missing(gate: Gate) -> None:
    status, headers, body = _answer(gate, FakeRequest(headers=[("x-tenant", "acme")]))
    assert (status, body["type"]) == (401, "urn:problem-type:policy-middleware:identity-missing")
    assert headers["WWW-Authenticate"]


def test_every_request_leaves_exactly_one_record(gate: Gate, enforcer: PolicyEnforcer, log: Log) -> None:
    requests = [
        _request(),
        _request("guest"),
        _request("analyst"),
        _request("nobody"),
        FakeRequest(),
        _request(tenant="globex"),
    ]
    for request in requests:
        _drive(gate, request)
    enforcer.decision_log.flush()
    decided = [record for record in log.records if "effect" in record]
    assert [record["effect"] for record in decided] == [
        "allow",
        "deny",
        "require_approval",
        "deny",
        "deny",
        "deny",
    ]
    assert len({record["decision_id"] for record in decided}) == len(requests)


def test_an_unusable_store_is_503_with_retry_after(
    enforcer: PolicyEnforcer, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = _gate(enforcer)
    _break(enforcer, monkeypatch)
    status, headers, body = _answer(gate, _request(tenant="globex"))
    assert (status, body["type"].rpartition(":")[2]) == (503, "store-unavailable")
    assert int(headers["Retry-After"]) > 0


def test_an_operator_may_choose_to_fail_open(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    with PolicyEnforcer.from_url("memory://", decision_log=log, on_store_failure="allow") as enforcer:
        gate = _gate(enforcer)
        _break(enforcer, monkeypatch)
        step = _drive(gate, _request(tenant="globex"))
    assert isinstance(step, Proceed)
    assert step.decision is not None
    assert step.decision.matched is Matched.STORE_UNAVAILABLE


def _break(enforcer: PolicyEnforcer, monkeypatch: pytest.MonkeyPatch) -> None:
    def unreachable(tenant: str) -> None:
        raise StoreUnavailable("gone")

    monkeypatch.setattr(type(enforcer.snapshots), "load", lambda self, tenant: unreachable(tenant))


# -- observe mode --------------------------------------------------------------------------------------


@pytest.mark.parametrize("role", ["guest", "analyst", "support", "nobody"])
def test_observing_lets_every_request_pass_and_records_what_would_have_been(
    enforcer: PolicyEnforcer, log: Log, role: str
) -> None:
    step = _drive(_gate(enforcer, mode="observe"), _request(role))
    assert isinstance(step, Proceed)
    enforcer.decision_log.flush()
    (record,) = (record for record in log.records if "effect" in record)
    assert record["effect"] != "allow"
    assert record["enforced"] is False


def test_observing_lets_unidentified_requests_pass(enforcer: PolicyEnforcer) -> None:
    assert isinstance(_drive(_gate(enforcer, mode="observe"), FakeRequest()), Proceed)


# -- sources that need a thread or a loop ------------------------------------------------------------------


def test_a_synchronous_source_of_the_application_runs_in_a_blocking_step(enforcer: PolicyEnforcer) -> None:
    gate = _gate(enforcer, roles=lambda request: ["reader"])
    step = gate.open(_request("guest"))
    assert isinstance(step, Blocking)
    assert isinstance(drive(step, lambda limit: b""), Proceed)


@pytest.mark.parametrize("with_blocking", [False, True])
def test_an_asynchronous_source_is_awaited(enforcer: PolicyEnforcer, with_blocking: bool) -> None:
    async def roles(request: object) -> list[str]:
        return ["reader"]

    options: dict[str, object] = {"roles": roles}
    if with_blocking:
        options["attributes"] = {"context.plan": lambda request: "gold"}
    gate = _gate(enforcer, **options)

    async def in_place(run: Callable[[], Any]) -> Any:
        return run()

    async def no_body(limit: int) -> bytes | None:
        return b""

    step = gate.open(_request("guest"))
    assert isinstance(step, Awaiting)
    assert isinstance(asyncio.run(drive_async(step, no_body, in_place)), Proceed)
    assert isinstance(drive(gate.open(_request("guest")), lambda limit: b""), Proceed)


# -- approvals -------------------------------------------------------------------------------------------


def _park(gate: Gate, body: bytes = b"{}", **fields: Any) -> str:
    status, headers, document = _answer(gate, _request("analyst", **fields), body)
    assert status == 202
    assert document["task"]["id"] == headers["X-Approval-Id"]
    return headers["X-Approval-Id"]


def _replay(gate: Gate, task_id: str, body: bytes = b"{}", **fields: Any) -> FinalStep:
    return _drive(gate, _request("analyst", headers=[("x-approval-id", task_id)], **fields), body)


def _status(step: FinalStep) -> tuple[int, str]:
    assert isinstance(step, Respond)
    return step.response.status, json.loads(step.response.body).get("type", "").rpartition(":")[2]


def test_a_parked_request_is_told_where_to_wait(gate: Gate) -> None:
    status, headers, body = _answer(gate, _request("analyst", root_path="/api"), b"{}")
    task = body["task"]
    assert status == 202
    assert headers["Location"] == task["status_endpoint"] == f"/api/_policy/access/v1/requests/{task['id']}"
    assert (task["status"], task["approvals"]) == ("pending", {"required": 1, "received": 0})
    assert body["reason"] == "Exports need a second person."
    assert int(headers["Retry-After"]) > 0
    assert headers["Cache-Control"] == "no-store"


def test_urls_are_built_from_public_url_and_never_from_the_host_header(enforcer: PolicyEnforcer) -> None:
    gate = _gate(enforcer, public_url="https://api.example/x/")
    _, headers, _ = _answer(gate, _request("analyst", host="evil.example"), b"{}")
    assert headers["Location"].startswith("https://api.example/x/_policy/")


def test_the_same_request_while_pending_is_the_same_task(gate: Gate) -> None:
    assert _park(gate) == _park(gate)
    assert _park(gate) != _park(gate, b"[]")
    assert _park(gate) != _park(gate, query="a=1")
    assert _park(gate) != _park(gate, user="carol")


def test_an_approved_request_runs_exactly_once(gate: Gate, enforcer: PolicyEnforcer) -> None:
    task_id = _park(gate)
    assert _status(_replay(gate, task_id)) == (202, "")
    enforcer.approvals.approve("acme", task_id, DPO)
    step = _replay(gate, task_id)
    assert isinstance(step, Proceed)
    assert step.decision is not None
    assert (step.decision.effect, step.decision.matched) == (Effect.ALLOW, Matched.APPROVAL)
    assert _status(_replay(gate, task_id)) == (409, "approval-consumed")


@pytest.mark.parametrize("change", [{"body": b"[]"}, {"query": "x=1"}, {"user": "carol"}, {"path": "/other"}])
def test_an_approval_is_for_one_request(gate: Gate, enforcer: PolicyEnforcer, change: dict[str, Any]) -> None:
    task_id = _park(gate)
    enforcer.approvals.approve("acme", task_id, DPO)
    assert _status(_replay(gate, task_id, **change)) == (422, "approval-mismatch")
    assert isinstance(_replay(gate, task_id), Proceed)


@pytest.mark.parametrize("task_id", ["apr_AAAAAAAAAAAAAAAAAAAAAA", "x", "", "apr_" + "A" * 5000, "../../etc"])
def test_an_unknown_approval_is_a_mismatch(gate: Gate, task_id: str) -> None:
    assert _status(_replay(gate, task_id)) == (422, "approval-mismatch")


def test_two_approval_headers_are_malformed(gate: Gate) -> None:
    request = _request("analyst", headers=[("x-approval-id", "a"), ("x-approval-id", "b")])
    assert _status(_drive(gate, request)) == (400, "attribute-malformed")


def test_a_denied_approval_stays_denied(gate: Gate, enforcer: PolicyEnforcer) -> None:
    task_id = _park(gate)
    enforcer.approvals.deny("acme", task_id, DPO, "No.")
    assert _status(_replay(gate, task_id)) == (403, "approval-denied")


def test_a_deny_since_the_approval_wins(gate: Gate, enforcer: PolicyEnforcer) -> None:
    task_id = _park(gate)
    enforcer.approvals.approve("acme", task_id, DPO)
    rule = {"id": "stop", "when": {}, "effect": "deny", "reason": "Stopped."}
    enforcer.publish("_global", {"rules": [rule]})
    assert _status(_replay(gate, task_id)) == (403, "denied")


def test_a_changed_rule_is_asked_about_anew(gate: Gate, enforcer: PolicyEnforcer) -> None:
    task_id = _park(gate)
    enforcer.approvals.approve("acme", task_id, DPO)
    rules = [dict(rule, reason=f"{rule['reason']} Anew.") for rule in POLICY["rules"]]  # type: ignore[arg-type, index, attr-defined]  # plain JSON
    enforcer.publish("acme", {**POLICY, "rules": rules})
    answer = _replay(gate, task_id)
    assert isinstance(answer, Respond)
    task = json.loads(answer.response.body)["task"]
    assert (answer.response.status, task["status"]) == (202, "pending")
    assert task["id"] != task_id
    assert _status(_replay(gate, task_id)) == (403, "approval-superseded")


def test_an_unrelated_edit_orphans_no_approval(gate: Gate, enforcer: PolicyEnforcer) -> None:
    task_id = _park(gate)
    enforcer.approvals.approve("acme", task_id, DPO)
    enforcer.publish("acme", {**POLICY, "description": "edited"})
    assert isinstance(_replay(gate, task_id), Proceed)


def test_a_mask_that_matches_applies_to_an_approved_request(gate: Gate, enforcer: PolicyEnforcer) -> None:
    task_id = _park(gate)
    enforcer.approvals.approve("acme", task_id, DPO)
    mask = {
        "id": "m",
        "when": {},
        "effect": "mask",
        "reason": "All.",
        "mask": {"fields": {"**.ssn": "redact"}},
    }
    enforcer.publish("_global", {"rules": [mask]})
    assert isinstance(_replay(gate, task_id), ProceedMasked)


def test_a_body_over_the_limit_cannot_be_approved(enforcer: PolicyEnforcer) -> None:
    gate = _gate(enforcer, max_body=10)
    assert _status(_drive(gate, _request("analyst"), b"x" * 11)) == (413, "body-too-large")


def test_an_anonymous_request_cannot_be_approved(enforcer: PolicyEnforcer) -> None:
    gate = _gate(enforcer, on_missing_identity="anonymous")
    request = FakeRequest(headers=[("x-tenant", "acme"), ("x-roles", "analyst")])
    assert _status(_drive(gate, request)) == (403, "approval-unavailable")


def test_a_queue_that_cannot_be_reached_is_503(
    gate: Gate, enforcer: PolicyEnforcer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unreachable(*args: object, **kwargs: object) -> None:
        raise StoreUnavailable("gone")

    monkeypatch.setattr(type(enforcer.approvals), "request", unreachable)
    assert _status(_drive(gate, _request("analyst"))) == (503, "store-unavailable")


# -- own pages -------------------------------------------------------------------------------------------


def _page(gate: Gate, path: str, *, user: str = "bob", method: str = "GET") -> tuple[int, dict[str, Any]]:
    status, _, body = _answer(gate, _request("analyst", user=user, path=path, method=method, route=None))
    return status, body


def test_the_requester_sees_the_status_and_nobody_else(gate: Gate, enforcer: PolicyEnforcer) -> None:
    task_id = _park(gate)
    path = f"/_policy/access/v1/requests/{task_id}"
    assert gate.owns(path)
    assert _page(gate, path)[1]["task"]["status"] == "pending"
    assert _page(gate, path, user="carol")[0] == 404
    enforcer.approvals.approve("acme", task_id, DPO)
    document = _page(gate, path)[1]
    assert document["task"]["status"] == "approved"
    assert document["result"]["approval"]["id"] == task_id
    assert document["result"]["mode"] == "reevaluate"


def test_the_requester_may_cancel(gate: Gate) -> None:
    task_id = _park(gate)
    path = f"/_policy/access/v1/requests/{task_id}/cancel"
    assert _page(gate, path, user="carol", method="POST")[0] == 404
    assert _page(gate, path)[0] == 405
    assert _page(gate, path, method="POST")[1]["task"]["status"] == "cancelled"
    assert _status(_replay(gate, task_id)) == (403, "approval-cancelled")


@pytest.mark.parametrize("path", ["/_policy", "/_policy/", "/_policy/x", "/_policy/access/v1/requests/zzz"])
def test_other_pages_are_unknown(gate: Gate, path: str) -> None:
    assert _page(gate, path)[0] == 404


def test_the_prefix_is_matched_by_whole_segments(gate: Gate) -> None:
    assert not gate.owns("/_policyx")
    assert gate.owns("/_policy/anything")


def test_own_pages_need_an_identity_even_while_observing(enforcer: PolicyEnforcer) -> None:
    gate = _gate(enforcer, mode="observe")
    assert _status(_drive(gate, FakeRequest(path="/_policy/x", route=None))) == (401, "identity-missing")


# -- construction ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({}, "tenant: say where"),
        ({"tenant": header("X"), "tennant": 1}, "unknown setting 'tennant'"),
        ({"tenant": header("X"), "enforcer": "redis://"}, "is no PolicyEnforcer"),
    ],
)
def test_a_gate_that_cannot_work_is_refused(options: dict[str, object], sentence: str) -> None:
    with pytest.raises(SettingsError, match=sentence):
        build_gate(options)


def test_store_settings_beside_an_enforcer_are_contradictory(enforcer: PolicyEnforcer) -> None:
    with pytest.raises(SettingsError, match="max_stale: belongs to the enforcer"):
        _gate(enforcer, max_stale=3)


# -- attributes out of the body, and keys that have to be fetched -------------------------------------------


def test_a_body_that_was_read_for_its_attributes_is_not_read_again_for_an_approval(
    enforcer: PolicyEnforcer,
) -> None:
    gate = _gate(enforcer, attributes={"resource.amount": body("/amount", type=int)})
    reads: list[int] = []

    def read(limit: int) -> bytes:
        reads.append(limit)
        return b'{"amount": 5}'

    step = drive(gate.open(_request("analyst", method="POST")), read)
    assert _status(step)[0] == 202
    assert len(reads) == 1


def test_a_body_that_is_too_long_to_be_looked_into_is_refused(enforcer: PolicyEnforcer) -> None:
    gate = _gate(enforcer, attributes={"resource.amount": body("/amount")}, max_body=10)
    assert _status(_drive(gate, _request(), b"x" * 11)) == (413, "body-too-large")


def test_a_malformed_body_is_400(enforcer: PolicyEnforcer) -> None:
    gate = _gate(enforcer, attributes={"resource.amount": body("/amount")})
    request = _request(headers=[("content-type", "application/json")])
    assert _status(_drive(gate, request, b'{"amount": 1, "amount": 2}')) == (400, "attribute-malformed")


def test_a_source_that_has_to_look_something_up_does_so_in_a_blocking_step(enforcer: PolicyEnforcer) -> None:
    class Directory(Source):
        known = False

        def read(self, request: object, identity: object) -> object:
            if not self.known:
                raise WouldBlock(self.look_up)
            return "reader"

        def look_up(self) -> None:
            self.known = True

    step = _gate(enforcer, roles=Directory()).open(_request("guest"))
    assert isinstance(step, Blocking)
    assert isinstance(step.run(), Proceed)


def test_a_key_that_the_application_is_asked_for_is_asked_for_where_a_thread_may_wait() -> None:
    asked: list[str] = []

    def mask_key(tenant: str) -> bytes:
        asked.append(tenant)
        return b"k" * 32

    hashed = {
        "id": "hashed",
        "when": {},
        "effect": "mask",
        "reason": "Names are hashed.",
        "mask": {"fields": {"name": "hash"}},
    }
    settings = {"decision_log": Log(), "on_missing_policy": "default", "mask_key": mask_key}
    with PolicyEnforcer.from_url("memory://", **settings) as enforcer:
        enforcer.publish("_default", {"schema": 1, "default": "deny", "rules": [hashed]})
        gate = _gate(enforcer)
        load = gate.open(_request())
        assert isinstance(load, Blocking)
        ask = load.run()
        assert isinstance(ask, Blocking)
        assert asked == []
        assert isinstance(ask.run(), ProceedMasked)
        assert isinstance(gate.open(_request()), ProceedMasked)
    assert asked == ["acme"]


def test_where_records_are_demanded_nothing_is_refused_on_the_event_loop(log: Log) -> None:
    options = {"decision_log": log, "on_log_failure": "refuse"}
    with PolicyEnforcer.from_url("memory://", **options) as enforcer:
        enforcer.publish("acme", {**POLICY, "rules": [{**POLICY["rules"][2], "when": {}}]})  # type: ignore[index]
        gate = _gate(enforcer, on_missing_identity="anonymous")
        anonymous = FakeRequest(headers=(("x-tenant", "acme"),))
        assert _answer(gate, anonymous)[0] == 403
        # Taking a count back may have to ask a server.
        assert isinstance(gate.open(anonymous), Blocking)


def test_metrics_time_every_way_to_decide(log: Log) -> None:
    options = {"decision_log": log, "decision_log_metrics": True}
    with PolicyEnforcer.from_url("memory://", **options) as enforcer:
        enforcer.publish("acme", POLICY)
        gate = _gate(enforcer)
        for _ in range(2):  # loaded first, then from memory
            assert isinstance(_drive(gate, _request()), Proceed)
        assert enforcer.decision_log.flush()
    assert [record["metrics"]["timer_policy_evaluation_ns"] > 0 for record in log.records] == [True, True]
