"""What FastAPI has beyond Starlette: further checks by dependencies, and the OpenAPI document."""

from __future__ import annotations

import json
from typing import Annotated, Any

import pytest
from fastapi import APIRouter, Body, Depends, FastAPI, Request, WebSocket
from fastapi.responses import PlainTextResponse
from fastapi.testclient import TestClient

from policy_middleware.approvals import Approver
from policy_middleware.enforcer import PolicyEnforcer
from policy_middleware.model.decision import PolicyDecision
from policy_middleware.model.errors import SettingsError
from policy_middleware.routing import policy_action, policy_exempt
from policy_middleware_fastapi import PolicyMiddleware, PolicyRefusal, document, require

from .asgi_calls import IDENTITY
from .asgi_policies import ALLOW_ALL, DENY_ALL, SOURCES, only

HEADERS = {name.decode(): value.decode() for name, value in IDENTITY}


def service(enforcer: PolicyEnforcer, ran: list[Any]) -> FastAPI:
    app = FastAPI(telemetry={"tracing": False, "metrics": False, "logs": False})
    app.add_middleware(PolicyMiddleware, enforcer=enforcer, **SOURCES)
    router = APIRouter()

    @router.post(
        "/invoices/{number}/refund",
        dependencies=[require("invoice.refund", resource="invoice:{number}", tags=["money"])],
    )
    async def refund(number: int, amount: Annotated[int, Body(embed=True)]) -> dict[str, int]:
        ran.append(("refund", number, amount))
        return {"refunded": amount}

    async def read_as_a_stream(request: Request) -> int:
        return sum([len(part) async for part in request.stream()])

    @app.post("/form", dependencies=[Depends(read_as_a_stream), require("form.send")])
    async def form() -> None:
        ran.append("form")

    @app.get("/taken")
    async def taken(decision: Annotated[PolicyDecision | None, require("thing.take")]) -> str:
        return str(decision.effect) if decision else "exempt"

    @app.websocket("/ws", dependencies=[require("room.enter")])
    async def room(websocket: WebSocket) -> None:
        await websocket.accept()
        await websocket.send_text("hello")
        await websocket.close()

    app.include_router(router, prefix="/v1")
    return app


def refunding(effect: str, **more: Any) -> dict[str, object]:
    return only(effect, {"action": "invoice.refund"}, default="allow", **more)


def test_an_allowed_further_action_runs(enforcer: PolicyEnforcer) -> None:
    ran: list[Any] = []
    client = TestClient(service(enforcer, ran))
    when: dict[str, object] = {"action": "invoice.refund", "resource.id": "7", "tags": "money"}
    enforcer.publish("acme", only("allow", {"any": [when, {"action": {"prefix": "POST "}}]}))
    answer = client.post("/v1/invoices/7/refund", json={"amount": 5}, headers=HEADERS)
    assert answer.json() == {"refunded": 5}
    assert client.post("/v1/invoices/8/refund", json={"amount": 5}, headers=HEADERS).status_code == 403
    assert ran == [("refund", 7, 5)]


def test_a_denied_further_action_is_a_problem_document(enforcer: PolicyEnforcer) -> None:
    ran: list[Any] = []
    enforcer.publish("acme", refunding("deny"))
    answer = TestClient(service(enforcer, ran)).post(
        "/v1/invoices/7/refund", json={"amount": 5}, headers=HEADERS
    )
    assert answer.status_code == 403
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["action"] == "invoice.refund"
    assert answer.json()["decision_id"] == answer.headers["x-policy-decision-id"]
    assert ran == []


def test_an_application_may_render_the_refusal_itself(enforcer: PolicyEnforcer) -> None:
    enforcer.publish("acme", refunding("deny"))
    app = service(enforcer, [])

    @app.exception_handler(PolicyRefusal)
    async def render(request: Request, error: PolicyRefusal) -> PlainTextResponse:
        return PlainTextResponse("no", error.response.status)

    answer = TestClient(app).post("/v1/invoices/7/refund", json={"amount": 5}, headers=HEADERS)
    assert (answer.status_code, answer.text) == (403, "no")


def test_a_further_action_can_wait_for_approval(enforcer: PolicyEnforcer) -> None:
    ran: list[Any] = []
    enforcer.publish("acme", refunding("require_approval", approval={"approvers": {"role": "dpo"}}))
    client = TestClient(service(enforcer, ran))
    url, body = "/v1/invoices/7/refund", {"amount": 5}
    parked = client.post(url, json=body, headers=HEADERS)
    assert parked.status_code == 202
    task = parked.json()["task"]["id"]
    enforcer.approvals.approve("acme", task, Approver("dana", ("dpo",)))
    replay = {**HEADERS, "X-Approval-Id": task}
    assert client.post(url, json={"amount": 6}, headers=replay).status_code == 422
    assert client.post(url, json=body, headers=replay).json() == {"refunded": 5}
    assert client.post(url, json=body, headers=replay).status_code == 409
    assert ran == [("refund", 7, 5)]


