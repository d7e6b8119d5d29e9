"""A request waits until people have agreed, and then runs once."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor

import httpx

from examples.demo.cast import ANA, EXPORT, FAY, OTHER_EXPORT, REFUND, SAM
from examples.demo.stage import Stage
from examples.services import Answer, Service
from policy_middleware.client import ApprovalTransport


def play(stage: Stage, service: Service) -> None:
    """Have one person approve an export, and two people a refund that a client waits for."""
    _approve_and_replay(stage, service)
    _wait_for_two(stage, service)


def _approve_and_replay(stage: Stage, service: Service) -> None:
    step = stage.transcript.step
    parked = step("require approval", service, ANA, EXPORT, status=202)
    brought = {"X-Approval-Id": _approval_id(parked)}
    _approve(stage, parked, "bea", "dpo")
    step("approved, but for another request", service, ANA, OTHER_EXPORT, headers=brought, status=422)
    step("replay", service, ANA, EXPORT, headers=brought, status=200)
    step("replay, a second time", service, ANA, EXPORT, headers=brought, status=409)


def _wait_for_two(stage: Stage, service: Service) -> None:
    transcript = stage.transcript
    parked = transcript.step("two people have to approve", service, SAM, REFUND, status=202)
    with ThreadPoolExecutor(1) as clients:
        waiting = clients.submit(_refund_once_approved, service)
        page = f"/_policy/inbox/requests/acme/{_approval_id(parked)}"
        transcript.say(f"fay of finance opens {service.url}/_policy/inbox and approves")
        sent = service.send_form(FAY, f"{page}/approve", {"comment": "The parcel came back."})
        transcript.expect("approved once, in the inbox", sent.status == 303, f"{sent.status}")
        _approve(stage, parked, "finn", "finance")
        answer = waiting.result(60)
    transcript.expect(
        "the waiting client has its answer",
        answer.status_code == 201,
        f"{answer.status_code}  {answer.json()}",
    )


def _refund_once_approved(service: Service) -> httpx.Response:
    """Ask for the refund as any program does; its transport waits for people and sends the request again."""
    waiting = ApprovalTransport(httpx.HTTPTransport(), timeout=60)
    with httpx.Client(transport=waiting, base_url=service.url, headers=SAM.headers) as client:
        return client.request(
            REFUND.method,
            REFUND.path,
            content=json.dumps(REFUND.body),
            headers={"Content-Type": "application/json"},
        )


def _approve(stage: Stage, parked: Answer, name: str, role: str) -> None:
    stage.operate(
        "approvals", "approve", _approval_id(parked), "--tenant", "acme", "--as", name, "--role", role
    ).check_returncode()


def _approval_id(parked: Answer) -> str:
    return parked.headers.get("x-approval-id", "none")