def test_a_body_that_was_not_kept_cannot_be_bound_to_an_approval_by_a_dependency(
    enforcer: PolicyEnforcer,
) -> None:
    ran: list[Any] = []
    approval = {"approvers": {"role": "dpo"}}
    document = only("require_approval", {"action": "form.send"}, default="allow", approval=approval)
    enforcer.publish("acme", document)
    answer = TestClient(service(enforcer, ran)).post("/form", content=b"name=bea", headers=HEADERS)
    assert answer.status_code == 403
    assert answer.json()["type"].endswith("approval-unavailable")
    assert ran == []


def test_a_mask_that_a_dependency_cannot_apply_refuses(enforcer: PolicyEnforcer) -> None:
    ran: list[Any] = []
    enforcer.publish("acme", refunding("mask", mask={"fields": {"refunded": "redact"}}))
    answer = TestClient(service(enforcer, ran)).post(
        "/v1/invoices/7/refund", json={"amount": 5}, headers=HEADERS
    )
    assert answer.status_code == 502
    assert ran == []


def test_the_handler_may_take_the_decision(enforcer: PolicyEnforcer) -> None:
    enforcer.publish("acme", ALLOW_ALL)
    assert TestClient(service(enforcer, [])).get("/taken", headers=HEADERS).json() == "allow"


def test_a_websocket_is_refused_by_a_dependency_before_it_is_accepted(enforcer: PolicyEnforcer) -> None:
    from starlette.testclient import WebSocketDenialResponse

    client = TestClient(service(enforcer, []))
    enforcer.publish("acme", ALLOW_ALL)
    with client.websocket_connect("/ws", headers=HEADERS) as session:
        assert session.receive_text() == "hello"
    enforcer.publish("acme", only("deny", {"action": "room.enter"}, default="allow"))
    with pytest.raises(WebSocketDenialResponse) as denial:
        client.websocket_connect("/ws", headers=HEADERS).__enter__()
    assert denial.value.status_code == 403


def test_a_dependency_without_the_middleware_says_what_to_do() -> None:
    app = FastAPI(telemetry={"tracing": False, "metrics": False, "logs": False})

    @app.get("/", dependencies=[require("thing.do")])
    async def handler() -> None:
        return None

    with pytest.raises(SettingsError, match="add_middleware"):
        TestClient(app).get("/")


def test_a_malformed_further_action_is_refused_at_import() -> None:
    with pytest.raises(SettingsError):
        require("")
    with pytest.raises(SettingsError):
        require("a", resource="{")


def test_policy_comes_before_validation(enforcer: PolicyEnforcer) -> None:
    enforcer.publish("acme", DENY_ALL)
    answer = TestClient(service(enforcer, [])).post(
        "/v1/invoices/not-a-number/refund", content=b"{", headers=HEADERS
    )
    assert answer.status_code == 403


def documented(enforcer: PolicyEnforcer) -> dict[str, Any]:
    app = service(enforcer, [])

    @app.get("/docs-of/{number}", responses={403: {"description": "My own words"}})
    @policy_action("document.read")
    async def read(number: int) -> None:
        return None

    @app.get("/free")
    @policy_exempt
    async def free() -> None:
        return None

    document(app)
    schema: dict[str, Any] = json.loads(json.dumps(app.openapi()))
    assert json.loads(json.dumps(app.openapi())) == schema
    return schema


def test_openapi_says_what_policy_may_answer(enforcer: PolicyEnforcer) -> None:
    paths = documented(enforcer)["paths"]
    refund = paths["/v1/invoices/{number}/refund"]["post"]
    assert refund["x-policy-action"] == "POST /v1/invoices/{number}/refund"
    assert refund["x-policy-further-actions"] == ["invoice.refund"]
    assert set(refund["responses"]) == {"200", "202", "403", "422", "503"}
    assert "application/problem+json" in refund["responses"]["403"]["content"]
    assert paths["/docs-of/{number}"]["get"]["x-policy-action"] == "document.read"


def test_openapi_keeps_what_the_application_says_itself(enforcer: PolicyEnforcer) -> None:
    paths = documented(enforcer)["paths"]
    assert paths["/docs-of/{number}"]["get"]["responses"]["403"]["description"] == "My own words"


def test_openapi_leaves_exempt_operations_alone(enforcer: PolicyEnforcer) -> None:
    operation = documented(enforcer)["paths"]["/free"]["get"]
    assert "x-policy-action" not in operation
    assert "403" not in operation["responses"]


def test_every_schema_that_openapi_refers_to_is_there(enforcer: PolicyEnforcer) -> None:
    schema = documented(enforcer)
    assert {"PolicyProblem", "PendingApproval"} <= set(schema["components"]["schemas"])


def test_the_docs_pages_are_decided_too(enforcer: PolicyEnforcer) -> None:
    enforcer.publish("acme", DENY_ALL)
    client = TestClient(service(enforcer, []))
    assert client.get("/docs").status_code == 401
    assert client.get("/openapi.json", headers=HEADERS).status_code == 403
